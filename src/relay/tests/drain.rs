//! The process ends: what waits is flushed, and what does not make it is counted.

use std::time::Duration;

use tokio::time::timeout;

use super::support::{Act, App, Bench, PATIENCE, free_port, limited, queued, say, status, to, to_port};
use crate::lifecycle::Phase;
use crate::relay::{Lost, Plan};

/// Retries only after so long that a test would be ended first.
fn patient(plan: Plan) -> Plan {
    limited(plan, |queue| {
        (queue.backoff.first, queue.backoff.most) = (Duration::from_hours(1), Duration::from_hours(1));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_what_is_queued() {
    let mut app = App::start(|_| Act::Wait).await;
    let bench = Bench::new(queued(to(&app)));
    bench.flushed().await;
    bench.queue("x").unwrap();
    app.next().await;
    bench.phase.send_replace(Phase::Draining);
    // What was accepted just before is still taken.
    bench.queue("y").unwrap();
    app.next().await;
    assert!(timeout(Duration::ZERO, bench.relay.flushed()).await.is_err());
    app.open_gate();
    bench.flushed().await;
    assert_eq!(bench.relay.abandon().await, 0);
    bench.counted(2, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_as_long_as_an_app_would_like() {
    let later = "HTTP/1.1 503 X\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n";
    let mut app = App::start(move |n| if n <= 2 { say(later) } else { status(200) }).await;
    let bench = Bench::new(patient(queued(to(&app))));
    bench.queue("x").unwrap();
    app.next().await;
    bench.phase.send_replace(Phase::Draining);
    bench.flushed().await;
    bench.counted(1, 0, 0);
    assert_eq!(bench.metric("relay_retries_total", &[]), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_counted_and_its_attempts_end() {
    let mut app = App::start(|_| Act::Stall(Vec::new())).await;
    let plans =
        [(super::support::SOURCE, queued(to(&app))), ("gone", patient(queued(to_port(free_port().await))))];
    let bench = Bench::with(plans, 100, crate::net::Roots::System);
    for _ in 0..20 {
        bench.queue("x").unwrap();
        bench.queue_for("gone", "y").unwrap();
    }
    app.next().await;
    bench.phase.send_replace(Phase::Draining);
    let given_up = timeout(PATIENCE, bench.relay.abandon()).await.unwrap();
    assert_eq!(given_up, 40);
    bench.counted(0, 0, 40);
    for source in ["github", "gone"] {
        let labels = ["reason=\"ended\"", &format!("source=\"{source}\"")];
        assert_eq!(bench.metric("relay_lost_total", &labels), 20);
    }
    assert_eq!((bench.metric("relay_queued", &[]), bench.metric("relay_queued_bytes", &[])), (0, 0));
    app.ended(app.connections()).await;
    assert_eq!(bench.queue("z"), Err(Lost::Ended));
    bench.counted(0, 0, 41);
}

#[test]
fn a_runtime_that_goes_takes_its_queue_along_and_it_is_counted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(async {
        let mut app = App::start(|_| Act::Stall(Vec::new())).await;
        let bench = Bench::new(queued(to(&app)));
        bench.queue("x").unwrap();
        app.next().await;
        bench
    });
    drop(runtime);
    assert_eq!(bench.metric("relay_lost_total", &["reason=\"ended\""]), 1);
}
