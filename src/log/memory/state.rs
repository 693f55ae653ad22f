//! What the memory log is, behind its one lock: the order, the history, the keys and the tails' feeds.
//!
//! Invariants, outside of a method:
//! - `held` ≤ `total`; every topic that was touched since the settings changed is within its limits.
//! - A topic keeps a suffix of what it ever held: it only ever loses its oldest event.
//! - `shares` has exactly the topics with events, `quiet` exactly those without (that ever had one), `recency` all.
//! - No event at or before a position that a feed was opened at, and every one after it, went into that feed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

use super::bounds::Bounds;
use super::dedupe::Table;
use super::losses::{Forgotten, Losses};
use super::recency::Recency;
use super::shares::Shares;
use super::tail::Feed;
use super::topic::{TopicHistory, TopicId};
use crate::event::{Cursor, Delivery, Epoch, LoggedEvent, Millis, Position, Topic};
use crate::log::{AppendError, Appended, HistorySettings, Placement, TopicLimits, Usage};

/// See the module's documentation.
pub(super) struct State {
    pub bounds: Bounds,
    pub epoch: Epoch,
    pub head: Position,
    pub closed: bool,
    /// Where the next sweep goes on.
    pub swept: usize,
    pub feeds: Slab<Feed>,
    pub topics: Slab<TopicHistory>,
    pub by_name: HashMap<Topic, TopicId>,
    /// For patterns that begin with a name.
    pub in_order: BTreeMap<Topic, TopicId>,
    pub recency: Recency,
    /// What is known of the losses of topics that are forgotten.
    pub forgotten: Forgotten,
    /// Losses of all topics so far.
    losses: u64,
    /// The newest loss of any topic.
    pub newest_loss: Position,
    pub settings: Arc<HistorySettings>,
    /// Counts changes of the settings, so that each topic's limits are looked up once per change.
    pub generation: u64,
    /// The total that is kept now: the settings', or on its way down to it.
    pub total: usize,
    pub dedupe: Table,
    shares: Shares,
    /// Topics without events, by the position of their last.
    quiet: BTreeMap<Position, TopicId>,
    /// Topics that remember the positions of their losses, in the order they began to.
    exact: VecDeque<TopicId>,
    events: usize,
    /// What the events weigh.
    bytes: usize,
    /// `bytes`, and what the topics with events cost.
    held: usize,
}

impl State {
    pub(super) fn new(settings: HistorySettings, epoch: Epoch, bounds: Bounds) -> Self {
        Self {
            bounds,
            epoch,
            head: Position::START,
            closed: false,
            swept: 0,
            feeds: Slab::new(),
            topics: Slab::new(),
            by_name: HashMap::new(),
            in_order: BTreeMap::new(),
            recency: Recency::new(),
            forgotten: Forgotten::default(),
            losses: 0,
            newest_loss: Position::START,
            generation: 0,
            total: settings.total,
            settings: Arc::new(settings),
            dedupe: Table::default(),
            shares: Shares::default(),
            quiet: BTreeMap::new(),
            exact: VecDeque::new(),
            events: 0,
            bytes: 0,
            held: 0,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            topics: self.shares.topics() as u64,
            events: self.events as u64,
            bytes: self.bytes as u64,
            dedupe_evicted_early: self.dedupe.evicted_early(),
        }
    }

    pub(super) fn cursor(&self, position: Position) -> Cursor {
        Cursor::new(self.epoch, position)
    }

    /// Whether some tail is not drained.
    pub(super) fn is_full(&self) -> bool {
        self.feeds.iter().any(|(_, feed)| feed.is_full(&self.bounds))
    }

    /// The whole append. Whatever it answers but `Accepted`, nothing has changed.
    pub(super) fn append(&mut self, delivery: Delivery, now: Millis) -> Result<Appended, AppendError> {
        if self.closed {
            return Err(AppendError::Unavailable("it is closed"));
        }
        if delivery.events.is_empty() {
            return Err(AppendError::Unavailable("the delivery holds no event"));
        }
        if let Some(dedupe) = &delivery.dedupe
            && let Some(seen) = self.dedupe.find(&dedupe.key, now)
        {
            let (sequence, events) = (seen.sequence, seen.events);
            return Ok(Appended::Duplicate(Placement { epoch: self.epoch, sequence, events }));
        }
        if self.is_full() {
            return Err(AppendError::Full);
        }
        let sequence = self.head.sequence + 1;
        let events = delivery.events.len() as u32;
        let first = u32::from(events > 1);
        for (index, event) in (first..).zip(delivery.events) {
            let position = Position { sequence, index };
            let event = Arc::new(LoggedEvent { cursor: self.cursor(position), event });
            self.head = position;
            for (_, feed) in &mut self.feeds {
                feed.push(&event);
            }
            self.keep(event, now);
        }
        if let Some(dedupe) = delivery.dedupe {
            let most = self.settings.keys_of(&dedupe.source);
            self.dedupe.insert(dedupe, sequence, events, now, most);
        }
        self.forget_quiet();
        Ok(Appended::Accepted(Placement { epoch: self.epoch, sequence, events }))
    }

    /// Takes an event into its topic's history, then restores all limits. The event itself may be what goes.
    fn keep(&mut self, event: Arc<LoggedEvent>, now: Millis) {
        let (position, weight) = (event.cursor.position, event.event.weight());
        let id = self.topic_for(&event.event.topic, position);
        let topic = &mut self.topics[id.index()];
        if topic.events.is_empty() {
            self.quiet.remove(&topic.last);
            self.held += topic.overhead();
        }
        topic.last = position;
        topic.bytes += weight;
        topic.events.push_back(event);
        self.events += 1;
        self.bytes += weight;
        self.held += weight;
        self.recency.touch(id);
        self.enforce(id, now);
        self.fit_total(self.total, usize::MAX);
    }

    fn topic_for(&mut self, name: &Topic, first: Position) -> TopicId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = TopicId(self.topics.insert(TopicHistory {
            name: name.clone(),
            events: VecDeque::new(),
            bytes: 0,
            losses: Losses::new(first, self.forgotten),
            last: Position::START,
            limits: self.limits_of(name),
            generation: self.generation,
        }) as u32);
        self.by_name.insert(name.clone(), id);
        self.in_order.insert(name.clone(), id);
        self.recency.insert(id);
        id
    }

    fn limits_of(&self, name: &Topic) -> TopicLimits {
        let rule = self.settings.rules.iter().find(|(pattern, _)| pattern.matches(name));
        rule.map_or(self.settings.default, |&(_, limits)| limits)
    }

    /// Brings a topic that nothing was added to within its own limits, as they are now.
    pub(super) fn expire(&mut self, id: TopicId, now: Millis) {
        let topic = &self.topics[id.index()];
        if topic.generation != self.generation || topic.is_over(now, self.settings.total) {
            self.enforce(id, now);
        }
    }

    /// Brings a topic within its own limits, as they are now, and tells the indexes.
    fn enforce(&mut self, id: TopicId, now: Millis) {
        if self.topics[id.index()].generation != self.generation {
            let limits = self.limits_of(&self.topics[id.index()].name);
            let topic = &mut self.topics[id.index()];
            (topic.limits, topic.generation) = (limits, self.generation);
        }
        let total = self.settings.total;
        while self.topics[id.index()].is_over(now, total) {
            self.lose_oldest(id);
        }
        self.settle(id);
    }

    /// Evicts until no more than `total` is held, at most `budget` events. Whether there is more to evict.
    pub(super) fn fit_total(&mut self, total: usize, budget: usize) -> bool {
        for _ in 0..budget {
            if self.held <= total {
                return false;
            }
            let Some(id) = self.shares.giver(total) else { return false };
            self.lose_oldest(id);
            self.settle(id);
        }
        self.held > total
    }

    /// Takes the total of the settings at once when it is more than before, and as far down as was evicted when less.
    pub(super) fn settle_total(&mut self) {
        self.total = self.settings.total.max(self.held.min(self.total));
    }

    fn lose_oldest(&mut self, id: TopicId) {
        let topic = &mut self.topics[id.index()];
        let Some(event) = topic.events.pop_front() else { return };
        let (position, weight) = (event.cursor.position, event.event.weight());
        topic.bytes -= weight;
        self.events -= 1;
        self.bytes -= weight;
        self.held -= weight;
        if topic.events.is_empty() {
            topic.events = VecDeque::new();
            self.held -= topic.overhead();
        }
        self.newest_loss = self.newest_loss.max(position);
        let was_exact = topic.losses.is_exact();
        self.losses += 1;
        topic.losses.record(position, self.losses, self.bounds.exact_losses);
        self.count_exact(id, was_exact);
    }

    /// Forgets all that is kept of a topic, and hands it out, to be dropped outside of the lock: what is done here does
    /// not grow with it.
    pub(super) fn purge(&mut self, name: &Topic, now: Millis) -> VecDeque<Arc<LoggedEvent>> {
        let Some(&id) = self.by_name.get(name) else { return VecDeque::new() };
        self.expire(id, now);
        let topic = &mut self.topics[id.index()];
        let gone = std::mem::take(&mut topic.events);
        let Some(newest) = gone.back() else { return gone };
        let weight = std::mem::take(&mut topic.bytes);
        self.events -= gone.len();
        self.bytes -= weight;
        self.held -= weight + topic.overhead();
        self.newest_loss = self.newest_loss.max(newest.cursor.position);
        let was_exact = topic.losses.is_exact();
        self.losses += gone.len() as u64;
        topic.losses.record_all(&gone, self.losses, self.bounds.exact_losses);
        self.count_exact(id, was_exact);
        self.settle(id);
        gone
    }

    /// Notes that a topic has begun to remember the positions of its losses, unless it did before, and lets the one that
    /// has for longest forget them when there are too many.
    fn count_exact(&mut self, id: TopicId, was_exact: bool) {
        if !was_exact {
            self.exact.push_back(id);
        }
        if self.exact.len() > self.bounds.exact_topics
            && let Some(longest) = self.exact.pop_front()
            && let Some(topic) = self.topics.get_mut(longest.index())
        {
            // Its number may have been given to another topic since: that one only counts less exactly.
            topic.losses.blur();
        }
    }

    /// Tells the indexes what a topic holds now.
    fn settle(&mut self, id: TopicId) {
        let topic = &self.topics[id.index()];
        let holding = topic.holding();
        if holding.is_none() {
            self.quiet.insert(topic.last, id);
        }
        self.shares.set(id, holding);
    }

    /// Forgets topics without events while there are too many topics.
    pub(super) fn forget_quiet(&mut self) {
        while self.topics.len() > self.bounds.topics
            && let Some((last, id)) = self.quiet.pop_first()
        {
            let topic = self.topics.remove(id.index());
            self.by_name.remove(&topic.name);
            self.in_order.remove(&topic.name);
            self.recency.remove(id);
            let Forgotten { below, turn } = self.forgotten;
            self.forgotten = Forgotten { below: below.max(last), turn: turn.max(topic.losses.turn()) };
        }
    }
}
