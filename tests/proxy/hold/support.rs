//! An app that says what a test tells it to, an edge with topics in front of it, and a reader of what comes of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::Registry;
use sidestream::auth::{Access, Auth, Revoked, Rules};
use sidestream::edge::{self, AccessFailures, AccessParts, Roots, Subscribe};
use sidestream::event::{Delivery, Epoch, Event, Pattern, Topic};
use sidestream::fanout::{self, Fanout, ListFrom, ListOnly, Listed, Slow};
use sidestream::forward::{self, Forward};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;
use sidestream::log::{Appended, HistorySettings, TopicLimits};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::edge::{Front, to_port};
use crate::harness::{Caller, PATIENCE, field};

/// What can be set before the start.
pub struct Setup {
    pub connections: usize,
    pub per_ip: usize,
    pub history: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self { connections: 1000, per_ip: 0, history: 1000 }
    }
}

/// An edge with topics in front of a scripted app.
pub struct Holding {
    pub front: Front,
    pub fanout: Arc<Fanout>,
    pub app: Scripted,
    registry: Registry,
}

impl Holding {
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let app = Scripted::start().await;
        let registry = Registry::new();
        let fanout = fanout(&setup, &registry);
        let made = Arc::clone(&fanout);
        let front = Front::start_with(Some(to_port(app.port)), Roots::System, |edge, lifecycle, settings| {
            let rule_of = Arc::new(|_: &_| Arc::from("default"));
            judge_streams(&made, settings.clone());
            edge.with_topics(Subscribe::new(made, rule_of, lifecycle.clone(), 100, access(&registry)))
        });
        // A test may take its time before it lets the app answer.
        front.change(|settings| settings.timeouts.first_byte = hour());
        Self { front, fanout, app, registry }
    }

    /// Publishes and answers the event's id.
    pub async fn publish(&self, topic: &str, data: &str) -> String {
        let event = Event {
            topic: Topic::parse(topic).unwrap(),
            kind: None,
            time: Clock::system().now(),
            data: data.as_bytes().to_vec().into(),
        };
        let delivery = Delivery { events: vec![event], dedupe: None };
        let Appended::Accepted(placement) = self.fanout.log().append(delivery).await.unwrap() else {
            panic!("no key, no duplicate")
        };
        placement.cursors().last().unwrap().to_string()
    }

    /// A caller that has sent `request`, and the request as the app got it.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> (Caller, Asked) {
        let mut caller = self.front.running.connect().await;
        caller.send(request).await;
        (caller, self.app.next().await)
    }

    /// A held stream of `topics`, with its head and its opening block read; and that block's id.
    pub async fn held(&mut self, topics: &str) -> (Caller, String) {
        let (mut caller, asked) = self.ask(get("/welcome")).await;
        asked.hold(topics, ": hi\n\n");
        let mut stream = Stream::begin(&mut caller).await;
        assert_eq!(stream.block().await, ": hi\n\n");
        let opening = stream.block().await;
        (caller, id(&opening))
    }

    /// Puts these rules in force, as a reload does.
    pub async fn judge_again(&self, rules: &[(&str, Access)]) {
        let rules = rules.iter().map(|(pattern, access)| (Pattern::parse(pattern).unwrap(), *access));
        let rules = Rules::new(rules.collect(), Access::Jwt);
        self.front.change(|settings| settings.access = Arc::new(Auth { rules, ..Auth::default() }));
        self.fanout.judge_again().await;
    }

    /// Ends all streams, as an operator would one by one.
    pub async fn end_all(&self) {
        let mut ended = 0;
        while ended == 0 {
            for stream in self.listed().await {
                self.fanout.end(stream.id).await;
                ended += 1;
            }
        }
    }

    pub async fn listed(&self) -> Vec<Listed> {
        self.fanout.list(ListFrom::default(), 100, &ListOnly::default()).await.0
    }

    /// Waits until so many streams are open, or have their room.
    pub async fn streams(&self, count: usize) {
        until("so many streams", || self.fanout.connections() == count).await;
    }

    /// The sum of a metric over its labels, or one label's value.
    pub fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == format!("sidestream_{name}")).unwrap();
        let wanted = |m: &&prometheus::proto::Metric| {
            label.is_none_or(|label| m.get_label().iter().any(|l| l.value() == label))
        };
        let value = |m: &prometheus::proto::Metric| m.get_counter().get_value() + m.get_gauge().get_value();
        family.get_metric().iter().filter(wanted).map(value).sum()
    }
}

fn access(registry: &Registry) -> AccessParts {
    let clock = || Clock::system().now();
    let forward = Forward::new(forward::Parts {
        metrics: forward::Metrics::register(registry).unwrap(),
        roots: Roots::System,
        connections: 2,
        clock,
    });
    let failures = AccessFailures::register(registry).unwrap();
    AccessParts { revoked: Arc::default(), failures, forward, clock }
}

/// Streams are judged again by the same settings as requests.
fn judge_streams(fanout: &Fanout, settings: Live<edge::Settings>) {
    let revoked = Revoked::default();
    fanout.judge_with(Arc::new(move |grant, wanted| {
        let access = Arc::clone(&settings.load().access);
        let grant = grant.cloned().unwrap_or_default();
        access.still_grants(&grant, wanted, &revoked, Clock::system().now())
    }));
}

const fn hour() -> Duration {
    Duration::from_hours(1)
}

fn fanout(setup: &Setup, registry: &Registry) -> Arc<Fanout> {
    let hour = hour();
    let history = HistorySettings {
        default: TopicLimits { events: setup.history, bytes: usize::MAX, age: hour },
        rules: Vec::new(),
        total: usize::MAX,
        dedupe_keys: 10,
    };
    let clock = Clock::system();
    let log = Arc::new(MemoryLog::new(Live::fixed(history), clock, Epoch::new(7)));
    let settings = fanout::Settings {
        heartbeat: hour,
        retry: (Duration::from_secs(2), Duration::from_secs(4)),
        max_connection_age: None,
        max_connections: setup.connections,
        per_ip: setup.per_ip,
        per_subject: 0,
        admissions_per_second: 0,
        slow: Slow::Gap,
    };
    let metrics = fanout::Metrics::register(registry).unwrap();
    Fanout::start(log, Live::fixed(settings), metrics, 1, 10_000, Box::new(|_| None)).unwrap()
}

/// An app on loopback that answers each request with what it is told to.
pub struct Scripted {
    pub port: u16,
    /// How many connections it was given.
    connections: Arc<AtomicUsize>,
    requests: UnboundedReceiver<Asked>,
    task: tokio::task::JoinHandle<()>,
}

/// One request to the app. When it is dropped, the app reads the connection's next one.
pub struct Asked {
    pub head: String,
    say: UnboundedSender<Said>,
}

enum Said {
    Bytes(Vec<u8>),
    HangUp,
}

impl Scripted {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let (tell, requests) = unbounded_channel();
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                served.spawn(serve(BufReader::new(stream), tell.clone()));
            }
        });
        Self { port, connections, requests, task }
    }

    pub async fn next(&mut self) -> Asked {
        timeout(PATIENCE, self.requests.recv()).await.expect("the app was not asked").unwrap()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: BufReader<TcpStream>, tell: UnboundedSender<Asked>) {
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        if field(&head, "expect").is_some() {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let (say, mut said) = unbounded_channel();
        if tell.send(Asked { head, say }).is_err() {
            return;
        }
        while let Some(said) = said.recv().await {
            match said {
                Said::Bytes(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                }
                Said::HangUp => return,
            }
        }
    }
}

impl Asked {
    /// Says these bytes.
    pub fn say(&self, bytes: impl AsRef<[u8]>) -> &Self {
        let _ = self.say.send(Said::Bytes(bytes.as_ref().to_vec()));
        self
    }

    /// Closes the connection.
    pub fn hang_up(self) {
        let _ = self.say.send(Said::HangUp);
    }

    /// A whole answer that is to be held.
    pub fn hold(self, topics: &str, body: &str) {
        self.say(head(&format!("Sidestream-Hold: {topics}\r\nContent-Length: {}\r\n", body.len()))).say(body);
    }
}

/// A stream's head with these fields.
pub fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{fields}\r\n")
}

pub fn get(path: &str) -> String {
    get_with(path, "")
}

pub fn get_with(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

/// Waits for a state.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let states = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, states).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// How a body is framed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Chunked,
    Close,
}

/// A chunked or close-delimited answer, read strictly.
pub struct Stream<'a> {
    caller: &'a mut Caller,
    pub head: String,
    framing: Framing,
    read: Vec<u8>,
}

impl<'a> Stream<'a> {
    /// Reads the head.
    pub async fn begin(caller: &'a mut Caller) -> Self {
        let head = caller.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(!head.to_ascii_lowercase().contains("sidestream-hold"), "{head}");
        assert_eq!(field(&head, "content-length"), None, "{head}");
        assert_eq!(field(&head, "connection"), Some("close"), "{head}");
        let framing = match field(&head, "transfer-encoding") {
            Some("chunked") => Framing::Chunked,
            None => Framing::Close,
            Some(other) => panic!("{other}"),
        };
        Self { caller, head, framing, read: Vec::new() }
    }

    /// Goes on with a stream whose head was read.
    pub fn going_on(caller: &'a mut Caller) -> Self {
        Self { caller, head: String::new(), framing: Framing::Chunked, read: Vec::new() }
    }

    /// The next block, with its blank line; whatever the chunks it comes in.
    pub async fn block(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                return String::from_utf8(self.read.drain(..end + 2).collect()).unwrap();
            }
            let more = self.more().await;
            assert!(more.is_some(), "the body has ended: {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend(more.unwrap());
        }
    }

    /// The next bytes of the body; none at its end.
    async fn more(&mut self) -> Option<Vec<u8>> {
        let socket = &mut self.caller.0;
        let next = async {
            if self.framing == Framing::Close {
                let mut bytes = vec![0; 4096];
                let read = socket.read(&mut bytes).await.unwrap();
                bytes.truncate(read);
                return (read > 0).then_some(bytes);
            }
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                size.push(socket.read_u8().await.expect("no last chunk"));
            }
            let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            socket.read_exact(&mut chunk).await.expect("half a chunk");
            assert_eq!(chunk.split_off(size), b"\r\n");
            (size > 0).then_some(chunk)
        };
        timeout(PATIENCE, next).await.expect("nothing comes")
    }

    /// What is left of the body, which ends cleanly.
    pub async fn end(mut self) -> String {
        while let Some(more) = self.more().await {
            self.read.extend(more);
        }
        assert_eq!(self.caller.rest().await, "", "after the end");
        String::from_utf8(self.read).unwrap()
    }
}

/// The id of a block that has one.
pub fn id(block: &str) -> String {
    let line = block.lines().find_map(|line| line.strip_prefix("id: "));
    line.unwrap_or_else(|| panic!("no id: {block:?}")).to_owned()
}

/// An event's block.
pub fn event(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}
