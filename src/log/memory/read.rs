//! Reading history: one topic, or all that some patterns match, merged in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::MemoryLog;
use super::any_of::AnyOf;
use super::losses::Loss;
use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{LoggedEvent, Millis, Position, Selector, Topic};
use crate::log::{Coverage, Found, Page, ReadLimit, Scan};

/// What one read asks for, beside its selector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The place to read from.
    pub after: Position,
    /// How much.
    pub limit: ReadLimit,
    /// The clock's time.
    pub now: Millis,
}

/// How often a page is gathered in slices before appends have to wait for it: each time in vain, if all that it was to begin
/// with is evicted meanwhile, which is hundreds of events, and the oldest that there are.
const TRIES: usize = 3;

impl MemoryLog {
    /// A page of all topics that the patterns of `scan` match: those that it found, once it has looked for them. What they
    /// hold is read up to where the head was then.
    pub(super) async fn read_patterns(&self, scan: &mut Scan, after: Position, limit: ReadLimit) -> Page {
        let Scan { selector, found } = scan;
        let found = match found {
            Some(found) => found,
            None => found.insert(self.found(selector, after).await),
        };
        let Found { any, topics, upto } = found;
        let range = Range { after, limit, now: self.clock.now() };
        for _ in 0..TRIES {
            let mut merge = Merge::new(range, *upto);
            let mut slices = topics.chunks(self.bounds.read_slice);
            any.looked(topics.len());
            self.in_slices_kindly(|state| {
                merge.gather(state, slices.next().unwrap_or_default());
                slices.len() > 0
            })
            .await;
            if let Some(page) = merge.finish(&self.shared.lock()) {
                return page;
            }
        }
        // For the last time, in one critical section, so that nothing is evicted in between.
        any.looked(topics.len());
        let state = &mut *self.shared.lock();
        let mut merge = Merge::new(range, *upto);
        merge.gather(state, topics);
        merge.finish(state).expect("nothing was evicted since the topics were gathered")
    }

    async fn found(&self, selector: &Selector, after: Position) -> Found {
        let patterns = match selector {
            Selector::Topic(_) => &[][..],
            Selector::Patterns(patterns) => patterns,
        };
        let mut any = AnyOf::new(patterns);
        let (topics, upto) = self.find(&mut any, |topic| topic.last <= after).await;
        Found { any, topics: topics.into(), upto }
    }
}

impl State {
    /// A page of one topic.
    pub(super) fn read_topic(&mut self, name: &Topic, range: Range) -> Page {
        let upto = self.head;
        let mut pager = Pager::new(range, upto);
        match self.by_name.get(name) {
            None => pager.lose(self.forgotten.loss()),
            Some(&id) => {
                self.expire(id, range.now);
                let topic = &self.topics[id.index()];
                if let Some(loss) = topic.losses.after(range.after) {
                    pager.lose(loss);
                }
                for event in topic.events.range(topic.index_after(range.after)..) {
                    if !pager.push(event) {
                        break;
                    }
                }
            }
        }
        pager.finish()
    }

    /// Every event kept after `after`, in order.
    pub(super) fn all_after(&self, after: Position) -> Vec<Arc<LoggedEvent>> {
        let mut events = Vec::new();
        for id in self.recency.iter() {
            let topic = &self.topics[id.index()];
            if topic.last <= after {
                break;
            }
            events.extend(topic.events.range(topic.index_after(after)..).cloned());
        }
        events.sort_unstable_by_key(|event| event.cursor.position);
        events
    }
}

/// A read over several topics, between its critical sections. Whatever becomes of a topic meanwhile, no more is said to be
/// covered than is.
struct Merge {
    pager: Pager,
    /// Each topic's next event; no more of them than a page can hold, and one to tell that there are more.
    heads: Vec<Head>,
    room: usize,
    /// The first of the heads that there was no room for.
    cut: Option<Position>,
}

/// A topic's next event, and where it was in the topic's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    position: Position,
    id: TopicId,
    index: usize,
}

impl Head {
    fn of(topic: &TopicHistory, id: TopicId, index: usize) -> Option<Self> {
        topic.events.get(index).map(|event| Self { position: event.cursor.position, id, index })
    }
}

impl Merge {
    fn new(range: Range, upto: Position) -> Self {
        let room = range.limit.events.max(1).saturating_add(1);
        Self { pager: Pager::new(range, upto), heads: Vec::new(), room, cut: None }
    }

    /// Notes what the topics lost, and their next events.
    fn gather(&mut self, state: &mut State, ids: &[TopicId]) {
        let Range { after, now, .. } = self.pager.range;
        for &id in ids {
            // Forgotten since it was found; or its number was given to a topic that is younger than the read.
            if state.topics.get(id.index()).is_none_or(|topic| topic.losses.first() > self.pager.upto) {
                continue;
            }
            state.expire(id, now);
            let topic = &state.topics[id.index()];
            if let Some(loss) = topic.losses.after(after) {
                self.pager.lose(loss);
            }
            self.heads.extend(Head::of(topic, id, topic.index_after(after)));
            if self.heads.len() >= self.room.saturating_mul(2) {
                self.trim();
            }
        }
    }

    /// Keeps the first of the heads.
    fn trim(&mut self) {
        if self.heads.len() > self.room {
            let cut = self.heads.select_nth_unstable(self.room).1.position;
            self.cut = Some(self.cut.map_or(cut, |was| was.min(cut)));
            self.heads.truncate(self.room);
        }
    }

    /// The page. `None` when so much was evicted since the topics were gathered that nothing is left to begin it with.
    fn finish(mut self, state: &State) -> Option<Page> {
        self.trim();
        self.pager.lose(state.forgotten.loss());
        let mut heads: BinaryHeap<_> = self.heads.drain(..).map(Reverse).collect();
        while let Some(Reverse(head)) = heads.pop() {
            if self.cut.is_some_and(|cut| head.position > cut) {
                return self.cut_short();
            }
            // Forgotten since, as is told by "forgotten below".
            let Some(topic) = state.topics.get(head.id.index()) else { continue };
            match self.place_of(topic, head) {
                Ok(index) if !self.pager.push(&topic.events[index]) => return Some(self.pager.finish()),
                Ok(index) => heads.extend(Head::of(topic, head.id, index + 1).map(Reverse)),
                Err(index) => heads.extend(Head::of(topic, head.id, index).map(Reverse)),
            }
        }
        if self.cut.is_some() { self.cut_short() } else { Some(self.pager.finish()) }
    }

    /// Where the event of a head is now; or, when it was evicted since, which is noted, where the next one is.
    fn place_of(&mut self, topic: &TopicHistory, head: Head) -> Result<usize, usize> {
        let is_at = |index| topic.events.get(index).is_some_and(|e| e.cursor.position == head.position);
        if is_at(head.index) {
            return Ok(head.index);
        }
        let index = topic.index_after(head.position.before());
        if is_at(index) {
            return Ok(index);
        }
        if let Some(loss) = topic.losses.after(self.pager.range.after) {
            self.pager.lose(Loss { missed: None, ..loss });
        }
        Err(index)
    }

    /// The page up to where heads are missing.
    fn cut_short(mut self) -> Option<Page> {
        self.pager.more = true;
        (!self.pager.events.is_empty()).then(|| self.pager.finish())
    }
}

/// Collects one page.
struct Pager {
    range: Range,
    upto: Position,
    events: Vec<Arc<LoggedEvent>>,
    bytes: usize,
    more: bool,
    /// Where something is gone, after the asked-for position.
    losses: Vec<Position>,
    missed: Option<u64>,
    turn: u64,
}

impl Pager {
    fn new(range: Range, upto: Position) -> Self {
        Self {
            range,
            upto,
            events: Vec::new(),
            bytes: 0,
            more: false,
            losses: Vec::new(),
            missed: Some(0),
            turn: 0,
        }
    }

    /// Notes a loss, if it is after the asked-for position.
    fn lose(&mut self, loss: Loss) {
        if loss.through > self.range.after {
            self.losses.push(loss.through);
            self.missed = self.missed.zip(loss.missed).map(|(a, b)| a + b);
            self.turn = self.turn.max(loss.turn);
        }
    }

    /// Takes the next event. Whether the page can take another.
    fn push(&mut self, event: &Arc<LoggedEvent>) -> bool {
        if event.cursor.position > self.upto {
            return false;
        }
        let bytes = self.bytes + event.event.data.len();
        let ReadLimit { events: most, bytes: most_bytes } = self.range.limit;
        if !self.events.is_empty() && (self.events.len() >= most || bytes > most_bytes) {
            self.more = true;
            return false;
        }
        self.bytes = bytes;
        self.events.push(Arc::clone(event));
        true
    }

    fn finish(self) -> Page {
        let next = match self.events.last() {
            Some(event) if self.more => event.cursor.position,
            _ => self.upto,
        };
        let coverage = self.coverage();
        Page { events: self.events, next, more: self.more, coverage }
    }

    fn coverage(&self) -> Coverage {
        let Some(&through) = self.losses.iter().max() else { return Coverage::Complete };
        // What was lost beyond the looked-at part stands, for this page, at its end.
        let before_kept = |&loss: &Position| {
            let loss = loss.min(self.upto);
            self.events.first().is_none_or(|first| loss < first.cursor.position).then_some(loss)
        };
        let resumed = self.losses.iter().filter_map(before_kept).fold(self.range.after, Position::max);
        Coverage::Lost { resumed, through, missed: self.missed, turn: self.turn }
    }
}
