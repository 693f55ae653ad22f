//! One shard, turned by hand, against a model: whatever is published, evicted, purged, read, joined and left in whatever
//! order, each subscriber gets the events of its subscription after its start, each once, in order, and holes only where
//! a gap stands. Real sockets, so that writes end where the kernel ends them, and the real log in memory; one thread and
//! no clock, so that a run can be had again.

mod check;
mod grants;
mod purge;
mod resets;

use std::collections::HashSet;
use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use prometheus::Registry;
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::check::{blocks, check, field, short};
use super::*;
use crate::event::{
    Delivery, Event, EventType, Filter, Format, LoggedEvent, Millis, Pattern, Selector, Since, Topic,
};
use crate::fanout::arrivals::Arrivals;
use crate::fanout::command::{Counted, Fetched};
use crate::fanout::feeder::fetch;
use crate::fanout::interest::Interest as Interests;
use crate::fanout::judge::Round;
use crate::fanout::limits::Bounds;
use crate::fanout::reader::Start;
use crate::fanout::ring::RingWriter;
use crate::fanout::shared::FetchRequest;
use crate::fanout::shared::Lanes;
use crate::fanout::weights::Weights;
use crate::fanout::{Metrics, Settings, Slow};
use crate::live::Live;
use crate::log::clock::{Clock, ManualClock};
use crate::log::memory::MemoryLog;
use crate::log::{HistorySettings, Log as _, ReadLimit, Tail, TopicLimits};

const EPOCH: Epoch = Epoch::new(0xe);
const TOPICS: [&str; 4] = ["a", "b", "b.c", "b.d"];
const KINDS: [&str; 2] = ["k", "l"];
/// What is listened to: topics by name, several of them, patterns, and patterns that overlap.
const SELECTORS: [&[&str]; 5] = [&["a"], &["a", "b.c"], &["b.*"], &["**"], &["b.c", "b.*", "b.**", "a"]];

/// Events of one topic that are kept: few, so that many are evicted before they are read.
const KEPT: usize = 8;

/// What the ring, a page, a slice and a search hold: little, so that all of them are left often.
const BOUNDS: Bounds = Bounds {
    ring_entries: 12,
    ring_bytes: 64 << 10,
    pinned_bytes: 64 << 20,
    replay_pinned_bytes: 64 << 20,
    page: ReadLimit { events: 3, bytes: 64 << 10 },
    slice: 2,
    search_entries: 6,
    end_wait: Duration::from_hours(1),
};

/// Rounds after which everything must have come to rest.
const ROUNDS: usize = 600;

#[derive(Clone, Debug)]
enum Step {
    /// Publishes events of these topics and types, so large, as one delivery.
    Publish(Vec<(usize, Option<usize>, usize)>),
    /// What was published comes into the ring.
    Feed,
    /// A topic's history is purged.
    Purge { topic: usize },
    /// A turn of the shard's loop.
    Turn,
    /// Everyone's heartbeat is due.
    Beat,
    /// A new subscriber.
    Join { wish: Wish, from: From },
    /// A subscriber reads so many bytes.
    Read { who: usize, bytes: usize },
    /// A subscriber goes.
    Leave { who: usize },
    /// One that has gone comes back with its last id.
    Resume { who: usize },
    /// A page that was asked for is read, and is on its way.
    ReadPage,
    /// The oldest page on its way reaches the shard, or is lost.
    Deliver(Answer),
    /// The clock lets those ask again whose page could not be read.
    Again,
}

/// What a subscriber wants.
#[derive(Clone, Copy, Debug)]
struct Wish {
    selector: usize,
    kind: Option<usize>,
    format: Format,
    framing: Framing,
}

/// All events of the first topic, as they came.
const PLAIN: Wish = Wish { selector: 0, kind: None, format: Format::Plain, framing: Framing::Close };

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug)]
enum From {
    Now,
    /// After the event so many events ago.
    Ago(usize),
    /// After a place that is not there yet.
    Ahead,
    Since(Since),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Read,
    Fails,
}

/// A subscriber as the test holds it.
struct Client {
    stream: Option<UnixStream>,
    wish: Wish,
    subscription: Arc<Subscription>,
    /// The place it asked for.
    start: Position,
    /// The log's head when it came.
    head: Position,
    began: Began,
    raw: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Began {
    /// After a cursor, or now.
    There,
    /// After what is no cursor.
    Unknown,
    /// In what was kept.
    Since,
}

struct World {
    runtime: tokio::runtime::Runtime,
    log: MemoryLog,
    tail: Box<dyn Tail>,
    shard: Shard,
    events: Events,
    writer: RingWriter,
    requests: UnboundedReceiver<FetchRequest>,
    pages: VecDeque<(PageKey, Option<Fetched>)>,
    room: Arc<Semaphore>,
    history: Vec<Arc<LoggedEvent>>,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        Self::keeping(KEPT)
    }

    /// With a history that keeps so many events of a topic.
    fn keeping(events: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = Settings {
            heartbeat: Duration::from_hours(1),
            retry: (Duration::from_secs(2), Duration::from_secs(2)),
            max_connection_age: None,
            max_connections: usize::MAX,
            per_ip: 0,
            per_subject: 0,
            admissions_per_second: 0,
            slow: Slow::Gap,
        };
        let history = HistorySettings {
            default: TopicLimits { events, bytes: usize::MAX, age: Duration::from_hours(1) },
            rules: Vec::new(),
            total: usize::MAX,
            dedupe_keys: 10,
            dedupe_of: std::collections::BTreeMap::new(),
        };
        let log = MemoryLog::new(Live::fixed(history), ManualClock::at(Millis(0)).clock(), EPOCH);
        let base = Cursor::new(EPOCH, Position::START);
        let tail = runtime.block_on(log.tail(base)).unwrap();
        let (fetcher, requests) = unbounded_channel();
        let shared = Shared {
            started: Instant::now(),
            bounds: BOUNDS,
            interest: Interests::new(1),
            settings: Live::fixed(settings),
            metrics: Metrics::register(&Registry::new()).unwrap(),
            silence: Box::new(|_| None),
            streams: [AtomicUsize::new(0)].into(),
            lingering: AtomicUsize::new(0),
            fetchers: [Lanes { topics: fetcher.clone(), patterns: fetcher }].into(),
            weights: Weights::default(),
            arrivals: Arrivals::default(),
            clock: Clock::system(),
            judge: OnceLock::new(),
            rounds: AtomicU64::new(0),
        };
        let (writer, ring) = Ring::with_capacity(base, BOUNDS.ring_entries, BOUNDS.ring_bytes);
        let (seed, _) = Seed::new(0, Arc::new(shared), ring).unwrap();
        Self {
            runtime,
            log,
            tail,
            shard: Shard::new(seed),
            events: Events::with_capacity(64),
            writer,
            requests,
            pages: VecDeque::new(),
            room: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            history: Vec::new(),
            clients: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(events) => self.publish(&events),
            Step::Feed => self.feed(),
            Step::Purge { topic } => {
                self.purge(topic);
            }
            Step::Turn => self.turn(),
            Step::Beat => {
                let keys: Vec<_> = self.shard.conns.iter().map(|(key, _)| key as Key).collect();
                self.shard.beat_all(&keys);
            }
            Step::Join { wish, from } => self.join(wish, from),
            Step::Read { who, bytes } => {
                if let Some(client) = pick(&mut self.clients, who) {
                    client.read(bytes);
                }
            }
            Step::Leave { who } => {
                if let Some(client) = pick(&mut self.clients, who) {
                    client.stream = None;
                }
            }
            Step::Resume { who } => {
                let gone = pick(&mut self.clients, who).filter(|c| c.stream.is_none());
                if let Some((wish, Some(last))) = gone.map(|c| (c.wish, c.last())) {
                    self.join_at(wish, Start::resolve(Some(last.as_bytes()), self.log.head()), Began::There);
                }
            }
            Step::ReadPage => {
                self.read_page();
            }
            Step::Deliver(answer) => {
                self.deliver(answer);
            }
            Step::Again => self.shard.read_again(),
        }
    }

    fn publish(&mut self, events: &[(usize, Option<usize>, usize)]) {
        let event = |&(topic, kind, size): &(usize, Option<usize>, usize)| Event {
            topic: topic_of(topic),
            kind: kind.map(|kind| EventType::parse(KINDS[kind]).unwrap()),
            time: Millis(0),
            data: vec![b'x'; size].into(),
        };
        let events: Vec<_> = events.iter().map(event).collect();
        let delivery = Delivery { events: events.clone(), dedupe: None };
        let placed = self.runtime.block_on(self.log.append(delivery)).unwrap().placement();
        let logged = placed.cursors().zip(events).map(|(cursor, event)| LoggedEvent { cursor, event });
        self.history.extend(logged.map(Arc::new));
    }

    /// So many small events of one topic, a delivery each.
    fn publish_each(&mut self, topic: usize, count: usize) {
        for _ in 0..count {
            self.publish(&[(topic, None, 10)]);
        }
    }

    fn feed(&mut self) {
        while let Some(events) = self.tail.try_next().unwrap() {
            self.writer.publish(&events, Instant::now());
        }
    }

    /// As [`Shard::serve`] does it, but for the waiting and the clock.
    fn turn(&mut self) {
        let shard = &mut self.shard;
        shard.poll(&mut self.events, Duration::ZERO);
        shard.on_events(&self.events);
        shard.pull();
        shard.start_jobs();
        shard.write_slices();
        shard.go_on();
    }

    fn join(&mut self, wish: Wish, from: From) {
        let head = self.log.head();
        let (start, began) = match from {
            From::Now => (Start::resolve(None, head), Began::There),
            From::Ago(ago) => {
                let at = self.history.iter().rev().nth(ago).map_or(Position::START, |e| e.cursor.position);
                let cursor = Cursor::new(EPOCH, at).to_string();
                (Start::resolve(Some(cursor.as_bytes()), head), Began::There)
            }
            From::Ahead => {
                let ahead = Cursor::new(EPOCH, Position::of(head.position.sequence + 1)).to_string();
                (Start::resolve(Some(ahead.as_bytes()), head), Began::Unknown)
            }
            From::Since(since) => {
                let Subscription { selector, filter, .. } = subscription(wish);
                let position = self.runtime.block_on(self.log.locate(&selector, &filter, since)).unwrap();
                (Start::Since { position: position.min(head.position), head }, Began::Since)
            }
        };
        self.join_at(wish, start, began);
    }

    fn join_at(&mut self, wish: Wish, start: Start, began: Began) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = socket2::Socket::from(OwnedFd::from(theirs));
        socket.set_nonblocking(true).unwrap();
        socket.set_send_buffer_size(1).unwrap();
        let admission = Admission {
            socket,
            remote: None,
            framing: wish.framing,
            head: b"\r\n\r\n"[..].into(),
            rule: "".into(),
            grant: None,
            judged: Round::default(),
        };
        let subscription = Arc::new(subscription(wish));
        let shared = &self.shard.shared;
        shared.interest.join(&subscription.selector, 0);
        shared.streams[0].fetch_add(1, Ordering::Relaxed);
        let head = self.log.head().position;
        let at = match &start {
            Start::Now(cursor) | Start::After(cursor) | Start::Unknown(_, cursor) => cursor.position,
            Start::Since { position, .. } => *position,
            Start::Restarted(..) => panic!("there is one epoch"),
        };
        let client = Client {
            stream: Some(ours),
            wish,
            subscription: Arc::clone(&subscription),
            start: at,
            head,
            began,
            raw: Vec::new(),
        };
        self.shard.admit(Admit { admission, subscription, held: Counted::default(), start });
        self.clients.push(client);
    }

    /// As `Fanout::purge` does it.
    fn purge(&mut self, topic: usize) {
        self.runtime.block_on(self.log.purge(&topic_of(topic))).unwrap();
        self.feed();
        self.shard.ring.purge();
        self.shard.drop_pages();
    }

    /// Reads one page that was asked for. False when none was.
    fn read_page(&mut self) -> bool {
        let Ok(request) = self.requests.try_recv() else { return false };
        let room = Arc::clone(&self.room).try_acquire_owned().unwrap();
        let page = self.runtime.block_on(fetch(&self.log, &request, BOUNDS.page, room));
        self.pages.push_back((request.page, page));
        true
    }

    fn deliver(&mut self, answer: Answer) -> bool {
        let Some((key, page)) = self.pages.pop_front() else { return false };
        self.shard.on_page(key, page.filter(|_| answer == Answer::Read));
        true
    }

    /// Everyone reads, every page is answered, until nothing moves any more.
    fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            self.feed();
            self.shard.read_again();
            self.turn();
            let mut moved = self.shard.has_work();
            while self.read_page() | self.deliver(Answer::Read) {
                moved = true;
            }
            for client in &mut self.clients {
                moved |= client.read(usize::MAX) > 0;
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet == 3 {
                return;
            }
        }
        panic!("it never came to rest");
    }

    fn check(&self) {
        let kept = self.kept();
        for (who, client) in self.clients.iter().enumerate() {
            check(client, &self.history, &kept)
                .unwrap_or_else(|why| panic!("{who}: {why}\n{}", short(&client.raw)));
        }
        let shard = &self.shard;
        let open = || self.clients.iter().filter(|c| c.stream.is_some());
        assert_eq!(shard.conns.len(), open().count());
        assert!(shard.conns.iter().all(|(_, c)| matches!(c.place, Place::Member(_)) && c.rest.is_none()));
        assert_eq!((shard.pins.bytes(), shard.live.pending), (0, 0));
        assert!(
            shard.behind.pages.is_empty() && shard.behind.parked.is_empty() && shard.behind.unread.is_empty()
        );
        assert_eq!(shard.shared.metrics.lagging.get(), 0);
        let groups: HashSet<_> = open().map(|c| (&c.subscription, c.wish.framing)).collect();
        assert_eq!(shard.groups.len(), groups.len(), "a group lives as long as its connections");
    }

    /// The places of what history has at the end.
    fn kept(&self) -> HashSet<Position> {
        let all = Selector::of(vec![Pattern::parse("**").unwrap()]);
        let limit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
        let page = self.runtime.block_on(self.log.read(&all, Position::START, limit)).unwrap();
        page.events.iter().map(|e| e.cursor.position).collect()
    }
}

impl Client {
    /// Reads at most `most` bytes; how many came.
    fn read(&mut self, most: usize) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        let before = self.raw.len();
        let mut buffer = [0; 4096];
        while self.raw.len() - before < most {
            let most = buffer.len().min(most - (self.raw.len() - before));
            match stream.read(&mut buffer[..most]) {
                Ok(0) => panic!("a stream ended"),
                Ok(read) => self.raw.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.raw.len() - before
    }

    /// The last id: what it resumes from.
    fn last(&self) -> Option<String> {
        let blocks = blocks(&self.raw, self.wish.framing);
        blocks.iter().rev().find_map(|block| field(block, "id")).map(str::to_owned)
    }
}

fn pick(clients: &mut [Client], who: usize) -> Option<&mut Client> {
    let count = clients.len();
    (count > 0).then(|| &mut clients[who % count])
}

fn topic_of(topic: usize) -> Topic {
    Topic::parse(TOPICS[topic]).unwrap()
}

fn subscription(wish: Wish) -> Subscription {
    let patterns = SELECTORS[wish.selector].iter().map(|p| Pattern::parse(p).unwrap()).collect();
    let types = wish.kind.map(|kind| EventType::parse(KINDS[kind]).unwrap());
    Subscription {
        filter: Filter::of(types.into_iter().collect()),
        format: wish.format,
        ..Subscription::to(Selector::of(patterns))
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A third of the events do not fit into a socket.
    let size = prop_oneof![1usize..40, 1usize..3000, 3000usize..12_000];
    let event = (0..TOPICS.len(), prop::option::weighted(0.4, 0..KINDS.len()), size);
    let publish = prop::collection::vec(event, 1..6).prop_map(Step::Publish);
    let framing = prop_oneof![4 => Just(Framing::Chunked), 1 => Just(Framing::Close)];
    // Most of them want the same, so that groups have members in every state at the same time.
    let selector = prop_oneof![3 => Just(3usize), 3 => 0..SELECTORS.len()];
    let kind = prop::option::weighted(0.3, 0..KINDS.len());
    let format = prop_oneof![4 => Just(Format::Plain), 1 => Just(Format::Envelope)];
    let wish = (selector, kind, format, framing).prop_map(|(selector, kind, format, framing)| Wish {
        selector,
        kind,
        format,
        framing,
    });
    let since = prop_oneof![
        Just(Since::Oldest),
        (0usize..12).prop_map(Since::Last),
        Just(Since::Ago(Duration::from_secs(5))),
    ];
    let from = prop_oneof![
        3 => Just(From::Now),
        4 => (0usize..40).prop_map(From::Ago),
        1 => Just(From::Ahead),
        1 => since.prop_map(From::Since),
    ];
    let read = (any::<usize>(), prop_oneof![1usize..200, 200usize..20_000]);
    let answer = prop_oneof![5 => Just(Answer::Read), 1 => Just(Answer::Fails)];
    let step = prop_oneof![
        7 => publish,
        5 => Just(Step::Feed),
        10 => Just(Step::Turn),
        1 => Just(Step::Beat),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::Purge { topic }),
        4 => (wish, from).prop_map(|(wish, from)| Step::Join { wish, from }),
        6 => read.prop_map(|(who, bytes)| Step::Read { who, bytes }),
        1 => any::<usize>().prop_map(|who| Step::Leave { who }),
        2 => any::<usize>().prop_map(|who| Step::Resume { who }),
        4 => Just(Step::ReadPage),
        4 => answer.prop_map(Step::Deliver),
        1 => Just(Step::Again),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_subscriber_gets_each_event_once_and_in_order_and_is_told_of_each_hole(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.come_to_rest();
        world.check();
    }
}
