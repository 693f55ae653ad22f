//! A shard that stands still, and one that panics: made to do so in this process, since no one can from outside.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use sidestream::event::{Begin, Delivery, Epoch, Event, Selector, Subscription, Topic};
use sidestream::fanout::{Admission, Fanout, Fault, Metrics, Settings, Slow};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;
use sidestream::log::{HistorySettings, Log as _, TopicLimits};
use sidestream::sse::Framing;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Connection, Subscriber, until};

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Two shards over a log in memory that keeps `events` of a topic.
struct Running {
    log: MemoryLog,
    fanout: Arc<Fanout>,
}

impl Running {
    fn start(events: usize) -> Self {
        let limits = TopicLimits { events, bytes: 64 << 20, age: Duration::from_hours(1) };
        let history = HistorySettings {
            default: limits,
            rules: Vec::new(),
            total: 64 << 20,
            dedupe_window: Duration::from_hours(1),
            dedupe_keys: 1000,
        };
        let log = MemoryLog::new(Live::fixed(history), Clock::system(), Epoch::new(0xabc));
        let settings = Settings {
            heartbeat: Duration::from_hours(1),
            retry: (Duration::from_secs(2), Duration::from_secs(4)),
            max_connection_age: None,
            max_connections: 1000,
            per_ip: 0,
            admissions_per_second: 0,
            slow: Slow::Gap,
        };
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let fanout = Fanout::start(Arc::new(log.clone()), Live::fixed(settings), metrics, 2, 1000).unwrap();
        Self { log, fanout }
    }

    /// Opens a stream on whichever shard has fewer: the first on shard 0, the second on shard 1, and so on.
    async fn subscribe(&self) -> Subscriber {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, peer) = listener.accept().await.unwrap();
        let admission = Admission {
            socket: theirs.into_std().unwrap().into(),
            remote: Some(peer),
            framing: Framing::Chunked,
            head: HEAD.into(),
            rule: "default".into(),
        };
        let subscription = Subscription::to(Selector::Topic(Topic::parse("orders").unwrap()));
        let reservation = self.fanout.reserve(Some(peer.ip()), &Begin::Now).unwrap();
        reservation.begin(Arc::new(subscription), &Begin::Now).await.unwrap().admit(admission);
        let mut stream = Subscriber::over(Connection::over(ours)).await;
        stream.opening().await;
        stream
    }

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
