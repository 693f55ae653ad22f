//! One shard, turned by hand, against a model: whatever is published, read, joined and left in whatever order, each
//! subscriber gets the events of its topic after its start, each once, in order. Real sockets, so that writes end where
//! the kernel ends them; one thread and no clock, so that a run can be had again.

use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicUsize;

use prometheus::Registry;
use proptest::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::event::{Epoch, Event, LoggedEvent, Millis, Selector};
use crate::fanout::command::Fetched;
use crate::fanout::interest::Interest as Interests;
use crate::fanout::limits::Bounds;
use crate::fanout::ring::RingWriter;
use crate::fanout::shared::FetchRequest;
use crate::fanout::{Metrics, Settings};
use crate::live::Live;
use crate::log::Coverage;
use crate::sse::{self, Framed};

const EPOCH: Epoch = Epoch::new(0xe);
const TOPICS: [&str; 3] = ["a", "b", "c"];

/// Events of one page of history: few, so that a reader needs several.
const PAGE: usize = 3;

/// What the ring, a slice and a search hold: little, so that all of them are left often.
const BOUNDS: Bounds =
    Bounds { ring_entries: 12, ring_bytes: 64 << 10, pinned_bytes: 64 << 20, slice: 2, search_entries: 6 };

/// Rounds after which everything must have come to rest.
const ROUNDS: usize = 400;

#[derive(Clone, Debug)]
enum Step {
    /// Publishes events of these topics, so large, as one batch.
    Publish(Vec<(usize, usize)>),
    /// A turn of the shard's loop.
    Turn,
    /// A new subscriber, from so many events ago; none for now.
    Join { topic: usize, framing: Framing, ago: Option<usize> },
    /// A subscriber reads so many bytes.
    Read { who: usize, bytes: usize },
    /// A subscriber goes.
    Leave { who: usize },
    /// One that has gone comes back with its last id.
    Resume { who: usize },
    /// A page that was asked for is read, or cannot be.
    Answer(Answer),
    /// The clock lets those ask again whose page could not be read.
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Read,
    Fails,
}

/// A subscriber as the test holds it.
struct Client {
    stream: Option<UnixStream>,
    topic: usize,
    framing: Framing,
    /// The place it asked for.
    start: u64,
    raw: Vec<u8>,
}

struct World {
    shard: Shard,
    events: Events,
    writer: RingWriter,
    requests: UnboundedReceiver<FetchRequest>,
    history: Vec<Arc<LoggedEvent>>,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            heartbeat: Duration::from_hours(1),
            retry: (Duration::from_secs(2), Duration::from_secs(2)),
            max_connection_age: None,
            max_connections: usize::MAX,
        };
        let (fetcher, requests) = unbounded_channel();
        let shared = Shared {
            started: Instant::now(),
            bounds: BOUNDS,
            interest: Interests::new(1),
            settings: Live::fixed(settings),
            metrics: Metrics::register(&Registry::new()).unwrap(),
            streams: [AtomicUsize::new(0)].into(),
            lingering: AtomicUsize::new(0),
            fetcher,
        };
        let base = Cursor::new(EPOCH, Position::START);
        let (writer, ring) = Ring::with_capacity(base, BOUNDS.ring_entries, BOUNDS.ring_bytes);
        let (seed, _) = Seed::new(0, Arc::new(shared), ring).unwrap();
        Self {
            shard: Shard::new(seed),
            events: Events::with_capacity(64),
            writer,
            requests,
            history: Vec::new(),
            clients: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(events) => self.publish(&events),
            Step::Turn => self.turn(),
            Step::Join { topic, framing, ago } => {
                let start = ago.map(|ago| self.history.len().saturating_sub(ago) as u64);
                self.join(topic, framing, start);
            }
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
                if let Some((topic, framing, last)) = gone.map(|c| (c.topic, c.framing, c.last())) {
                    self.join(topic, framing, last);
                }
            }
            Step::Answer(answer) => {
                self.answer(answer);
            }
            Step::Again => self.shard.read_again(),
        }
    }

    fn publish(&mut self, events: &[(usize, usize)]) {
        let first = self.history.len();
        for &(topic, size) in events {
            let sequence = self.history.len() as u64 + 1;
            let event = Event {
                topic: Topic::parse(TOPICS[topic]).unwrap(),
                kind: None,
                time: Millis(0),
                data: vec![b'x'; size].into(),
            };
            self.history.push(Arc::new(LoggedEvent { cursor: cursor(sequence), event }));
        }
        self.writer.publish(&self.history[first..], Instant::now());
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

    fn join(&mut self, topic: usize, framing: Framing, start: Option<u64>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = socket2::Socket::from(OwnedFd::from(theirs));
        socket.set_nonblocking(true).unwrap();
        socket.set_send_buffer_size(1).unwrap();
        let admission = Admission {
            socket,
            peer: None,
            selector: Selector::Topic(Topic::parse(TOPICS[topic]).unwrap()),
            framing,
            head: b"\r\n\r\n"[..].into(),
            rule: "".into(),
        };
        let shared = &self.shard.shared;
        shared.interest.join(&admission.selector, 0);
        shared.streams[0].fetch_add(1, Ordering::Relaxed);
        let head = cursor(self.history.len() as u64);
        let requested = start.map(|start| cursor(start).to_string());
        let resolved = Start::resolve(requested.as_deref().map(str::as_bytes), head);
        self.shard.admit(admission, resolved);
        let start = start.unwrap_or(head.position.sequence);
        self.clients.push(Client { stream: Some(ours), topic, framing, start, raw: Vec::new() });
    }

    /// Answers one request for a page. False when there is none.
    fn answer(&mut self, answer: Answer) -> bool {
        let Ok(request) = self.requests.try_recv() else { return false };
        let fetched = (answer == Answer::Read).then(|| {
            let after = |e: &&Arc<LoggedEvent>| {
                e.cursor.position > request.page.after && request.selector.matches(&e.event.topic)
            };
            let events: Vec<_> = self.history.iter().filter(after).take(PAGE + 1).collect();
            let more = events.len() > PAGE;
            let frame = |e: &&Arc<LoggedEvent>| (e.cursor.position, Framed::new(&sse::event(e)));
            let frames: Vec<_> = events.iter().take(PAGE).map(frame).collect();
            let next = if more { frames[PAGE - 1].0 } else { Position::of(self.history.len() as u64) };
            Fetched { frames, next, coverage: Coverage::Complete }
        });
        self.shard.on_page(request.page, fetched);
        true
    }

    /// Everyone reads, every page is answered, until nothing moves any more.
    fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            self.shard.read_again();
            self.turn();
            let mut moved = self.shard.has_work();
            while self.answer(Answer::Read) {
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
        for (who, client) in self.clients.iter().enumerate() {
            let wanted = self.wanted(client);
            let whole = client.stream.is_some();
            let enough = if whole { client.raw == wanted } else { wanted.starts_with(&client.raw) };
            assert!(enough, "{who}: got\n{}\nand not\n{}", short(&client.raw), short(&wanted));
        }
        let shard = &self.shard;
        let open = self.clients.iter().filter(|c| c.stream.is_some()).count();
        assert_eq!(shard.conns.len(), open);
        assert!(shard.conns.iter().all(|(_, c)| matches!(c.place, Place::Member(_)) && c.rest.is_none()));
        assert_eq!((shard.pins.bytes(), shard.live.pending), (0, 0));
        assert!(
            shard.behind.pages.is_empty() && shard.behind.parked.is_empty() && shard.behind.unread.is_empty()
        );
        assert_eq!(shard.shared.metrics.lagging.get(), 0);
        let topics: std::collections::HashSet<_> =
            self.clients.iter().filter(|c| c.stream.is_some()).map(|c| (c.topic, c.framing)).collect();
        assert_eq!(shard.groups.len(), topics.len(), "a group lives as long as its connections");
    }

    /// All that a client is to get, byte for byte.
    fn wanted(&self, client: &Client) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n".to_vec();
        let retry = Duration::from_secs(2);
        let mut push = |block: &[u8]| bytes.extend_from_slice(&Framed::new(block).bytes(client.framing));
        push(&sse::opening(retry, Some(cursor(client.start))));
        for logged in &self.history[client.start as usize..] {
            if logged.event.topic.as_str() == TOPICS[client.topic] {
                push(&sse::event(logged));
            }
        }
        bytes
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

    /// The sequence number of the last whole block's id: what it resumes from.
    fn last(&self) -> Option<u64> {
        let text = String::from_utf8_lossy(&self.raw);
        let whole = &text[..text.rfind("\n\n")?];
        let (_, id) = whole.rsplit_once("id: 00000000000e-")?;
        id.split('\n').next()?.parse().ok()
    }
}

fn pick(clients: &mut [Client], who: usize) -> Option<&mut Client> {
    let count = clients.len();
    (count > 0).then(|| &mut clients[who % count])
}

fn cursor(sequence: u64) -> Cursor {
    Cursor::new(EPOCH, Position::of(sequence))
}

/// Runs of the data's letter cut to their length.
fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    for part in text.split_inclusive(|c| c != 'x') {
        let run = part.bytes().take_while(|&b| b == b'x').count();
        if run > 3 {
            out.push_str("x*");
            out.push_str(&run.to_string());
        }
        out.push_str(&part[if run > 3 { run } else { 0 }..]);
    }
    out
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A third of the events do not fit into a socket.
    let size = prop_oneof![1usize..40, 1usize..3000, 3000usize..12_000];
    let publish = prop::collection::vec((0..TOPICS.len(), size), 1..6).prop_map(Step::Publish);
    let framing = prop_oneof![4 => Just(Framing::Chunked), 1 => Just(Framing::Close)];
    // Most of them in one topic, so that groups have members in every state at the same time.
    let topic = prop_oneof![4 => Just(0usize), 1 => 1..TOPICS.len()];
    let join = (topic, framing, prop::option::of(0usize..30));
    let join = join.prop_map(|(topic, framing, ago)| Step::Join { topic, framing, ago });
    let read = (any::<usize>(), prop_oneof![1usize..200, 200usize..20_000]);
    let answer = prop_oneof![4 => Just(Answer::Read), 1 => Just(Answer::Fails)];
    let step = prop_oneof![
        6 => publish,
        10 => Just(Step::Turn),
        4 => join,
        6 => read.prop_map(|(who, bytes)| Step::Read { who, bytes }),
        1 => any::<usize>().prop_map(|who| Step::Leave { who }),
        1 => any::<usize>().prop_map(|who| Step::Resume { who }),
        4 => answer.prop_map(Step::Answer),
        1 => Just(Step::Again),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_subscriber_gets_each_event_once_and_in_order(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.come_to_rest();
        world.check();
    }
}

/// A page of before a reset is in the shard's queue, and its reader, let go on first, waits for one of after it.
#[test]
fn a_queued_page_of_before_a_reset_is_not_taken_for_one_of_after_it() {
    for new in [EPOCH, Epoch::new(0xf)] {
        let mut world = World::new();
        world.publish(&[(0, 10); 20]);
        world.turn();
        world.join(0, Framing::Close, Some(0));
        let shard = &mut world.shard;
        // A new socket takes more: the connection is in the queue, before its page.
        shard.poll(&mut world.events, Duration::ZERO);
        shard.on_events(&world.events);
        assert!(world.answer(Answer::Read));
        assert_eq!(world.shard.behind.ready.len(), 2);
        let place = if new == EPOCH { 20 } else { 0 };
        world.writer.reset(Cursor::new(new, Position::of(place)), Instant::now());
        world.shard.pull();
        world.shard.go_on();
        let asked = world.requests.try_recv().expect("a page of after the reset");
        assert_eq!((asked.page.epoch, asked.page.after), (new, Position::of(place)));
        world.clients[0].read(usize::MAX);
        assert_eq!(world.clients[0].raw, b"\r\n\r\n", "nothing is told before that page has come");
        let fetched = Fetched { frames: Vec::new(), next: Position::of(place), coverage: Coverage::Complete };
        world.shard.on_page(asked.page, Some(fetched));
        world.turn();
        world.clients[0].read(usize::MAX);
        let told = String::from_utf8_lossy(&world.clients[0].raw);
        assert!(told.contains("\"reason\":\"log\"") && !told.contains("xxx"), "{told}");
        assert!(matches!(world.shard.conns.iter().next().unwrap().1.place, Place::Member(_)));
    }
}

/// The same, where the ring has overtaken the reset: the reader stays where it was, and the two pages differ in nothing
/// but the resets.
#[test]
fn a_queued_page_of_before_an_unseen_reset_is_not_taken_for_one_of_after_it() {
    let mut world = World::new();
    world.publish(&[(0, 10); 20]);
    world.turn();
    world.join(0, Framing::Close, Some(0));
    world.shard.poll(&mut world.events, Duration::ZERO);
    world.shard.on_events(&world.events);
    assert!(world.answer(Answer::Read));
    world.writer.reset(cursor(20), Instant::now());
    world.publish(&[(1, 10); 30]);
    world.shard.pull();
    world.shard.go_on();
    world.clients[0].read(usize::MAX);
    assert_eq!(world.clients[0].raw, b"\r\n\r\n");
    world.come_to_rest();
    let told = String::from_utf8_lossy(&world.clients[0].raw);
    assert!(told.find("\"reason\":\"log\"") < told.find("xxx"), "{told}");
    assert_eq!(told.matches("xxx\n").count(), 20);
}

#[test]
fn a_reset_at_the_very_place_is_told_too() {
    let mut world = World::new();
    world.publish(&[(0, 10)]);
    world.join(0, Framing::Close, None);
    world.come_to_rest();
    world.writer.reset(cursor(1), Instant::now());
    world.come_to_rest();
    assert!(String::from_utf8_lossy(&world.clients[0].raw).contains("\"reason\":\"log\""));
}
