//! A peer that vanishes without a word: its link goes, and nothing that is sent to it is acknowledged any more.
//!
//! Each subscriber lives in a network namespace of its own, at the other end of a link that a test can take down. That
//! needs Linux, root, `ip` and `curl`; where they are missing the tests say so and pass, and with `CI=true` they fail.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::support::{Gateway, PATIENCE, Request, Sender, Subscriber, until};

/// A network namespace with one link to the host, addressed from 198.18.0.0/15, which RFC 2544 keeps for tests. Both are
/// gone when this is dropped.
struct Island {
    name: String,
    /// The address of the host's end.
    host: String,
    /// The host's end, and the other.
    outside: String,
    inside: String,
}

impl Island {
    /// `None` where none can be made.
    fn make() -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        // Four addresses for each link, by process and link, so that runs beside each other hardly ever meet.
        let base = (id.wrapping_mul(16).wrapping_add(n) % (1 << 15)) * 4;
        let address =
            |i: u32| format!("198.{}.{}.{}", 18 + (base >> 16), (base >> 8) & 255, (base & 255) + i);
        let island = Self {
            name: format!("sidestream-{id}-{n}"),
            host: address(1),
            outside: format!("ss{id}-{n}o"),
            inside: format!("ss{id}-{n}i"),
        };
        let Self { name, host, outside, inside } = &island;
        let made = ip(&["netns", "add", name]).and_then(|()| {
            ip(&["link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name])?;
            ip(&["addr", "add", &format!("{host}/30"), "dev", outside])?;
            ip(&["link", "set", outside, "up"])?;
            ip(&["-n", name, "addr", "add", &format!("{}/30", address(2)), "dev", inside])?;
            ip(&["-n", name, "link", "set", inside, "up"])
        });
        let made = made.and_then(|()| runs("curl", &["--version"]));
        if let Err(why) = made {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "no network namespace with curl can be had: {why}"
            );
            eprintln!("skipped: no network namespace with curl can be had: {why}");
            return None;
        }
        Some(island)
    }

    /// Drops every packet on the link from now on, in both directions, without telling either end.
    fn vanish(&self) {
        ip(&["-n", &self.name, "link", "set", &self.inside, "down"]).unwrap();
    }

    /// Subscribes from in there, with curl.
    fn listen(&self, port: &str, target: &str) -> Listener {
        let url = format!("http://{}:{port}{target}", self.host);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "curl", "--silent", "--no-buffer", &url]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Listener { child, text }
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        // The namespace outlives its name while sockets in it still try to say goodbye; the link needn't.
        let _ = ip(&["link", "del", &self.outside]);
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    runs("ip", arguments)
}

/// Runs a program; what it says of a failure is the error.
fn runs(program: &str, arguments: &[&str]) -> Result<(), String> {
    let ran =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()) }
}

/// A curl in an island.
struct Listener {
    child: Child,
    text: Arc<Mutex<String>>,
}

impl Listener {
    async fn says(&self, part: &str) {
        until(part, async || self.text.lock().unwrap().contains(part).then_some(())).await;
    }
}

impl Listener {
    /// It reads nothing from now on, while its kernel goes on to acknowledge.
    fn stand_still(&self) {
        runs("kill", &["-STOP", &self.child.id().to_string()]).unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The edge listens everywhere, since islands reach it by their links.
async fn start() -> (Gateway, String) {
    let mut gateway = Gateway::start("edge: { listen: \"0.0.0.0:0\", heartbeat: 1s }").await;
    let port = gateway.edge.rsplit(':').next().unwrap().to_owned();
    gateway.edge = format!("127.0.0.1:{port}");
    (gateway, port)
}

/// What stands still is not what vanished: it acknowledges, and is told a gap when it reads on.
#[tokio::test]
async fn one_that_reads_nothing_for_longer_than_that_is_kept() {
    let gateway = Gateway::start("edge: { heartbeat: 1s }\nhistory: { events: 100000, bytes: 64MiB }").await;
    let mut still = Request::topic("orders").receive_buffer(4096).open(&gateway).await;
    still.opening().await;
    let mut sender = Sender::open(&gateway).await;
    // More than all buffers on the way hold: from now on the peer's window is shut.
    let sent = sender.publish_many("orders", (0..2000).map(|n| format!("{n:0>1000}"))).await;
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 1.0).await;
    // Another's heartbeats tell that more time has passed than a lost peer is given.
    let mut clock = Request::to("/topics/quiet?heartbeat=event").open(&gateway).await;
    for _ in 0..12 {
        clock.event().await;
    }
    assert_eq!(gateway.metrics().await.get("sidestream_connections"), 2.0);
    for sent in &sent {
        assert_eq!(still.event().await.id(), sent.cursor);
    }
}

/// The kernel itself would keep such a stream for about a quarter of an hour (`tcp_retries2`), far longer than any wait here.
#[tokio::test]
async fn subscribers_whose_link_is_gone_are_given_up_and_others_notice_nothing() {
    let (Some(gone), Some(kept)) = (Island::make(), Island::make()) else { return };
    let (gateway, port) = start().await;
    let mut near = Subscriber::open(&gateway, "orders").await;
    let far = kept.listen(&port, "/topics/orders");
    // One that has events on their way, one that has heartbeats alone, and one whose heartbeats are events.
    let busy = gone.listen(&port, "/topics/orders");
    let quiet = gone.listen(&port, "/topics/quiet");
    let seen = gone.listen(&port, "/topics/quiet?heartbeat=event");
    for listener in [&far, &busy, &quiet, &seen] {
        listener.says("retry: ").await;
    }
    gateway.connections(5).await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish("orders", "before").await;
    for listener in [&far, &busy] {
        listener.says("data: before\n\n").await;
    }
    assert_eq!(near.event().await.data(), "before");

    gone.vanish();
    let mut left = 5.0;
    let given_up = Instant::now() + PATIENCE;
    for sent in 0.. {
        if left == 2.0 {
            break;
        }
        assert!(Instant::now() < given_up, "{left} streams are left");
        // They are told of each event as it comes, while the lost ones still have their streams.
        sender.publish("orders", format!("during {sent}")).await;
        assert_eq!(near.event().await.data(), format!("during {sent}"));
        far.says(&format!("data: during {sent}\n\n")).await;
        let open = gateway.wait_for_metric("sidestream_connections", |_| true).await;
        assert!((2.0..=left).contains(&open), "{open} streams are left of {left}");
        left = open;
    }
    let metrics = gateway.metrics().await;
    let closed = |reason| metrics.get(&format!("sidestream_connections_closed_total{{reason=\"{reason}\"}}"));
    assert_eq!(closed("vanished"), 3.0);
    let after = sender.publish("orders", "after").await;
    assert_eq!(after.subscribers, 2);
    assert_eq!(near.event().await.id(), after.cursor);
    far.says("data: after\n\n").await;
    assert!(!busy.text.lock().unwrap().contains("data: during"), "its link was not gone");
}

/// Behind a shut window nothing is in flight: only the kernel's probes tell.
#[tokio::test]
async fn one_that_stood_still_before_its_link_was_gone_is_given_up_too() {
    let (Some(gone), Some(kept)) = (Island::make(), Island::make()) else { return };
    let (gateway, port) = start().await;
    let listeners = [gone.listen(&port, "/topics/orders"), kept.listen(&port, "/topics/orders")];
    for listener in &listeners {
        listener.says("retry: ").await;
        listener.stand_still();
    }
    let mut sender = Sender::open(&gateway).await;
    // More than all buffers on the way can be made to hold.
    let mut sent = 0;
    while gateway.metrics().await.get("sidestream_lagging_connections") < 2.0 {
        sent += 100;
        assert!(sent <= 10_000, "nobody falls behind");
        sender.publish_many("orders", (0..100).map(|n| format!("{n:0>9000}"))).await;
    }
    gone.vanish();
    let vanished = "sidestream_connections_closed_total{reason=\"vanished\"}";
    gateway.wait_for_metric(vanished, |n| n == 1.0).await;
    // The other has stood still for just as long.
    assert_eq!(gateway.metrics().await.get("sidestream_connections"), 1.0);
}
