//! The far side: what a broker keeps, whoever is connected to it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::{Dice, Fate, Faults};
use crate::event::{Cursor, Dedupe, DedupeKey, Delivery, Epoch, LoggedEvent, Position, Selector, Topic};
use crate::log::clock::{Clock, age, millis};
use crate::log::{
    AppendError, Appended, Coverage, HistorySettings, Page, Placement, ReadError, ReadLimit, TopicUsage,
    Usage,
};

/// A broker of one stream. It keeps by age and total only and does not know what a topic lost.
#[derive(Debug)]
pub struct Broker {
    stored: Mutex<Stored>,
    /// Told on every change; what becomes visible with time alone is waited for.
    pub(super) changed: Notify,
    pub(super) clock: Clock,
    settings: HistorySettings,
}

#[derive(Debug)]
pub(super) struct Stored {
    pub epoch: Epoch,
    pub up: bool,
    reads: Reads,
    /// Reads whose answer is held.
    held: usize,
    /// Outages so far: an answer that was on its way in one is lost.
    pub outages: u64,
    pub faults: Faults,
    pub dice: Dice,
    /// The newest loss of this epoch by age and total: nothing up to here is kept.
    lost: Position,
    /// Losses that could be seen so far, of whatever epoch.
    losses: u64,
    /// The newest position given in this epoch.
    pub last: Position,
    records: VecDeque<Record>,
    keys: HashMap<DedupeKey, (Placement, Instant, Duration)>,
    largest: Option<usize>,
}

/// What becomes of the answers to reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Answered,
    Held,
}

/// One delivery: it is kept, and lost by age and total, whole.
#[derive(Debug)]
struct Record {
    visible: Instant,
    /// The place of its last event, whatever of it is purged.
    end: Position,
    events: Vec<Arc<LoggedEvent>>,
    /// What was purged of it.
    purged: Option<Purged>,
}

/// What was purged of a delivery.
#[derive(Clone, Copy, Debug)]
enum Purged {
    /// Up to this event; it is seen when the delivery is, and counts as a loss from then.
    Unseen(Position),
    /// It is counted.
    Seen(Position),
}

impl Purged {
    fn last(self) -> Position {
        match self {
            Self::Unseen(last) | Self::Seen(last) => last,
        }
    }
}

impl Broker {
    /// An empty broker that is reachable. Of the settings it knows `total` and `default.age`.
    #[must_use]
    pub fn new(settings: HistorySettings, clock: Clock, epoch: Epoch, seed: u64) -> Arc<Self> {
        let stored = Stored {
            epoch,
            up: true,
            reads: Reads::Answered,
            held: 0,
            outages: 0,
            faults: Faults::default(),
            dice: Dice::new(seed),
            lost: Position::START,
            losses: 0,
            last: Position::START,
            records: VecDeque::new(),
            keys: HashMap::new(),
            largest: None,
        };
        Arc::new(Self { stored: Mutex::new(stored), changed: Notify::new(), clock, settings })
    }

    /// From now on these things go wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Refuses deliveries of more than so many bytes of data.
    pub fn set_largest(&self, bytes: usize) {
        self.lock().largest = Some(bytes);
    }

    /// Nobody reaches it, and answers on their way are lost.
    pub fn go_down(&self) {
        let mut stored = self.lock();
        stored.up = false;
        stored.outages += 1;
        drop(stored);
        self.changed.notify_waiters();
    }

    /// It is reached again, with all it had.
    pub fn come_up(&self) {
        self.lock().up = true;
        self.changed.notify_waiters();
    }

    /// It lost everything, keys included, and begins anew.
    pub fn begin_anew(&self, epoch: Epoch) {
        let mut stored = self.lock();
        stored.epoch = epoch;
        stored.records.clear();
        stored.keys.clear();
        (stored.lost, stored.last) = (Position::START, Position::START);
        drop(stored);
        self.changed.notify_waiters();
    }

    /// Somebody deleted all its events behind our back; the order goes on.
    pub fn purge_all(&self) {
        let mut stored = self.lock();
        stored.records.clear();
        stored.lost = stored.last;
        stored.losses += 1;
        drop(stored);
        self.changed.notify_waiters();
    }

    /// From now on reads are made, and their answers held until [`Broker::release_reads`].
    pub fn hold_reads(&self) {
        self.lock().reads = Reads::Held;
    }

    /// Lets the held answers go, and no longer holds any.
    pub fn release_reads(&self) {
        self.lock().reads = Reads::Answered;
        self.changed.notify_waiters();
    }

    /// Reads whose answers are held.
    #[must_use]
    pub fn held_reads(&self) -> usize {
        self.lock().held
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().expect("nothing panics under the broker's lock")
    }

    /// What becomes of one delivery, and how long the answer takes. Waits on the way there.
    pub(super) async fn submit(&self, delivery: Delivery) -> (Result<Appended, AppendError>, Duration) {
        let (fate, there, back) = self.way();
        tokio::time::sleep(there).await;
        let outcome = {
            let mut stored = self.lock();
            match fate {
                _ if !stored.up => Err(AppendError::Unavailable("the broker is not reached")),
                Fate::Refused => Err(AppendError::Full),
                Fate::Unavailable => Err(AppendError::Unavailable("the broker is not ready")),
                Fate::LostRequest => Err(AppendError::Unknown),
                Fate::LostAnswer => self.store(&mut stored, delivery).and(Err(AppendError::Unknown)),
                Fate::Stored => self.store(&mut stored, delivery),
            }
        };
        self.changed.notify_waiters();
        (outcome, back)
    }

    fn store(&self, stored: &mut Stored, delivery: Delivery) -> Result<Appended, AppendError> {
        let bytes: usize = delivery.events.iter().map(|e| e.data.len()).sum();
        if let Some(limit) = stored.largest.filter(|&largest| bytes > largest) {
            return Err(AppendError::TooLarge { limit });
        }
        let now = Instant::now();
        if let Some((placement, since, window)) =
            delivery.dedupe.as_ref().and_then(|dedupe| stored.keys.get(&dedupe.key))
            && now - *since < *window
        {
            return Ok(Appended::Duplicate(*placement));
        }
        let sequence = stored.last.sequence + 1;
        let placement = Placement { epoch: stored.epoch, sequence, events: delivery.events.len() as u32 };
        let logged = |(cursor, event)| Arc::new(LoggedEvent { cursor, event });
        let events: Vec<_> = placement.cursors().zip(delivery.events).map(logged).collect();
        let Some(end) = events.last().map(|last| last.cursor.position) else {
            return Err(AppendError::Unavailable("the delivery holds no event"));
        };
        stored.last = end;
        let lag = stored.faults.lag;
        // What was stored later is never seen earlier.
        let visible = stored.records.back().map_or(now, |record| record.visible);
        let visible = visible.max(now + stored.dice.delay(lag));
        stored.records.push_back(Record { visible, end, events, purged: None });
        if let Some(Dedupe { key, window, .. }) = delivery.dedupe {
            stored.keys.insert(key, (placement, now, window));
        }
        self.retain(stored);
        Ok(Appended::Accepted(placement))
    }

    /// Drops the oldest deliveries, whatever their topics, beyond age and total.
    fn retain(&self, stored: &mut Stored) {
        let now = self.clock.now();
        let limit = millis(self.settings.default.age);
        let weigh = |record: &Record| record.events.iter().map(|e| e.event.weight()).sum::<usize>();
        let mut total: usize = stored.records.iter().map(weigh).sum();
        while let Some(oldest) = stored.records.front()
            && (total > self.settings.total || oldest.events.iter().any(|e| age(e.event.time, now) > limit))
        {
            total -= weigh(oldest);
            stored.lost = oldest.end;
            stored.losses += 1;
            stored.records.pop_front();
        }
    }

    /// A page of what was visible when it was asked for; none when it is to fail.
    pub(super) async fn answer(
        &self,
        selector: &Selector,
        after: Position,
        limit: ReadLimit,
    ) -> Option<Page> {
        let page = self.read(selector, after, limit);
        let fails = {
            let mut stored = self.lock();
            stored.held += 1;
            let chance = stored.faults.unread;
            // Without a chance no die is cast: the seeded runs of others stay as they are.
            chance > 0.0 && stored.dice.happens(chance)
        };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut stored = self.lock();
                if stored.reads == Reads::Answered {
                    stored.held -= 1;
                    return (!fails && stored.up).then_some(page);
                }
            }
            changed.await;
        }
    }

    /// A page of what is visible.
    pub(super) fn read(&self, selector: &Selector, after: Position, limit: ReadLimit) -> Page {
        let mut stored = self.lock();
        self.retain(&mut stored);
        stored.count_purged();
        let head = stored.head();
        let mut page = Page { events: Vec::new(), next: head, more: false, coverage: Coverage::Complete };
        let mut bytes = 0;
        for event in stored.visible_after(after).filter(|e| selector.matches(&e.event.topic)) {
            bytes += event.event.data.len();
            if let Some(last) = page.events.last()
                && (page.events.len() >= limit.events || bytes > limit.bytes)
            {
                (page.next, page.more) = (last.cursor.position, true);
                break;
            }
            page.events.push(Arc::clone(event));
        }
        let through = stored.newest_loss();
        if through > after {
            let first = page.events.first().map_or(through, |e| e.cursor.position.before());
            let resumed = through.min(first).max(after);
            page.coverage = Coverage::Lost { resumed, through, missed: None, turn: stored.losses };
        }
        page
    }

    /// Topics with visible events.
    pub(super) fn topics(&self, prefix: &str, after: Option<&Topic>, limit: usize) -> Vec<TopicUsage> {
        let mut stored = self.lock();
        self.retain(&mut stored);
        let mut topics = BTreeMap::new();
        for LoggedEvent { event, .. } in stored.visible_after(Position::START).map(AsRef::as_ref) {
            let topic = event.topic.clone();
            let usage = topics.entry(topic.clone()).or_insert(TopicUsage {
                topic,
                events: 0,
                bytes: 0,
                last: event.time,
            });
            usage.events += 1;
            usage.bytes += event.weight() as u64;
            usage.last = event.time;
        }
        let asked =
            |topic: &Topic| topic.as_str().starts_with(prefix) && after.is_none_or(|after| topic > after);
        topics.into_values().filter(|usage| asked(&usage.topic)).take(limit).collect()
    }

    /// Deletes a topic's events. It does not remember whose they were.
    pub(super) fn purge(&self, topic: &Topic) -> u64 {
        let mut stored = self.lock();
        self.retain(&mut stored);
        let mut count = 0;
        for record in &mut stored.records {
            let of = |e: &Arc<LoggedEvent>| e.event.topic == *topic;
            let last = record.events.iter().rfind(|e| of(e)).map(|e| e.cursor.position);
            let before = record.events.len();
            record.events.retain(|e| !of(e));
            count += (before - record.events.len()) as u64;
            if let Some(last) = last {
                let before = record.purged.map_or(Position::START, Purged::last);
                record.purged = Some(Purged::Unseen(last.max(before)));
            }
        }
        drop(stored);
        self.changed.notify_waiters();
        count
    }

    /// Brings a question to the broker and its answer back, through all that goes wrong on the way.
    pub(super) async fn ask<T>(&self, question: impl FnOnce(&Self) -> T) -> Result<T, ReadError> {
        let (fate, there, back) = self.way();
        pause(there).await;
        let outages = {
            let stored = self.lock();
            if !stored.up {
                return Err(ReadError::Unavailable("the broker is not reached"));
            }
            stored.outages
        };
        let answer = match fate {
            Fate::Refused | Fate::Unavailable => Err(ReadError::Unavailable("the broker is not ready")),
            Fate::LostRequest => Err(ReadError::Unavailable("the broker did not answer")),
            Fate::LostAnswer => {
                question(self);
                Err(ReadError::Unavailable("the broker did not answer"))
            }
            Fate::Stored => Ok(question(self)),
        };
        pause(back).await;
        let cut = self.lock().outages != outages;
        if cut { Err(ReadError::Unavailable("the broker is not reached")) } else { answer }
    }

    /// What becomes of the next thing that is sent to it, and how long it takes there and back.
    fn way(&self) -> (Fate, Duration, Duration) {
        let mut stored = self.lock();
        let faults = stored.faults;
        let dice = &mut stored.dice;
        (dice.fate(&faults), dice.delay(faults.store_delay), dice.delay(faults.answer_delay))
    }

    pub(super) fn usage(&self) -> Usage {
        let stored = self.lock();
        let events = || stored.records.iter().flat_map(|record| &record.events);
        Usage {
            topics: events().map(|e| &e.event.topic).collect::<HashSet<_>>().len() as u64,
            events: events().count() as u64,
            bytes: events().map(|e| e.event.weight() as u64).sum(),
            dedupe_evicted_early: 0,
        }
    }
}

/// Waits, where there is something to wait for: a timer's shortest wait is a millisecond.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl Stored {
    pub(super) fn cursor(&self, position: Position) -> Cursor {
        Cursor::new(self.epoch, position)
    }

    /// The newest position that is visible; when nothing kept is, the newest loss.
    pub(super) fn head(&self) -> Position {
        let now = Instant::now();
        let visible = self.records.iter().rev().find(|record| record.visible <= now);
        visible.map_or(self.lost, |record| record.end)
    }

    /// The newest loss that is visible, by age and total or by a purge.
    pub(super) fn newest_loss(&self) -> Position {
        let now = Instant::now();
        let visible = self.records.iter().take_while(|record| record.visible <= now);
        visible.filter_map(|record| record.purged.map(Purged::last)).fold(self.lost, Position::max)
    }

    /// Counts what was purged of deliveries that can be seen now. Not when it was purged: a page in between would have told a
    /// loss of that turn, and whoever read it would not be told of this one.
    fn count_purged(&mut self) {
        let now = Instant::now();
        for record in self.records.iter_mut().take_while(|record| record.visible <= now) {
            if let Some(Purged::Unseen(last)) = record.purged {
                record.purged = Some(Purged::Seen(last));
                self.losses += 1;
            }
        }
    }

    /// What is visible after `after`.
    pub(super) fn visible_after(&self, after: Position) -> impl Iterator<Item = &Arc<LoggedEvent>> {
        let now = Instant::now();
        let visible = self.records.iter().take_while(move |record| record.visible <= now);
        visible.flat_map(|record| &record.events).filter(move |e| e.cursor.position > after)
    }

    /// When the first delivery that is not visible yet will be.
    pub(super) fn next_visible(&self) -> Option<Instant> {
        let now = Instant::now();
        self.records.iter().map(|record| record.visible).find(|&visible| visible > now)
    }
}
