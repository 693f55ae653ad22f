//! The log refuses, hangs or forgets; the process drains.

use std::time::Duration;

use super::fake::{Bench, Script, post, settings};
use crate::lifecycle::Phase;
use crate::log::AppendError;

#[tokio::test]
async fn what_the_log_does_not_take_is_answered_503_and_counted() {
    let cases = [
        (AppendError::Unavailable("recovering"), "unavailable"),
        (AppendError::Full, "full"),
        (AppendError::Unknown, "unknown"),
    ];
    for (error, kind) in cases {
        let bench = Bench::new();
        bench.script(Script::Refuse(error));
        let answer = bench.ask(post("/webhooks/orders", "", "x")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{kind}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("Not known to be accepted"));
        bench.refused("unavailable");
        assert_eq!(bench.metric("sidestream_log_errors_total", kind), 1);
    }
}

#[tokio::test]
async fn a_delivery_larger_than_the_log_takes_is_answered_413_with_its_limit() {
    let bench = Bench::new();
    bench.script(Script::Refuse(AppendError::TooLarge { limit: 4321 }));
    let answer = bench.ask(post("/webhooks/orders", "", "x")).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("4321"));
    bench.refused("too_large");
}

#[tokio::test]
async fn a_log_that_does_not_answer_in_time_is_answered_503() {
    let bench = Bench::with(settings(), Duration::from_millis(20));
    bench.script(Script::Hang);
    let mut peer = bench.peer();
    assert_eq!(peer.ask(post("/webhooks/orders", "", "x")).await.status, 503);
    bench.refused("unavailable");
    assert_eq!(bench.metric("sidestream_log_errors_total", "slow"), 1);
    // The request was read whole, so the connection goes on.
    assert_eq!(peer.ask(post("/webhooks/orders", "", "x")).await.status, 202);
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_publishes_once() {
    let bench = Bench::new();
    bench.script(Script::KeepAndForget);
    let request = post("/webhooks/orders", "Sidestream-Id: 42\r\n", "x");
    assert_eq!(bench.ask(&request).await.status, 503);
    let retried = bench.ask(&request).await;
    assert_eq!((retried.status, &retried.json()["duplicate"]), (202, &true.into()));
    assert_eq!(retried.json()["cursor"], "000000000007-1");
    assert_eq!(bench.published().len(), 1);
    assert_eq!((bench.outcomes("unavailable"), bench.outcomes("duplicate")), (1, 1));
    // What the first attempt published was never answered, so it is not counted as an event of ours.
    assert_eq!(bench.metric("sidestream_events_total", "default"), 0);
}

#[tokio::test]
async fn a_key_counts_per_topic_and_id() {
    let bench = Bench::new();
    for (topic, id, duplicate) in [("a", "1", false), ("a", "1", true), ("b", "1", false), ("a", "2", false)]
    {
        let request = post(&format!("/webhooks/{topic}"), &format!("Sidestream-Id: {id}\r\n"), "x");
        assert_eq!(bench.ask(request).await.json()["duplicate"], duplicate, "{topic} {id}");
    }
    assert_eq!(bench.published().len(), 3);
}

#[tokio::test]
async fn a_drain_refuses_and_closes_and_what_precedes_it_does_not() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    bench.phase.send_replace(Phase::Leaving);
    assert_eq!(peer.ask(post("/webhooks/orders", "", "x")).await.status, 202);
    bench.phase.send_replace(Phase::Draining);
    // A kept connection still hears what becomes of a request that was on its way, and a new one too.
    for mut peer in [peer, bench.peer()] {
        let answer = peer.ask(post("/webhooks/orders", "", "x")).await;
        assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
        assert_eq!(answer.header("retry-after"), Some("5"));
        peer.closed().await;
    }
    assert_eq!(bench.published().len(), 1);
    assert_eq!(bench.outcomes("unavailable"), 2);
}
