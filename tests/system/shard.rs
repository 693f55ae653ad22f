//! A shard that stands still, and one that panics: made to do so in this process, since no one can from outside.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sidestream::event::{Begin, Delivery, Epoch, Event, Topic};
use sidestream::fanout::{Fanout, Fault};
use sidestream::live::Live;
use sidestream::log::Log as _;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;

use crate::support::inside::{Inside, history, quiet, to};
use crate::support::{Metrics, Subscriber, get, until};

/// Two shards over a log in memory that keeps `events` of a topic.
struct Running {
    log: MemoryLog,
    fanout: Arc<Fanout>,
    inside: Inside,
}

impl Running {
    fn start(events: usize) -> Self {
        let log = MemoryLog::new(Live::fixed(history(events)), Clock::system(), Epoch::new(0xabc));
        let inside = Inside::over(Arc::new(log.clone()), quiet(), 2);
        Self { log, fanout: Arc::clone(&inside.fanout), inside }
    }

    async fn subscribe(&self) -> Subscriber {
        let mut stream = self.inside.subscribe(to(&["orders"]), Begin::Now).await;
        stream.opening().await;
        stream
    }

    /// Into the log itself: what moves it into the ring is then the feeder's own thread.
    async fn publish(&self, range: std::ops::Range<usize>) {
        for n in range {
            let event = Event {
                topic: Topic::parse("orders").unwrap(),
                kind: None,
                time: Clock::system().now(),
                data: n.to_string().into(),
            };
            self.log.append(Delivery { events: vec![event], dedupe: None }).await.unwrap();
            // The feeder has a thread of its own; it is not to be outrun by more than it may be.
            if n % 256 == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn expect(stream: &mut Subscriber, range: std::ops::Range<usize>) {
    for n in range {
        assert_eq!(stream.event().await.data(), n.to_string());
    }
}

#[tokio::test]
async fn a_stopped_shard_stops_nobody_else_and_loses_nothing() {
    let running = Running::start(100_000);
    let mut stopped = running.subscribe().await;
    let mut other = running.subscribe().await;
    assert!(running.fanout.wedged().is_empty());
    let (release, stall) = std::sync::mpsc::channel();
    running.fanout.inject(0, Fault::Stall(stall));
    running.publish(0..3000).await;
    expect(&mut other, 0..3000).await;
    let wedged = until("the stopped shard is named", async || {
        Some(running.fanout.wedged()).filter(|wedged| !wedged.is_empty())
    })
    .await;
    assert_eq!(wedged.len(), 1, "{wedged:?}");
    assert!(wedged[0].starts_with("shard 0 "), "{wedged:?}");
    running.publish(3000..3010).await;
    expect(&mut other, 3000..3010).await;

    drop(release);
    expect(&mut stopped, 0..3010).await;
    until("nothing is wedged", async || running.fanout.wedged().is_empty().then_some(())).await;
    running.publish(3010..3020).await;
    expect(&mut stopped, 3010..3020).await;
    expect(&mut other, 3010..3020).await;
}

#[tokio::test]
async fn a_stopped_shard_makes_healthz_503_until_it_goes_on() {
    let running = Running::start(1000);
    let admin = running.inside.admin();
    let mut stopped = running.subscribe().await;
    let mut other = running.subscribe().await;
    let healthy = get(&admin, "/healthz").await;
    assert_eq!((healthy.status, &healthy.json()["status"]), (200, &"ok".into()));

    let (release, stall) = std::sync::mpsc::channel();
    running.fanout.inject(0, Fault::Stall(stall));
    running.publish(0..10).await;
    let wedged = until("/healthz is 503", async || {
        Some(get(&admin, "/healthz").await).filter(|answer| answer.status != 200)
    })
    .await;
    assert_eq!((wedged.status, &wedged.json()["status"]), (503, &"wedged".into()));
    let named = wedged.json()["wedged"].as_array().unwrap().clone();
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].as_str().unwrap().starts_with("shard 0 "), "{named:?}");

    // A restart cures it, and nothing else is wrong: whoever is elsewhere is served, and all is told.
    assert_eq!(get(&admin, "/readyz").await.status, 200);
    let metrics = get(&admin, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(Metrics::parse(&metrics.text()).get("sidestream_connections"), 2.0);
    running.publish(10..20).await;
    expect(&mut other, 0..20).await;
    assert_eq!(get(&admin, "/healthz").await.status, 503);

    drop(release);
    until("/healthz is 200", async || (get(&admin, "/healthz").await.status == 200).then_some(())).await;
    expect(&mut stopped, 0..20).await;
}

#[tokio::test]
async fn a_shard_that_the_ring_has_overtaken_goes_on_from_history() {
    let running = Running::start(100_000);
    let mut stopped = running.subscribe().await;
    let mut other = running.subscribe().await;
    let (release, stall) = std::sync::mpsc::channel();
    running.fanout.inject(0, Fault::Stall(stall));
    // Several times what the ring holds.
    for round in 0..30 {
        running.publish(round * 1000..(round + 1) * 1000).await;
        expect(&mut other, round * 1000..(round + 1) * 1000).await;
    }
    drop(release);
    expect(&mut stopped, 0..30_000).await;
    running.publish(30_000..30_100).await;
    expect(&mut stopped, 30_000..30_100).await;
}

#[tokio::test]
async fn what_history_has_lost_meanwhile_is_told() {
    let running = Running::start(100);
    let mut stopped = running.subscribe().await;
    let mut other = running.subscribe().await;
    running.publish(0..10).await;
    expect(&mut stopped, 0..10).await;
    expect(&mut other, 0..10).await;
    let (release, stall) = std::sync::mpsc::channel();
    running.fanout.inject(0, Fault::Stall(stall));
    for round in 0..20 {
        let range = 10 + round * 1000..10 + (round + 1) * 1000;
        running.publish(range.clone()).await;
        expect(&mut other, range).await;
    }
    drop(release);
    let block = stopped.block().await;
    let gap = block.gap();
    assert_eq!((&gap["reason"], &gap["requested"]), (&"lagged".into(), &"000000000abc-10".into()), "{gap}");
    let resumed: usize = block.id().strip_prefix("000000000abc-").unwrap().parse().unwrap();
    assert!(gap["missed"].is_null() || gap["missed"] == resumed - 10, "{gap}");
    // Event n has the sequence number n + 1.
    expect(&mut stopped, resumed..20_010).await;
    running.publish(20_010..20_020).await;
    expect(&mut stopped, 20_010..20_020).await;
}

/// Set for the child process in which a shard panics.
const CHILD: &str = "SIDESTREAM_TEST_PANIC";

#[tokio::test]
async fn a_panic_in_a_shard_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        let running = Running::start(10);
        let _stream = running.subscribe().await;
        running.fanout.inject(1, Fault::Panic);
        return std::future::pending().await;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shard::a_panic_in_a_shard_ends_the_process", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    let status = until("the child ends", async || child.try_wait().unwrap()).await;
    // SIGABRT.
    assert_eq!(status.signal(), Some(6), "{status:?} of {pid}");
}
