//! An app that answers as it is told and remembers what it was sent, and a relay towards it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::access::Map;
use bytes::Bytes;
use pingora::http::RequestHeader;
use prometheus::{Registry, TextEncoder};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::event::Millis;
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::net::http::Way;
use crate::net::{Peer, Roots, Upstream, UpstreamScheme};
use crate::relay::{Backoff, Metrics, Mode, Parts, Plan, Plans, Queue, Relay, To, Webhook};

/// What a healthy machine needs a small part of, and a hung test is ended by.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the app does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads it whole and writes these bytes.
    Say(Vec<u8>),
    /// The same, and closes.
    SayAndClose(Vec<u8>),
    /// Reads its head alone, writes these bytes and closes, unread bytes or not.
    Interrupt(Vec<u8>),
    /// The same, but on a connection's first request, which gets a 200.
    InterruptLater,
    /// Reads it whole and closes.
    Close,
    /// Reads it whole, writes these bytes, and then nothing more.
    Stall(Vec<u8>),
    /// Reads it whole, and answers 200 once the gate is open.
    Wait,
    /// Writes zeros for ever, behind these bytes.
    Flood(Vec<u8>),
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Act {
    Act::Say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

/// A request as it was on the wire.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Which of the app's connections it came by, from 1.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn head(&self) -> String {
        self.head.escape_ascii().to_string().replace("\\r\\n", "\n")
    }
}

/// Decides on the n-th request, from 1.
type Script = Arc<dyn Fn(usize) -> Act + Send + Sync>;

/// An app until it is dropped.
pub(crate) struct App {
    pub(crate) port: u16,
    seen: mpsc::UnboundedReceiver<Seen>,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    script: Script,
    asked: AtomicUsize,
    connections: AtomicUsize,
    /// Connections that the app has seen the end of.
    ended: watch::Sender<usize>,
    gate: watch::Sender<bool>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl App {
    pub(crate) async fn start(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start_on(0, script).await
    }

    pub(crate) async fn start_on(port: u16, script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self::serve(port, script, move |state| async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                served.spawn(connection(stream, Arc::clone(&state)));
            }
        })
    }

    pub(crate) fn start_unix(path: &Path, script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::serve(0, script, move |state| async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(connection(stream, Arc::clone(&state)));
            }
        })
    }

    fn serve<F: Future<Output = ()> + Send + 'static>(
        port: u16,
        script: impl Fn(usize) -> Act + Send + Sync + 'static,
        accept: impl FnOnce(Arc<State>) -> F,
    ) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            script: Arc::new(script),
            asked: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
            gate: watch::Sender::new(false),
            seen: sender,
        });
        let task = tokio::spawn(accept(Arc::clone(&state)));
        Self { port, seen, state, task }
    }

    /// The next request that was read whole.
    pub(crate) async fn next(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("a request in time").unwrap()
    }

    /// Asserts that no other request was read whole.
    pub(crate) fn no_more(&mut self) {
        assert!(self.seen.try_recv().is_err());
    }

    /// Requests so far, those that were not read whole too.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until it has seen the end of so many connections.
    pub(crate) async fn ended(&self, connections: usize) {
        let mut ended = self.state.ended.subscribe();
        timeout(PATIENCE, ended.wait_for(|ended| *ended >= connections)).await.unwrap().unwrap();
    }

    /// Lets [`Act::Wait`] answer, from now on.
    pub(crate) fn open_gate(&self) {
        self.state.gate.send_replace(true);
    }

    pub(crate) fn to(&self) -> To {
        to_port(self.port)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn to_port(port: u16) -> To {
    To::Server(Upstream::Tcp { scheme: UpstreamScheme::Http, host: "127.0.0.1".into(), port })
}

/// A port that nobody listens on.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, state: Arc<State>) {
    let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let mut stream = BufReader::new(stream);
    let mut first = true;
    while let Some(head) = read_head(&mut stream).await {
        let act = match (state.script)(state.asked.fetch_add(1, Ordering::SeqCst) + 1) {
            Act::InterruptLater if std::mem::take(&mut first) => status(200),
            Act::InterruptLater => Act::Interrupt(Vec::new()),
            act => act,
        };
        if let Act::Interrupt(bytes) = act {
            let _ = stream.write_all(&bytes).await;
            break;
        }
        let mut body = vec![0; length(&head)];
        if stream.read_exact(&mut body).await.is_err() {
            break;
        }
        let _ = state.seen.send(Seen { head, body, connection: number });
        match act {
            Act::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                break;
            }
            Act::Close | Act::Interrupt(_) | Act::InterruptLater => break,
            Act::Stall(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                let _ = stream.read_u8().await;
                break;
            }
            Act::Wait => {
                let _ = state.gate.subscribe().wait_for(|open| *open).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            Act::Flood(bytes) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(&[b'0'; 4096]).await.is_ok() {}
                break;
            }
        }
    }
    state.ended.send_modify(|ended| *ended += 1);
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let value = head.split("\r\ncontent-length: ").nth(1).expect("every request says its length");
    value.split("\r\n").next().unwrap().parse().unwrap()
}

/// A relay for sources whose plans can be replaced.
pub(crate) struct Bench {
    pub(crate) relay: Relay,
    pub(crate) phase: watch::Sender<Phase>,
    plans: Arc<ArcSwap<Plans>>,
    registry: Registry,
}

/// The source of these tests.
pub(crate) const SOURCE: &str = "github";

impl Bench {
    pub(crate) fn new(plan: Plan) -> Self {
        Self::with([(SOURCE, plan)], 100, Roots::System)
    }

    pub(crate) fn with<const N: usize>(plans: [(&str, Plan); N], connections: usize, roots: Roots) -> Self {
        let plans = plans.into_iter().map(|(source, plan)| (source.to_owned(), plan)).collect::<Plans>();
        let plans = Arc::new(ArcSwap::from_pointee(plans));
        let registry = Registry::new();
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let relay = Relay::new(Parts {
            plans: Live::new(Map::new(Arc::clone(&plans), |plans: &Plans| plans)),
            lifecycle,
            metrics: Metrics::register(&registry).unwrap(),
            roots,
            connections,
            clock: || Millis(1_700_000_000_000),
        });
        Self { relay, phase, plans, registry }
    }

    /// Replaces the source's plan.
    pub(crate) fn reload(&self, plan: Plan) {
        self.plans.store(Arc::new([(SOURCE.to_owned(), plan)].into_iter().collect()));
    }

    pub(crate) async fn send(
        &self,
        body: impl Into<Bytes>,
    ) -> Result<crate::relay::Reply, crate::relay::RelayError> {
        let head = head(&[]);
        let plan = self.relay.plan(SOURCE).unwrap();
        timeout(PATIENCE, self.relay.send(SOURCE, &plan, webhook(&head, body))).await.expect("a bounded time")
    }

    pub(crate) fn queue(&self, body: impl Into<Bytes>) -> Result<(), crate::relay::Lost> {
        self.queue_for(SOURCE, body)
    }

    pub(crate) fn queue_for(&self, source: &str, body: impl Into<Bytes>) -> Result<(), crate::relay::Lost> {
        let head = head(&[]);
        self.relay.queue(source, &self.relay.plan(source).unwrap(), webhook(&head, body))
    }

    pub(crate) async fn flushed(&self) {
        timeout(PATIENCE, self.relay.flushed()).await.expect("flushed in time");
    }

    /// The sum of a metric's samples whose labels have all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("sidestream_{name}{{"))
                && labels.iter().all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until a metric has reached a value.
    pub(crate) async fn reaches(&self, name: &str, value: u64) {
        let reached = async {
            while self.metric(name, &[]) < value {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} is {}", self.metric(name, &[])));
    }

    /// Asserts what was counted: taken, failed, lost.
    pub(crate) fn counted(&self, relayed: u64, failed: u64, lost: u64) {
        let counted =
            ["relayed_total", "relay_failed_total", "relay_lost_total"].map(|name| self.metric(name, &[]));
        assert_eq!(counted, [relayed, failed, lost]);
    }
}

/// A plan whose queue tries again at once.
pub(crate) fn queued(to: To) -> Plan {
    let backoff = Backoff { first: Duration::from_millis(2), most: Duration::from_millis(10) };
    Plan { mode: Mode::Queued(Queue { backoff, retries: 1000, ..Queue::default() }), ..Plan::to(to) }
}

/// With so few retries, and otherwise as it was.
pub(crate) fn limited(mut plan: Plan, limit: impl FnOnce(&mut Queue)) -> Plan {
    if let Mode::Queued(queue) = &mut plan.mode {
        limit(queue);
    }
    plan
}

pub(crate) fn sync(to: To) -> Plan {
    Plan { mode: Mode::After, timeout: PATIENCE / 2, ..Plan::to(to) }
}

/// A plan under which the app is not waited for.
pub(crate) fn quick(to: To) -> Plan {
    Plan { timeout: Duration::from_secs(1), ..sync(to) }
}

/// A POST with these fields besides `Host`.
pub(crate) fn head(fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut head = RequestHeader::build("POST", b"/webhooks/github?a=%20b", None).unwrap();
    head.append_header("Host", "hooks.example").unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    head
}

pub(crate) fn webhook(head: &RequestHeader, body: impl Into<Bytes>) -> Webhook<'_> {
    let peer = Peer::Ip(SocketAddr::from(([192, 0, 2, 7], 51_000)));
    Webhook { head, way: Way::direct(Some(peer)), body: body.into() }
}
