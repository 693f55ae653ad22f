//! From a queue: what is tried again, what is lost, and what is promised meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use super::support::{Act, App, Bench, SOURCE, free_port, limited, queued, say, status, to, to_port};
use crate::net::Roots;
use crate::relay::limits::{DELIVERY_BYTES, IN_FLIGHT};
use crate::relay::{Lost, Mode, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_down_gets_all_of_it_once_it_is_up() {
    let port = free_port().await;
    let bench = Bench::new(queued(to_port(port)));
    let bodies: BTreeSet<Vec<u8>> = (0..50).map(|n| format!("webhook {n}").into_bytes()).collect();
    for body in &bodies {
        bench.queue(body.clone()).unwrap();
    }
    bench.reaches("relay_retries_total", 100).await;
    bench.counted(0, 0, 0);
    assert_eq!(bench.metric("relay_queued", &[]), 50);
    let mut app = App::start_on(port, |_| status(202)).await;
    bench.flushed().await;
    let mut seen = BTreeSet::new();
    for _ in &bodies {
        seen.insert(app.next().await.body);
    }
    app.no_more();
    assert_eq!(seen, bodies);
    bench.counted(50, 0, 0);
    assert_eq!((bench.metric("relay_queued", &[]), bench.metric("relay_queued_bytes", &[])), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_what_will_not_is_lost_at_once() {
    let failures = [408, 425, 429, 500, 502, 503, 504];
    let app = App::start(move |n| status(*failures.get(n - 1).unwrap_or(&200))).await;
    let bench = Bench::new(queued(to(&app)));
    bench.queue("x").unwrap();
    bench.flushed().await;
    bench.counted(1, 0, 0);
    assert_eq!((app.asked(), bench.metric("relay_retries_total", &[])), (8, 7));

    for refusal in [301, 400, 401, 404, 410, 413, 422] {
        let app = App::start(move |_| status(refusal)).await;
        let bench = Bench::new(queued(to(&app)));
        bench.queue("x").unwrap();
        bench.flushed().await;
        bench.counted(0, 0, 1);
        assert_eq!(bench.metric("relay_lost_total", &["reason=\"refused\""]), 1);
        assert_eq!(app.asked(), 1, "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_come_to_an_end() {
    let app = App::start(|n| if n.is_multiple_of(2) { Act::Close } else { status(503) }).await;
    let plan = limited(queued(to(&app)), |queue| queue.retries = 3);
    let bench = Bench::new(plan);
    bench.queue("x").unwrap();
    bench.flushed().await;
    bench.counted(0, 0, 1);
    assert_eq!(bench.metric("relay_lost_total", &["reason=\"exhausted\""]), 1);
    assert_eq!((app.asked(), bench.metric("relay_retries_total", &[])), (4, 3));
    let never = Bench::new(limited(queued(to_port(free_port().await)), |queue| queue.retries = 0));
    never.queue("x").unwrap();
    never.flushed().await;
    never.counted(0, 0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_app_times_out_and_is_asked_again() {
    let app = App::start(|n| if n == 1 { Act::Stall(Vec::new()) } else { status(200) }).await;
    let bench = Bench::new(Plan { timeout: Duration::from_millis(50), ..queued(to(&app)) });
    bench.queue("x").unwrap();
    bench.flushed().await;
    bench.counted(1, 0, 0);
    assert!(app.asked() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_takes_no_more_by_number_and_by_bytes() {
    let mut app = App::start(|_| Act::Wait).await;
    let bench = Bench::new(limited(queued(to(&app)), |queue| queue.deliveries = 3));
    for _ in 0..3 {
        bench.queue("x").unwrap();
    }
    assert_eq!(bench.queue("x"), Err(Lost::Full));
    for _ in 0..3 {
        app.next().await;
    }
    bench.counted(0, 0, 1);
    assert_eq!(bench.metric("relay_lost_total", &["reason=\"queue_full\"", "source=\"github\""]), 1);
    app.open_gate();
    bench.flushed().await;
    bench.queue("x").unwrap();
    bench.flushed().await;
    bench.counted(4, 0, 1);

    let bytes = 100_000;
    let bench = Bench::new(limited(queued(to(&app)), |queue| queue.bytes = bytes));
    assert_eq!(bench.queue(vec![0; bytes]), Err(Lost::Full));
    bench.queue(vec![0; bytes - 2 * DELIVERY_BYTES]).unwrap();
    bench.flushed().await;
    bench.counted(1, 0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_queues_together_are_bounded_too() {
    let port = free_port().await;
    let plan = || limited(queued(to_port(port)), |queue| queue.bytes = 60 << 20);
    let bench = Bench::with([("a", plan()), ("b", plan())], 100, Roots::System);
    bench.queue_for("a", vec![0; 50 << 20]).unwrap();
    assert_eq!(bench.queue_for("b", vec![0; 20 << 20]), Err(Lost::Full));
    bench.queue_for("b", vec![0; 5 << 20]).unwrap();
    assert_eq!(bench.metric("relay_lost_total", &["source=\"b\""]), 1);
    assert_eq!(bench.relay.abandon().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_with_the_app_at_a_time_and_another_source_is_not_held_up() {
    let mut slow = App::start(|_| Act::Wait).await;
    let mut other = App::start(|_| status(200)).await;
    let plans = [(SOURCE, queued(to(&slow))), ("other", queued(to(&other)))];
    let bench = Bench::with(plans, 100, Roots::System);
    let count = 3 * IN_FLIGHT;
    for _ in 0..count {
        bench.queue("x").unwrap();
    }
    for _ in 0..IN_FLIGHT {
        slow.next().await;
    }
    bench.queue_for("other", "y").unwrap();
    assert_eq!(other.next().await.body, b"y");
    assert_eq!(slow.asked(), IN_FLIGHT);
    slow.open_gate();
    bench.flushed().await;
    assert_eq!(slow.asked(), count);
    assert!(slow.connections() < count);
    bench.counted(count as u64 + 1, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_holds_up_no_other_of_its_source() {
    let mut app = App::start(|n| if n == 1 { status(503) } else { status(200) }).await;
    // The one that failed waits for as good as ever.
    let plan = limited(queued(to(&app)), |queue| {
        (queue.backoff.first, queue.backoff.most) = (Duration::from_hours(1), Duration::from_hours(1));
    });
    let bench = Bench::new(plan);
    bench.queue("first").unwrap();
    assert_eq!(app.next().await.body, b"first");
    for n in 0..20 {
        bench.queue(format!("{n}")).unwrap();
    }
    for _ in 0..20 {
        assert_ne!(app.next().await.body, b"first");
    }
    bench.reaches("relayed_total", 20).await;
    assert_eq!(bench.metric("relay_queued", &[]), 1);
    assert_eq!(bench.relay.abandon().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_moves_what_waits_along() {
    let bench = Bench::new(queued(to_port(free_port().await)));
    bench.queue("x").unwrap();
    bench.reaches("relay_retries_total", 1).await;
    let mut app = App::start(|_| status(200)).await;
    bench.reload(queued(to(&app)));
    bench.flushed().await;
    assert_eq!(app.next().await.body, b"x");
    bench.counted(1, 0, 0);

    // Without a queue from now on, or without a plan: what waits goes on as it was promised.
    let (one, two) = (App::start(|n| status(if n < 5 { 503 } else { 200 })).await, free_port().await);
    let bench = Bench::new(queued(to(&one)));
    bench.queue("x").unwrap();
    bench.reload(Plan { mode: Mode::After, ..queued(to(&one)) });
    bench.flushed().await;
    bench.counted(1, 0, 0);
    let bench = Bench::with([("other", queued(to_port(two)))], 100, Roots::System);
    bench.queue_for("other", "x").unwrap();
    bench.reload(queued(to(&one)));
    assert!(bench.relay.plan("other").is_none());
    let _late = App::start_on(two, |_| say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    bench.flushed().await;
    bench.counted(1, 0, 0);
}
