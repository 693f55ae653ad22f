//! The log in memory: the default, and the fastest. It survives nothing: every start is a new epoch.
//!
//! All of an append (dedupe, its place, history, the tails' feeds) is one short critical section of one mutex, so there
//! is no state in which a delivery is half there, and nothing to cancel. A writer task behind a queue was rejected: for
//! a step of under a microsecond the hand-over and the wake-up of the publisher cost several times the work.
//! What could take long (a lowered limit, a sweep, a read over very many topics) is done in slices, between which
//! appends go on.

mod any_of;
mod bounds;
#[cfg(test)]
mod conforms;
mod dedupe;
mod find;
mod locate;
mod losses;
#[cfg(test)]
mod model;
mod read;
mod recency;
mod shares;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod topic;

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::Notify;

pub(super) use self::any_of::AnyOf;
pub use self::bounds::Bounds;
use self::read::Range;
use self::state::State;
use self::tail::MemoryTail;
pub(super) use self::topic::TopicId;
use super::clock::Clock;
use super::{
    AppendError, Appended, Feed, Health, HistorySettings, Log, Page, ReadError, ReadLimit, Scan, Tail,
    TopicUsage, Usage,
};
use crate::event::{
    Cursor, Delivery, Epoch, Filter, Position, Selector, Since, Topic, limits::DELIVERY_EVENTS,
};
use crate::live::Live;

/// The log. See the module's documentation. Clones are the same log.
#[derive(Clone)]
pub struct MemoryLog {
    settings: Live<HistorySettings>,
    clock: Clock,
    shared: Arc<Shared>,
    bounds: Bounds,
}

/// What the log and its tails share.
struct Shared {
    state: Mutex<State>,
    /// Told after every append and on closing. One for all tails: an append concerns all of them.
    appended: Notify,
}

impl Shared {
    /// Held for one step, never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a panic under the log's lock ends the process")
    }
}

impl MemoryLog {
    /// An empty log that begins `epoch`, which no earlier life of this log may have had.
    #[must_use]
    pub fn new(settings: Live<HistorySettings>, clock: Clock, epoch: Epoch) -> Self {
        Self::with_bounds(settings, clock, epoch, Bounds::default())
    }

    /// As [`Self::new`], with other fixed limits, for tests.
    #[must_use]
    pub fn with_bounds(settings: Live<HistorySettings>, clock: Clock, epoch: Epoch, bounds: Bounds) -> Self {
        let state = State::new(settings.load().clone(), epoch, bounds);
        let shared = Arc::new(Shared { state: Mutex::new(state), appended: Notify::new() });
        Self { settings, clock, shared, bounds }
    }

    /// Takes over settings that changed; call it after a reload. Topics are judged by new limits from here on; when it
    /// returns, nothing is kept that they do not allow.
    pub fn reconfigure(&self) {
        {
            let settings = self.settings.load();
            let mut state = self.shared.lock();
            if *state.settings == *settings {
                return;
            }
            state.settings = Arc::new(settings.clone());
            state.generation += 1;
            state.settle_total();
        }
        self.sweep(0, usize::MAX);
        let slice = self.bounds.sweep_slice;
        self.in_slices(|state| {
            let more = state.fit_total(state.settings.total, slice);
            state.settle_total();
            more
        });
        self.expire_keys();
    }

    /// Maintenance, to be called about once a second: takes over changed settings, drops events that are over age and
    /// dedupe keys that are out of their window. Bounded work per call; appends go on meanwhile.
    pub fn tick(&self) {
        self.reconfigure();
        let from = self.shared.lock().swept;
        let upto = self.sweep(from, self.bounds.sweep_topics);
        self.shared.lock().swept = upto;
        self.expire_keys();
    }

    /// Brings the topics numbered from `from` within their limits, at most `most` of them. Where to go on: 0 when all
    /// are done.
    fn sweep(&self, from: usize, most: usize) -> usize {
        let mut at = from;
        let end = from.saturating_add(most);
        self.in_slices(|state| {
            let now = self.clock.now();
            let stop = end.min(at + self.bounds.sweep_slice);
            while at < stop && at < state.topics.capacity() {
                if state.topics.contains(at) {
                    state.expire(TopicId(at as u32), now);
                }
                at += 1;
            }
            state.forget_quiet();
            if at >= state.topics.capacity() {
                at = 0;
                return false;
            }
            at < end
        });
        at
    }

    fn expire_keys(&self) {
        self.in_slices(|state| {
            let (settings, slice) = (Arc::clone(&state.settings), self.bounds.sweep_slice);
            state.dedupe.expire(self.clock.now(), |source| settings.keys_of(source), slice)
        });
    }

    /// Runs `slice` in one critical section after the other until it says that nothing is left.
    fn in_slices(&self, mut slice: impl FnMut(&mut State) -> bool) {
        while slice(&mut self.shared.lock()) {}
    }

    /// As [`Self::in_slices`], for what runs beside others on one thread: they have their turn after each slice.
    async fn in_slices_kindly(&self, mut slice: impl FnMut(&mut State) -> bool + Send) {
        while slice(&mut self.shared.lock()) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn head(&self) -> Cursor {
        let state = self.shared.lock();
        state.cursor(state.head)
    }

    fn health(&self) -> Health {
        let state = self.shared.lock();
        if state.closed {
            Health::Down("it is closed")
        } else if state.is_full() {
            Health::Down("a tail is not drained")
        } else {
            Health::Up
        }
    }

    fn usage(&self) -> Usage {
        self.shared.lock().usage()
    }

    fn feed(&self) -> Feed {
        Feed::WithAppend
    }

    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        debug_assert!(delivery.events.len() <= DELIVERY_EVENTS);
        let now = self.clock.now();
        let appended = self.shared.lock().append(delivery, now);
        // Outside of the lock: waking another runtime is a system call.
        self.shared.appended.notify_waiters();
        appended
    }

    async fn tail(&self, after: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        Ok(Box::new(MemoryTail::open(&self.shared, after)))
    }

    /// A position ahead of the head reads as an empty page whose `next` is the head.
    async fn read(&self, selector: &Selector, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        Ok(match selector {
            Selector::Topic(name) => {
                let range = Range { after, limit, now: self.clock.now() };
                self.shared.lock().read_topic(name, range)
            }
            Selector::Patterns(_) => self.read_patterns(&mut Scan::of(selector), after, limit).await,
        })
    }

    /// Topics are looked for in the first read that has to.
    async fn read_on(&self, scan: &mut Scan, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        match scan.selector() {
            selector @ Selector::Topic(_) => self.read(&selector.clone(), after, limit).await,
            Selector::Patterns(_) => Ok(self.read_patterns(scan, after, limit).await),
        }
    }

    /// Costs a walk over the topics that were published to in the asked-for time, or that hold the asked-for number of
    /// events, or else over all that match; and for the last n over the events that the filter does not admit.
    async fn locate(
        &self,
        selector: &Selector,
        filter: &Filter,
        since: Since,
    ) -> Result<Position, ReadError> {
        Ok(self.place(selector, filter, since).await)
    }

    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        Ok(self.list(prefix, after, limit))
    }

    /// Dedupe keys stay: a retry of what was purged publishes nothing.
    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        let now = self.clock.now();
        let gone = self.shared.lock().purge(topic, now);
        // Dropped here, outside of the lock.
        Ok(gone.len() as u64)
    }

    async fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.appended.notify_waiters();
    }
}
