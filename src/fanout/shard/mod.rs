//! A shard: a thread with an event loop that owns its connections, and is itself a cursor on the ring.
//!
//! One turn of the loop: wait (unless there is work) → socket events → commands → pull from the ring → make jobs → write a
//! slice of each job → let those that are behind go on → judge some again → timers. Live goes before replay, and a large group is written in
//! slices, so that small topics of the same shard do not wait behind it.
//!
//! Nothing here waits for anything but the poll: the log is read by the fetcher, and what it finds comes as a command.

mod conn;
mod deadlines;
mod end;
mod grants;
mod group;
mod list;
mod live;
#[cfg(test)]
mod model;
mod replay;
mod routes;
mod timers;
mod wheel;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

pub use self::conn::ConnRef;
use self::conn::{Conn, Granted, Peer, Place, Queued};
use self::grants::Judging;
use self::group::{Group, Key};
use self::replay::{Ready, Wanted};
use self::routes::Routes;
use self::timers::Timers;
use super::batch::Pins;
use super::command::{Admission, Admit, Command, Fault, PageKey};
use super::doorbell::Doorbell;
use super::limits::{COMMANDS, EVENTS, IDLE_WAIT};
use super::reader::Reader;
use super::ring::Ring;
use super::shared::Shared;
use crate::event::{Cursor, Epoch, Position, Subscription};
use crate::sse::Framing;

/// Token of the waker; connections use their keys.
const WAKER: Token = Token(usize::MAX);

/// The side of a shard that other threads hold.
pub struct Handle {
    commands: mpsc::Sender<Command>,
    doorbell: Arc<Doorbell>,
    waker: Arc<mio::Waker>,
    progress: Arc<Progress>,
}

impl Handle {
    /// Puts a command into the shard's inbox. Never blocks.
    pub fn send(&self, command: Command) {
        // A shard ends with the process; what is sent after that has nobody left to serve.
        let _ = self.commands.send(command);
        self.wake();
    }

    /// Wakes the shard if it sleeps; what it is to find must be visible before.
    pub fn wake(&self) {
        if self.doorbell.ring() {
            // Fails only when the eventfd is gone, and with it the shard.
            let _ = self.waker.wake();
        }
    }

    /// What the shard shows of itself.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// What a shard shows of itself, for health and for the feeder.
#[derive(Default)]
pub struct Progress {
    /// Milliseconds since the fan-out's start, at the shard's last turn.
    pub turned: AtomicU64,
    /// The ring number it has pulled up to.
    pub pulled: AtomicU64,
    /// Bytes that slow connections alone keep alive.
    pub pinned: AtomicUsize,
}

/// What a shard is made from, on the thread that will be its own: what it owns is shared with nobody, not even safely.
pub struct Seed {
    index: usize,
    shared: Arc<Shared>,
    ring: Arc<Ring>,
    poll: Poll,
    inbox: mpsc::Receiver<Command>,
    doorbell: Arc<Doorbell>,
    progress: Arc<Progress>,
}

impl Seed {
    /// The seed of shard `index`, and its handle.
    ///
    /// # Errors
    /// When the kernel gives no poll.
    pub fn new(index: usize, shared: Arc<Shared>, ring: Arc<Ring>) -> io::Result<(Self, Handle)> {
        let poll = Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let doorbell = Arc::new(Doorbell::new());
        let progress = Arc::new(Progress::default());
        let (commands, inbox) = mpsc::channel();
        let handle =
            Handle { commands, doorbell: Arc::clone(&doorbell), waker, progress: Arc::clone(&progress) };
        Ok((Self { index, shared, ring, poll, inbox, doorbell, progress }, handle))
    }

    /// Serves until the process ends.
    pub fn run(self) {
        Shard::new(self).serve();
    }
}

/// See the module's documentation.
struct Shard {
    index: usize,
    shared: Arc<Shared>,
    ring: Arc<Ring>,
    poll: Poll,
    inbox: mpsc::Receiver<Command>,
    doorbell: Arc<Doorbell>,
    progress: Arc<Progress>,
    conns: Slab<Conn>,
    generation: u32,
    groups: Slab<(u64, Group)>,
    serial: u64,
    group_keys: HashMap<(Arc<Subscription>, Framing, Arc<str>), u32>,
    routes: Routes,
    live: Live,
    behind: Behind,
    pins: Pins,
    timers: Timers,
    judging: Judging,
    now: Instant,
}

/// The shard's own place, and what is on its way from there to the groups.
struct Live {
    /// The ring number to pull next, and the place before it.
    next: u64,
    at: Cursor,
    /// The log's resets up to that place.
    resets: u64,
    /// The log's purges that it was told of.
    purges: u64,
    /// The epoch before the one of that place, once there is one.
    left: Option<Epoch>,
    /// The first ring number of the current order, and the place before it.
    since: (u64, Position),
    /// Groups with a job, in turn.
    jobs: VecDeque<u32>,
    /// Groups with pending events and no job.
    dirty: Vec<u32>,
    /// Bytes of events pulled but not yet in a job.
    pending: usize,
}

impl Live {
    fn new(at: Cursor) -> Self {
        Self {
            next: 0,
            at,
            resets: 0,
            purges: 0,
            left: None,
            since: (0, at.position),
            jobs: VecDeque::new(),
            dirty: Vec::new(),
            pending: 0,
        }
    }
}

/// Whoever is not at the shard's place: who can go on, and who waits for what.
#[derive(Default)]
struct Behind {
    /// Connections that can go on with what they are behind of.
    ready: VecDeque<(ConnRef, Ready)>,
    /// Pages asked for, and who waits for them.
    pages: HashMap<PageKey, Wanted>,
    /// Connections ahead of this shard, until it has pulled up to them.
    parked: Vec<ConnRef>,
    /// Connections whose page could not be read.
    unread: Vec<ConnRef>,
}

impl Shard {
    fn new(seed: Seed) -> Self {
        let at = seed.ring.base();
        let now = Instant::now();
        Self {
            index: seed.index,
            shared: seed.shared,
            ring: seed.ring,
            poll: seed.poll,
            inbox: seed.inbox,
            doorbell: seed.doorbell,
            progress: seed.progress,
            conns: Slab::new(),
            generation: 0,
            groups: Slab::new(),
            serial: 0,
            group_keys: HashMap::new(),
            routes: Routes::default(),
            live: Live::new(at),
            behind: Behind::default(),
            pins: Pins::default(),
            timers: Timers::new(now),
            judging: Judging::default(),
            now,
        }
    }

    /// Serves until the process ends.
    fn serve(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.wait(&mut events);
            self.now = Instant::now();
            let turned = self.now.duration_since(self.shared.started).as_millis() as u64;
            self.progress.turned.store(turned, Ordering::Relaxed);
            self.progress.pinned.store(self.pins.bytes(), Ordering::Relaxed);
            self.on_events(&events);
            self.on_commands();
            self.pull();
            self.start_jobs();
            self.write_slices();
            self.go_on();
            self.judge_some();
            self.on_timers();
            if !self.behind.ready.is_empty() || !self.judging.is_idle() {
                // Neither replays nor judging ever end a thread's slice by themselves: without this, whoever is to take the next webhook, or to
                // read a page, waits for the scheduler's tick, which is 4 ms where there is no preemption.
                std::thread::yield_now();
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.live.jobs.is_empty()
            || !self.behind.ready.is_empty()
            || !self.live.dirty.is_empty()
            || !self.judging.is_idle()
            || self.can_pull()
    }

    fn wait(&mut self, events: &mut Events) {
        let timeout = if self.has_work() { Duration::ZERO } else { self.timeout() };
        if timeout.is_zero() {
            self.poll(events, timeout);
            return;
        }
        self.doorbell.sleep();
        // The last look, after the doorbell: see `doorbell`.
        let command = self.inbox.try_recv();
        let timeout = if command.is_ok() || self.can_pull() { Duration::ZERO } else { timeout };
        self.poll(events, timeout);
        self.doorbell.wake();
        if let Ok(command) = command {
            self.now = Instant::now();
            self.on_command(command);
        }
    }

    fn poll(&mut self, events: &mut Events, timeout: Duration) {
        if let Err(error) = self.poll.poll(events, Some(timeout)) {
            // Events are left as they were before a failed poll; an interrupt is the only failure there is.
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "a shard's poll failed: {error}");
            events.clear();
        }
    }

    fn timeout(&self) -> Duration {
        if self.conns.is_empty() {
            return IDLE_WAIT;
        }
        let due = self.timers.due().saturating_duration_since(Instant::now());
        self.next_end().map_or(due, |end| due.min(end)).min(IDLE_WAIT)
    }

    fn on_commands(&mut self) {
        for _ in 0..COMMANDS {
            let Ok(command) = self.inbox.try_recv() else { return };
            self.on_command(command);
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Admit(admit) => self.admit(*admit),
            Command::Page(key, page) => self.on_page(key, page),
            Command::Drain(window) => self.drain(window),
            Command::List(request) => self.list(request),
            Command::End(conn, answer) => self.end_asked(conn, answer),
            Command::Judge(sweep) => self.judge(sweep),
            Command::Purged(answer) => {
                self.drop_pages();
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
            Command::Fault(Fault::Panic) => panic!("a test asked this shard to panic"),
            Command::Fault(Fault::Stall(until)) => {
                let _ = until.recv();
            }
        }
    }

    fn on_events(&mut self, events: &Events) {
        for event in events {
            if event.token() == WAKER {
                continue;
            }
            let key = event.token().0 as Key;
            let Some(conn) = self.conns.get(key as usize) else { continue };
            if matches!(conn.place, Place::Shut) {
                self.discard(key);
            } else if event.is_error() || event.is_read_closed() || event.is_write_closed() {
                self.close(key, super::Closed::Client);
            } else if event.is_writable() {
                self.queue(key, Ready::Writable);
            }
        }
    }

    /// Takes over a subscriber's socket: its response begins with what is known now.
    fn admit(&mut self, admit: Admit) {
        let Admit { admission, subscription, held, start } = admit;
        let Admission { socket, remote, framing, head, rule, grant, judged } = admission;
        let granted = grant.map(|grant| Box::new(Granted { grant, held: held.subject }));
        let group = self.group(subscription, framing, rule);
        let mut reader = Reader::open(start);
        if self.live.left == Some(reader.cursor().epoch) {
            // The log began anew while this subscriber was on its way here.
            reader.restart(self.live.at.epoch);
        }
        self.generation = self.generation.wrapping_add(1);
        let now = self.seconds();
        let entry = self.conns.vacant_entry();
        let key = entry.key() as Key;
        let registered = self.poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(key as usize),
            Interest::READABLE | Interest::WRITABLE,
        );
        entry.insert(Conn {
            socket,
            remote,
            held: held.address,
            granted,
            opened: now,
            progressed: now,
            taken: 0,
            place: Place::Behind(Box::new(reader)),
            group,
            generation: self.generation,
            beat: self.timers.wheel.add(key),
            told: 0,
            rest: None,
            ending: None,
            queued: Queued::No,
            peer: Peer::There,
        });
        self.shared.metrics.opened.inc();
        self.shared.metrics.lagging.inc();
        if registered.is_err() {
            return self.close(key, super::Closed::Error);
        }
        if let Some(reason) = self.lost_meanwhile(key, judged) {
            return self.turn_away(key, &head, reason);
        }
        self.set_age(key);
        self.set_end(key);
        self.open(key, &head);
        if self.timers.is_draining() && self.conns.contains(key as usize) {
            self.end(key, super::Closed::Drain);
        }
    }

    /// The key of the group of this subscription and framing; it is made when there is none.
    fn group(&mut self, subscription: Arc<Subscription>, framing: Framing, rule: Arc<str>) -> u32 {
        // The rule too: after a reload the same topics may be counted under another.
        let known = (subscription, framing, rule);
        let key = if let Some(&key) = self.group_keys.get(&known) {
            key
        } else {
            self.serial += 1;
            let group = Group::new(Arc::clone(&known.0), framing, Arc::clone(&known.2));
            let key = self.groups.insert((self.serial, group)) as u32;
            self.routes.insert(&known.0.selector, key);
            self.group_keys.insert(known, key);
            key
        };
        let group = &mut self.groups[key as usize].1;
        group.connections += 1;
        self.shared.metrics.subscription(&group.rule, 1);
        key
    }

    /// A connection is gone: so is its group, when it was the last.
    fn leave_group(&mut self, key: u32) {
        let group = &mut self.groups[key as usize].1;
        group.connections -= 1;
        self.shared.metrics.subscription(&group.rule, -1);
        self.shared.interest.leave(&group.subscription.selector, self.index);
        if group.connections > 0 || !group.is_idle() {
            // A group with a job goes when the job has ended.
            return;
        }
        self.remove_group(key);
    }

    fn remove_group(&mut self, key: u32) {
        let (_, group) = self.groups.remove(key as usize);
        self.routes.remove(&group.subscription.selector, key);
        self.group_keys.remove(&(group.subscription, group.framing, group.rule));
    }

    /// Whole seconds since the fan-out's start, which is as precise as ages and stalls are told.
    fn seconds(&self) -> u32 {
        self.now.duration_since(self.shared.started).as_secs() as u32
    }

    fn conn_ref(&self, key: Key) -> ConnRef {
        ConnRef { key, generation: self.conns[key as usize].generation }
    }

    /// The connection, unless it is gone.
    fn find(&mut self, conn: ConnRef) -> Option<&mut Conn> {
        self.conns.get_mut(conn.key as usize).filter(|found| found.generation == conn.generation)
    }
}
