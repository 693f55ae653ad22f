//! A fan-out on a fake broker, and subscribers that read strictly. Nothing here waits for a duration, only for a state.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prometheus::Registry;
use socket2::{Domain, Socket, Type};

use crate::auth::Grant;
use crate::event::{
    Begin, Cursor, Delivery, Epoch, Event, EventType, Millis, Pattern, Position, Selector, Subscription,
    Topic,
};
use crate::fanout::command::{Admission, Admit, Command, Counted, Fault};
use crate::fanout::limits::Bounds;
use crate::fanout::reader::Start;
use crate::fanout::{Fanout, Limits, Metrics, Refused, Round, Settings, Silence, Slow};
use crate::live::Live;
use crate::log::clock::ManualClock;
use crate::log::fake::{Broker, FakeLog, Faults};
use crate::log::memory::MemoryLog;
use crate::log::{Appended, HistorySettings, Log, TopicLimits};
use crate::sse::Framing;

/// So long a state may take to come before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub const ONE: Epoch = Epoch::new(1);
pub const TWO: Epoch = Epoch::new(2);

/// Bytes of a segment to a subscriber whose socket takes little.
const SEGMENT: u32 = 536;

/// The log's time, unless it is moved on.
const NOW: Millis = Millis(1000);

/// A fan-out, its log, and the runtime that the log's writer lives on.
pub struct Server {
    pub fanout: Arc<Fanout>,
    /// The broker behind the log; only where the log is a fake one.
    broker: Option<Arc<Broker>>,
    pub clock: ManualClock,
    registry: Registry,
    runtime: tokio::runtime::Runtime,
}

/// What a server is started with.
pub struct Setup {
    pub shards: usize,
    pub bounds: Bounds,
    /// Events of one topic that the memory log keeps.
    pub events: usize,
    /// Bytes that the log keeps.
    pub total: usize,
    pub heartbeat: Duration,
    pub per_ip: usize,
    pub per_subject: usize,
    pub admissions_per_second: u32,
    pub slow: Slow,
    /// For how long a subscriber's peer is taken to have been silent.
    pub silence: Silence,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            shards: 1,
            bounds: Bounds::default(),
            events: usize::MAX,
            total: usize::MAX,
            heartbeat: Duration::from_millis(320),
            per_ip: 0,
            per_subject: 0,
            admissions_per_second: 0,
            slow: Slow::Gap,
            silence: Box::new(|_| None),
        }
    }
}

impl Setup {
    /// On a fake broker, whose tail comes later.
    pub fn start(self) -> Server {
        let (runtime, clock) = (runtime(), ManualClock::at(NOW));
        let broker = Broker::new(self.history(), clock.clock(), ONE, 0x5eed);
        let log = {
            let _inside = runtime.enter();
            Arc::new(FakeLog::start(&broker))
        };
        self.over(log, Some(broker), clock, runtime)
    }

    /// On the memory log, which feeds the fan-out with each append.
    pub fn start_in_memory(self) -> Server {
        let (runtime, clock) = (runtime(), ManualClock::at(NOW));
        let log = MemoryLog::new(Live::fixed(self.history()), clock.clock(), ONE);
        self.over(Arc::new(log), None, clock, runtime)
    }

    fn history(&self) -> HistorySettings {
        let age = Duration::from_hours(1);
        HistorySettings {
            default: TopicLimits { events: self.events, bytes: usize::MAX, age },
            rules: Vec::new(),
            total: self.total,
            dedupe_keys: 10,
            dedupe_of: std::collections::BTreeMap::new(),
        }
    }

    fn over(
        self,
        log: Arc<dyn Log>,
        broker: Option<Arc<Broker>>,
        clock: ManualClock,
        runtime: tokio::runtime::Runtime,
    ) -> Server {
        let settings = Settings {
            heartbeat: self.heartbeat,
            retry: (Duration::from_secs(2), Duration::from_secs(4)),
            max_connection_age: None,
            max_connections: 10_000,
            per_ip: self.per_ip,
            per_subject: self.per_subject,
            admissions_per_second: self.admissions_per_second,
            slow: self.slow,
        };
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let settings = Live::fixed(settings);
        let limits = Limits { shards: self.shards, descriptors: 10_000, bounds: self.bounds };
        let fanout =
            Fanout::start_within(log, settings, metrics, &limits, self.silence, clock.clock()).unwrap();
        Server { fanout, broker, clock, registry, runtime }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

/// A subscription to all of these topics and patterns.
pub fn to(patterns: &[&str]) -> Subscription {
    Subscription::to(Selector::of(patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect()))
}

/// After this cursor.
pub fn after(cursor: &str) -> Begin {
    Begin::Cursor(cursor.as_bytes().into())
}

impl Server {
    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("the log is a fake one")
    }

    pub fn publish(&self, topic: &str, data: &str) -> Cursor {
        self.publish_all(topic, [data])
    }

    /// An event with a type.
    pub fn publish_typed(&self, topic: &str, kind: &str, data: &str) -> Cursor {
        self.append(vec![self.event(topic, Some(kind), data)])
    }

    /// All events in one delivery; the cursor of the last.
    pub fn publish_all<'a>(&self, topic: &str, data: impl IntoIterator<Item = &'a str>) -> Cursor {
        self.append(data.into_iter().map(|data| self.event(topic, None, data)).collect())
    }

    fn event(&self, topic: &str, kind: Option<&str>, data: &str) -> Event {
        Event {
            topic: Topic::parse(topic).unwrap(),
            kind: kind.map(|kind| EventType::parse(kind).unwrap()),
            time: self.clock.now(),
            data: data.as_bytes().to_vec().into(),
        }
    }

    fn append(&self, events: Vec<Event>) -> Cursor {
        let append = async { self.fanout.log().append(Delivery { events, dedupe: None }).await };
        let Appended::Accepted(placement) = self.runtime.block_on(append).unwrap() else {
            panic!("no key, no duplicate")
        };
        placement.cursors().last().unwrap()
    }

    /// Waits for what is asked of the fan-out.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("no answer") })
    }

    pub fn faults(&self, faults: Faults) {
        self.broker().set_faults(faults);
    }

    /// What is published is in nobody's sight, until the broker loses it.
    pub fn hide(&self) {
        self.faults(Faults { lag: Duration::from_hours(1), ..Faults::default() });
    }

    pub fn subscribe(&self, topic: &str, requested: Option<&str>) -> Subscriber {
        self.open(to(&[topic]), requested.map_or(Begin::Now, after))
    }

    /// A subscriber whose socket takes little.
    pub fn subscribe_narrow(&self, topic: &str, requested: Option<&str>) -> Subscriber {
        self.try_open(to(&[topic]), &requested.map_or(Begin::Now, after), Some(4096)).unwrap()
    }

    pub fn open(&self, subscription: Subscription, begin: impl Borrow<Begin>) -> Subscriber {
        self.try_open(subscription, begin.borrow(), None).unwrap()
    }

    /// A subscriber, unless it is refused; its socket's buffers hold so many bytes, if any are given.
    pub fn try_open(
        &self,
        subscription: Subscription,
        begin: &Begin,
        buffers: Option<usize>,
    ) -> Result<Subscriber, Refused> {
        self.open_with(subscription, begin, buffers, None, self.fanout.round())
    }

    /// A subscriber with a grant, which was judged in this round.
    pub fn open_granted(
        &self,
        topic: &str,
        begin: &Begin,
        grant: &Arc<Grant>,
        judged: Round,
    ) -> Result<Subscriber, Refused> {
        self.open_with(to(&[topic]), begin, None, Some(grant), judged)
    }

    /// As [`Server::open_granted`], from now on and with a socket that takes little.
    pub fn open_narrow(&self, topic: &str, grant: &Arc<Grant>, judged: Round) -> Subscriber {
        self.open_with(to(&[topic]), &Begin::Now, Some(4096), Some(grant), judged).unwrap()
    }

    fn open_with(
        &self,
        subscription: Subscription,
        begin: &Begin,
        buffers: Option<usize>,
        grant: Option<&Arc<Grant>>,
        judged: Round,
    ) -> Result<Subscriber, Refused> {
        let (socket, stream) = connect(buffers);
        let subject = grant.and_then(|grant| grant.subject.as_ref());
        let reservation = self.fanout.reserve(Some([127, 0, 0, 1].into()), subject, begin)?;
        let beginning = self.wait(reservation.begin(Arc::new(subscription), begin)).unwrap();
        beginning.admit(admission(socket, grant.cloned(), judged));
        Ok(Subscriber::new(stream))
    }

    /// As if the subscriber had been on its way to the shard since the log's head was looked at.
    pub fn subscribe_from(&self, topic: &str, start: Start) -> Subscriber {
        let (socket, stream) = connect(None);
        let subscription = Arc::new(to(&[topic]));
        let shared = &self.fanout.shared;
        shared.interest.join(&subscription.selector, 0);
        shared.streams[0].fetch_add(1, Ordering::Relaxed);
        let admit = Admit {
            admission: admission(socket, None, self.fanout.round()),
            subscription,
            held: Counted::default(),
            start,
        };
        self.fanout.shards[0].send(Command::Admit(Box::new(admit)));
        Subscriber::new(stream)
    }

    /// A shard that stands still until the answer is dropped.
    pub fn stall(&self, shard: usize) -> std::sync::mpsc::Sender<()> {
        let (until, stall) = std::sync::mpsc::channel();
        self.fanout.inject(shard, Fault::Stall(stall));
        until
    }

    /// Milliseconds since the start, at this shard's last turn.
    pub fn turned(&self, shard: usize) -> u64 {
        self.fanout.shards[shard].progress().turned.load(Ordering::Relaxed)
    }

    /// Entries that the ring has had.
    pub fn fed(&self) -> u64 {
        self.fanout.ring.head()
    }

    /// Entries that this shard has taken from the ring.
    pub fn pulled(&self, shard: usize) -> u64 {
        self.fanout.shards[shard].progress().pulled.load(Ordering::Relaxed)
    }

    /// The sum of a metric over its labels, or of one label's value.
    #[expect(clippy::cast_sign_loss, reason = "counters, and gauges that count")]
    pub fn metric(&self, name: &str, label: Option<&str>) -> usize {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == format!("sidestream_{name}")).unwrap();
        let wanted = |m: &&prometheus::proto::Metric| {
            label.is_none_or(|label| m.get_label().iter().any(|l| l.value() == label))
        };
        let value = |m: &prometheus::proto::Metric| m.get_counter().get_value() + m.get_gauge().get_value();
        family.get_metric().iter().filter(wanted).map(value).sum::<f64>() as usize
    }
}

/// Waits for a state.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn admission(socket: Socket, grant: Option<Arc<Grant>>, judged: Round) -> Admission {
    Admission {
        socket,
        remote: None,
        framing: Framing::Chunked,
        head: b"HTTP/1.1 200 OK\r\n\r\n"[..].into(),
        rule: "default".into(),
        grant,
        judged,
    }
}

/// A shard's socket and its subscriber's, both with buffers of so many bytes if any are given.
fn connect(buffers: Option<usize>) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(bytes) = buffers {
        ours.set_recv_buffer_size(bytes).unwrap();
        // Loopback's segments are larger than such a window: each would wait for a timer of TCP's.
        ours.set_tcp_mss(SEGMENT).unwrap();
    }
    ours.connect(&listener.local_addr().unwrap().into()).unwrap();
    let theirs = Socket::from(listener.accept().unwrap().0);
    if let Some(bytes) = buffers {
        theirs.set_send_buffer_size(bytes).unwrap();
    }
    theirs.set_nonblocking(true).unwrap();
    let ours = TcpStream::from(ours);
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    (theirs, ours)
}

/// What a stream says, heartbeats aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub retry: bool,
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
}

impl Block {
    /// The id and data of an event.
    pub fn parts(&self) -> (&str, &str) {
        assert_eq!(self.event, None, "{self:?}");
        (self.id.as_deref().unwrap(), self.data.as_deref().unwrap())
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the last chunk.
    Clean,
    /// Without.
    Cut,
    Reset,
}

/// A subscriber's end of a stream.
pub struct Subscriber {
    stream: TcpStream,
    raw: Vec<u8>,
    opened: bool,
    ended: bool,
    blocks: VecDeque<Block>,
    /// The newest id.
    pub last: String,
}

impl Subscriber {
    fn new(stream: TcpStream) -> Self {
        let (raw, blocks) = (Vec::new(), VecDeque::new());
        Self { stream, raw, opened: false, ended: false, blocks, last: String::new() }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// The next block, or how the stream ended.
    pub fn next(&mut self) -> Result<Block, End> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                if let Some(id) = &block.id {
                    self.last.clone_from(id);
                }
                return Ok(block);
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer) {
                Ok(0) if self.ended && self.raw.is_empty() => return Err(End::Clean),
                Ok(0) => return Err(End::Cut),
                Ok(read) => self.raw.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Err(End::Reset),
                Err(error) => panic!("nothing came: {error}"),
            }
            self.parse();
        }
    }

    fn parse(&mut self) {
        if !self.opened {
            let Some(end) = self.raw.windows(4).position(|w| w == b"\r\n\r\n") else { return };
            self.raw.drain(..end + 4);
            self.opened = true;
        }
        let mut at = 0;
        while let Some(line) = self.raw[at..].windows(2).position(|w| w == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[at..at + line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let (start, end) = (at + line + 2, at + line + 2 + size);
            let Some(closing) = self.raw.get(end..end + 2) else { break };
            assert_eq!(closing, b"\r\n");
            assert!(!self.ended, "a chunk behind the last one");
            self.ended = size == 0;
            self.blocks.extend(block(std::str::from_utf8(&self.raw[start..end]).unwrap()));
            at = end + 2;
        }
        self.raw.drain(..at);
    }

    /// The opening block: the id in it, if any.
    pub fn opening(&mut self) -> Option<String> {
        let block = self.next().unwrap();
        assert!(block.retry && block.data.is_none(), "{block:?}");
        block.id
    }

    /// The next event or gap; blocks of an id alone are passed over.
    pub fn event(&mut self) -> Block {
        loop {
            let block = self.next().unwrap();
            if block.data.is_some() {
                return block;
            }
        }
    }

    /// The next must be a gap: its reason and its data.
    pub fn gap(&mut self) -> (String, serde_json::Value) {
        let block = self.event();
        assert_eq!(block.event.as_deref(), Some("sidestream.gap"), "{block:?}");
        let data: serde_json::Value = serde_json::from_str(&block.data.unwrap()).unwrap();
        assert_eq!(data["resumed"].as_str(), block.id.as_deref());
        (data["reason"].as_str().unwrap().to_owned(), data)
    }

    /// The next must be these events, and no gap.
    pub fn expect<T: AsRef<str>>(&mut self, data: impl IntoIterator<Item = T>) {
        for want in data {
            let event = self.event();
            let (_, data) = event.parts();
            assert!(data == want.as_ref(), "{} is not {}", cut(data), cut(want.as_ref()));
        }
    }

    /// The opening block, whatever it says, and then these events.
    pub fn expect_after_opening<T: AsRef<str>>(&mut self, data: impl IntoIterator<Item = T>) {
        self.opening();
        self.expect(data);
    }

    /// Reads to the end. Whether a `retry:` came last, and how it ended.
    pub fn read_out(&mut self) -> (bool, End) {
        let mut retry = false;
        loop {
            match self.next() {
                Ok(block) => retry = block.retry && block.data.is_none(),
                Err(end) => return (retry, end),
            }
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.len().min(40)]
}

/// A block's fields; none for a comment.
fn block(text: &str) -> Option<Block> {
    let mut block = Block::default();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with(':')) {
        let (field, value) = line.split_once(": ").unwrap();
        match field {
            "retry" => block.retry = true,
            "id" => block.id = Some(value.to_owned()),
            "event" => block.event = Some(value.to_owned()),
            "data" => block.data = Some(value.to_owned()),
            other => panic!("a field {other}"),
        }
    }
    (block != Block::default()).then_some(block)
}

pub fn at(epoch: Epoch, sequence: u64) -> Cursor {
    Cursor::new(epoch, Position::of(sequence))
}

/// Numbers as events' data.
pub fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}
