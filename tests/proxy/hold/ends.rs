//! How holds end before they are streams, and how the caller can tell.

use sidestream::auth::Access;
use sidestream::lifecycle::Phase;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::support::{Holding, Stream, event, get, head};
use crate::harness::{Caller, PATIENCE};

/// All that comes until the connection ends, in whichever way.
async fn all(caller: &mut Caller) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, caller.0.read_to_end(&mut bytes)).await.expect("it stays open");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_not_whole_and_no_stream() {
    let mut holding = Holding::start().await;
    for (fields, bytes) in [
        ("Content-Length: 20\r\n", "data: a\n\n"),
        ("Transfer-Encoding: chunked\r\n", "9\r\ndata: a\n\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "40\r\ndata: a\n\n"),
    ] {
        let (mut caller, asked) = holding.ask(get("/welcome")).await;
        asked.say(head(&format!("Sidestream-Hold: a\r\n{fields}"))).say(bytes);
        let mut stream = Stream::begin(&mut caller).await;
        assert_eq!(stream.block().await, "data: a\n\n");
        assert_eq!(holding.fanout.connections(), 1, "its room is taken");
        asked.hang_up();
        let rest = all(&mut caller).await;
        assert!(!rest.contains("retry") && !rest.contains("0\r\n"), "no end, and no stream: {rest:?}");
        holding.streams(0).await;
    }
    assert!(holding.listed().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_takes_its_room_along() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nTransfer-Encoding: chunked\r\n")).say("9\r\ndata: a\n\n\r\n");
    Stream::begin(&mut caller).await.block().await;
    holding.streams(1).await;
    drop(caller);
    holding.streams(0).await;
    // The app says the rest to nobody, and the next caller is not disturbed.
    asked.say("0\r\n\r\n");
    drop(asked);
    let (mut caller, _) = holding.held("a").await;
    let published = holding.publish("a", "x").await;
    assert_eq!(Stream::going_on(&mut caller).block().await, event(&published, "x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_when_it_is_a_stream_is_noticed() {
    let mut holding = Holding::start().await;
    let (caller, _) = holding.held("a").await;
    assert_eq!(holding.fanout.connections(), 1);
    drop(caller);
    holding.streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_cut_at_the_drains() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nTransfer-Encoding: chunked\r\n")).say("9\r\ndata: a\n\n\r\n");
    assert_eq!(Stream::begin(&mut caller).await.block().await, "data: a\n\n");
    holding.front.running.phase.send(Phase::Draining).unwrap();
    holding.fanout.drain(std::time::Duration::ZERO);
    asked.say("9\r\ndata: b\n\n\r\n");
    assert_eq!(Stream::going_on(&mut caller).block().await, "data: b\n\n", "the app goes on until then");
    holding.front.running.phase.send(Phase::Ending).unwrap();
    assert_eq!(all(&mut caller).await, "", "closed without an end");
    holding.streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_in_the_drain_gets_a_clean_end() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nTransfer-Encoding: chunked\r\n")).say("9\r\ndata: a\n\n\r\n");
    let mut stream = Stream::begin(&mut caller).await;
    assert_eq!(stream.block().await, "data: a\n\n");
    holding.front.running.phase.send(Phase::Draining).unwrap();
    holding.fanout.drain(std::time::Duration::ZERO);
    asked.say("0\r\n\r\n");
    let end = stream.end().await;
    assert!(end.starts_with("retry: ") && end.ends_with("\n\n"), "{end:?}");
    holding.streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_says_how_long_it_may_last() {
    let mut holding = Holding::start().await;
    let (mut short, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nSidestream-Hold-Timeout: 1\r\nContent-Length: 0\r\n"));
    drop(asked);
    let (mut long, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nSidestream-Hold-Timeout: 365d\r\nContent-Length: 0\r\n"));
    drop(asked);
    Stream::begin(&mut long).await.block().await;
    let mut stream = Stream::begin(&mut short).await;
    stream.block().await;
    let end = stream.end().await;
    assert!(end.starts_with("retry: ") && end.ends_with("\n\n"), "{end:?}");
    // The other stays.
    holding.streams(1).await;
    assert!((holding.metric("connections_closed_total", Some("grant")) - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_judged_again_against_deny_alone() {
    let mut holding = Holding::start().await;
    let (mut kept, _) = holding.held("a").await;
    let (mut lost, _) = holding.held("a, b.*").await;
    holding.judge_again(&[("b.secret", Access::Deny), ("**", Access::Jwt)]).await;
    assert!(Stream::going_on(&mut lost).end().await.starts_with("retry: "));
    let published = holding.publish("a", "x").await;
    assert_eq!(Stream::going_on(&mut kept).block().await, event(&published, "x"));
    // A rule that comes while the app speaks.
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head("Sidestream-Hold: a\r\nTransfer-Encoding: chunked\r\n")).say("9\r\ndata: a\n\n\r\n");
    let mut stream = Stream::begin(&mut caller).await;
    stream.block().await;
    holding.judge_again(&[("a", Access::Deny)]).await;
    assert!(Stream::going_on(&mut kept).end().await.starts_with("retry: "));
    holding.publish("a", "for nobody").await;
    asked.say("0\r\n\r\n");
    drop(asked);
    let rest = stream.end().await;
    assert!(rest.starts_with("retry: ") && !rest.contains("for nobody"), "{rest:?}");
}
