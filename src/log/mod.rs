//! The log: one order for all events, and the promise behind every `202`.
//!
//! A log takes deliveries from many publishers, gives each its place, keeps it, and only then answers. It hands every
//! event on exactly once and in order through [`Tail`], which is the only feed of the fan-out: a local log and a
//! broker look the same from there. What is older is read back, in pages, through [`Log::read`].
//!
//! Every kind passes one conformance suite (`conformance`): order, all-or-nothing deliveries, dedupe in the same step
//! as the append, and honest coverage, which may report a loss where there was none, and never the reverse.

pub mod clock;
#[cfg(test)]
mod conformance;
#[doc(hidden)]
pub mod fake;
pub mod inflight;
mod locate;
pub mod memory;
pub mod queue;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::memory::{AnyOf, TopicId};
use crate::event::{Cursor, Delivery, Epoch, Filter, LoggedEvent, Millis, Position, Selector, Since, Topic};

/// The ordered log. See the module's documentation for what every kind promises.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The kind's name, as in the configuration.
    fn kind(&self) -> &'static str;

    /// The cursor of the newest event that [`Log::read`] can see, or the epoch's start. A subscriber that starts now
    /// starts here.
    fn head(&self) -> Cursor;

    /// Whether the log can take deliveries now.
    fn health(&self) -> Health;

    /// How soon after an append its events are in the tail.
    fn feed(&self) -> Feed {
        Feed::Later
    }

    /// Counts for metrics and the admin API; cheap, and no more than a moment old.
    fn usage(&self) -> Usage;

    /// Gives the delivery its place and keeps it, with its dedupe key, in one step: all its events or none.
    ///
    /// Cancel-safe until the log has taken the delivery: a future dropped before that publishes nothing. Two deliveries
    /// with one key at the same time: the second waits for the first's outcome.
    ///
    /// # Errors
    /// [`AppendError`]; only [`AppendError::Unknown`] leaves open whether the delivery was kept.
    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError>;

    /// All events after `after`, in order, each once, as they are appended.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the log cannot be reached; the caller tries again.
    async fn tail(&self, after: Cursor) -> Result<Box<dyn Tail>, ReadError>;

    /// A page of what is kept of `selector` after `after`, oldest first.
    ///
    /// # Errors
    /// [`ReadError`]; nothing is lost by it, the caller may read again.
    async fn read(&self, selector: &Selector, after: Position, limit: ReadLimit) -> Result<Page, ReadError>;

    /// As [`Log::read`], for a reader that goes on from page to page: what `scan` keeps from one to the next is not looked for
    /// again. `after` never goes back. What comes behind the head that the first page saw may be left for another scan, as if
    /// it were appended when this one is over.
    ///
    /// # Errors
    /// As [`Log::read`].
    async fn read_on(&self, scan: &mut Scan, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        self.read(&scan.selector, after, limit).await
    }

    /// The place just before the events that `since` names, for a subscription to `selector` through `filter`. The head,
    /// when nothing is kept of it; never after it. The filter matters to [`Since::Last`] alone: what lies between the
    /// others is for the reader to pass over, who does that in pages. What is evicted between this and a read from there
    /// is told by the read as lost. Unless a kind has a better way, it reads what is kept from its start.
    ///
    /// # Errors
    /// [`ReadError`]; the caller may ask again.
    async fn locate(
        &self,
        selector: &Selector,
        filter: &Filter,
        since: Since,
    ) -> Result<Position, ReadError> {
        locate::by_reading(self, selector, filter, since, clock::Clock::system().now()).await
    }

    /// Topics with events, in the order of their names, of which the name starts with `prefix` and comes after `after`;
    /// at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`]; the caller may ask again.
    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        let _ = (prefix, after, limit);
        Err(ReadError::Unsupported)
    }

    /// Forgets all events of a topic that are kept now, and answers how many there were. Who resumes from before is told
    /// a gap, as after any eviction. What was written to subscribers is out of reach.
    ///
    /// # Errors
    /// [`ReadError`]; then all, some or nothing of it is forgotten: the caller is to ask again.
    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        let _ = topic;
        Err(ReadError::Unsupported)
    }

    /// Makes durable whatever the kind promises to keep, before the process ends. Later appends are refused.
    async fn close(&self);
}

/// The feed of the fan-out.
#[async_trait]
pub trait Tail: Send {
    /// Waits for at least one event and returns what is there, in order. Cancel-safe: nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// [`TailError::Reset`] when the log began a new epoch or lost its place: what comes next follows the given cursor.
    async fn next(&mut self) -> Result<Vec<Arc<LoggedEvent>>, TailError>;

    /// As [`Tail::next`], but only what is there now; none when nothing is. A log whose feed is [`Feed::WithAppend`] must
    /// answer this.
    ///
    /// # Errors
    /// As [`Tail::next`].
    fn try_next(&mut self) -> Result<Option<Vec<Arc<LoggedEvent>>>, TailError> {
        Ok(None)
    }
}

/// How soon after an append its events are in the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// By the time [`Log::append`] answers. Whoever appended can then move them on itself, which spares the hand-over to
    /// another thread.
    WithAppend,
    /// Some time after; a task waits for them.
    Later,
}

/// A delivery's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Kept, now.
    Accepted(Placement),
    /// Its key was seen before: kept then, and nothing was published now.
    Duplicate(Placement),
}

impl Appended {
    /// Where the delivery's events stand, whether they were kept now or before.
    #[must_use]
    pub fn placement(&self) -> Placement {
        match *self {
            Self::Accepted(placement) | Self::Duplicate(placement) => placement,
        }
    }
}

/// Where the events of one delivery stand: one sequence number, and an index each where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The epoch the delivery was kept in.
    pub epoch: Epoch,
    /// The delivery's sequence number.
    pub sequence: u64,
    /// How many events it made, at least 1.
    pub events: u32,
}

impl Placement {
    /// The cursors of its events, in order.
    pub fn cursors(self) -> impl Iterator<Item = Cursor> {
        let first = u32::from(self.events > 1);
        (0..self.events)
            .map(move |i| Cursor::new(self.epoch, Position { sequence: self.sequence, index: first + i }))
    }
}

/// Why a delivery was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Taken, but no answer came: it may have been kept. A retry with the same key publishes at most once.
    #[error("the log did not answer; the delivery may have been kept")]
    Unknown,
    /// Not taken: the log is down or recovering, or closed.
    #[error("the log is not available: {0}")]
    Unavailable(&'static str),
    /// Not taken: no room.
    #[error("the log is full")]
    Full,
    /// Not taken: this log never takes a delivery so large.
    #[error("the delivery is larger than the log's limit of {limit} bytes")]
    TooLarge {
        /// Bytes of all events together.
        limit: usize,
    },
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Try again later.
    #[error("the log is not available: {0}")]
    Unavailable(&'static str),
    /// This kind of log does not offer it.
    #[error("this kind of log does not offer it")]
    Unsupported,
}

/// Why a tail did not go on as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// The place that the tail stood at is gone. What [`Tail::next`] gives from now on follows this cursor; what lay
    /// between, if anything, was lost, and every subscriber is to be told.
    #[error("the log began anew at {0}")]
    Reset(Cursor),
    /// The log cannot be reached; the tail keeps its place, and the caller calls again.
    #[error("the log is not available: {0}")]
    Unavailable(&'static str),
    /// The log was closed; nothing follows.
    #[error("the log is closed")]
    Closed,
}

/// Bounds on one page; it ends at whichever is reached first, but always holds at least one event when there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Events.
    pub events: usize,
    /// Bytes of data.
    pub bytes: usize,
}

/// Reads of one selector that follow each other. A kind of log that must look for what the selector matches keeps here what
/// it found.
#[derive(Debug)]
pub struct Scan {
    selector: Selector,
    found: Option<Found>,
}

/// What was found, by numbers of the log's own.
#[derive(Debug)]
struct Found {
    any: AnyOf,
    topics: Box<[TopicId]>,
    /// The head before.
    upto: Position,
}

impl Scan {
    /// Of which nothing is read yet.
    #[must_use]
    pub fn of(selector: &Selector) -> Self {
        Self { selector: selector.clone(), found: None }
    }

    /// What is read.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// What it has cost so far to find topics: how many were looked at, and how many of their tokens, in a read each. 0 where
    /// nothing had to be found.
    #[must_use]
    pub fn looks(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.any.looks())
    }
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct Page {
    /// Matching events after the asked-for position (after [`Coverage::Lost`]'s `resumed`, if it says so), oldest first.
    pub events: Vec<Arc<LoggedEvent>>,
    /// How far was looked: the place to read on from. When the page was not cut short by its limit this is the head.
    pub next: Position,
    /// Whether the page was cut short by its limit.
    pub more: bool,
    /// Whether matching events after the asked-for position are gone.
    pub coverage: Coverage,
}

/// What is known of losses after the asked-for position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every matching event after the position is in this page or in those that follow it.
    Complete,
    /// Some matching events are, or may be, gone.
    Lost {
        /// The place just before the oldest matching event that is kept, or the newest loss when none is kept; never
        /// before the asked-for position.
        resumed: Position,
        /// The newest position at which something is, or may be, gone. A reader that has told a loss of this `turn` or a
        /// later one need not tell it again.
        through: Position,
        /// How many matching events are gone, where it is known exactly.
        missed: Option<u64>,
        /// When the newest of these losses came, as a number that grows with each. Of several topics one may lose events
        /// that lie before another's newest loss: that there was one more is seen by this, and by nothing else.
        turn: u64,
    },
}

impl Coverage {
    /// What is known of the events that pass `filter`: how many of the lost ones would have is not.
    #[must_use]
    pub fn through(self, filter: &Filter) -> Self {
        match (self, filter) {
            (Self::Lost { resumed, through, turn, .. }, Filter::Types(_)) => {
                Self::Lost { resumed, through, missed: None, turn }
            }
            (coverage, _) => coverage,
        }
    }
}

/// Whether a log takes deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not yet: recovering or connecting since start.
    Starting,
    /// Yes.
    Up,
    /// No longer, for this reason.
    Down(&'static str),
}

/// A log's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Topics with at least one event kept.
    pub topics: u64,
    /// Events kept.
    pub events: u64,
    /// Bytes they weigh ([`crate::event::Event::weight`]).
    pub bytes: u64,
    /// Dedupe keys evicted by count, before their window was over, since the start.
    pub dedupe_evicted_early: u64,
}

/// One topic's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicUsage {
    /// Its name.
    pub topic: Topic,
    /// Events kept.
    pub events: u64,
    /// Bytes they weigh ([`crate::event::Event::weight`]).
    pub bytes: u64,
    /// When the newest of them was received.
    pub last: Millis,
}

/// How much history one topic keeps: whichever limit is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Events. 0 keeps none.
    pub events: usize,
    /// Bytes they weigh.
    pub bytes: usize,
    /// How long since they were received.
    pub age: Duration,
}

/// What the memory log is configured with. All of it is replaced by a reload; lowered limits take effect at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// What a topic keeps when no rule says otherwise.
    pub default: TopicLimits,
    /// The first rule whose pattern matches a topic sets that topic's limits.
    pub rules: Vec<(crate::event::Pattern, TopicLimits)>,
    /// Bytes over all topics. No topic is emptied while another holds more than its share (total ÷ topics).
    pub total: usize,
    /// Dedupe keys remembered at most of a source that [`Self::dedupe_of`] does not name, whatever their windows; the one
    /// whose window ends first goes first, and going before that is counted.
    pub dedupe_keys: usize,
    /// Of those it names, by the source's name.
    pub dedupe_of: std::collections::BTreeMap<String, usize>,
}

impl HistorySettings {
    /// How many dedupe keys of a source are remembered at most.
    #[must_use]
    pub fn keys_of(&self, source: &str) -> usize {
        self.dedupe_of.get(source).copied().unwrap_or(self.dedupe_keys)
    }
}
