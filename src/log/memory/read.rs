//! Reading history: one topic, or all that some patterns match, merged in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::sync::Arc;

use super::losses::Loss;
use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{LoggedEvent, Millis, Pattern, Position, Topic};
use crate::log::{Coverage, Page, ReadLimit};

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

    /// Topics that `patterns` match and that had an event after `after`, when no more than `most` topics had one: the
    /// common case of a subscriber that was away for a moment.
    pub(super) fn recent(&self, patterns: &[Pattern], after: Position, most: usize) -> Option<Vec<TopicId>> {
        let mut found = Vec::new();
        for (count, id) in self.recency.iter().enumerate() {
            let topic = &self.topics[id.index()];
            if topic.last <= after {
                break;
            }
            if count == most {
                return None;
            }
            if patterns.iter().any(|p| p.matches(&topic.name)) {
                found.push(id);
            }
        }
        Some(found)
    }

    /// Adds to `found` those topics behind `from` in the order of names that `pattern` matches and that had an event
    /// after `after`, looking at no more than `most`. The name to go on from, if there are more.
    pub(super) fn by_name(
        &self,
        pattern: &Pattern,
        from: Option<&Topic>,
        after: Position,
        most: usize,
        found: &mut Vec<TopicId>,
    ) -> Option<Topic> {
        let prefix = literal_prefix(pattern);
        let start = from.map_or(Bound::Included(prefix), |name| Bound::Excluded(name.as_str()));
        for (count, (name, &id)) in self.in_order.range::<str, _>((start, Bound::Unbounded)).enumerate() {
            if !name.as_str().starts_with(prefix) {
                break;
            }
            if self.topics[id.index()].last > after && pattern.matches(name) {
                found.push(id);
            }
            if count + 1 == most {
                return Some(name.clone());
            }
        }
        None
    }

    /// A page of the given topics, up to `upto`. Whatever became of a topic since it was found, no more is said to be
    /// covered than is.
    pub(super) fn read_merged(&mut self, ids: &[TopicId], range: Range, upto: Position) -> Page {
        let mut pager = Pager::new(range, upto);
        pager.lose(self.forgotten.loss());
        let mut heads = BinaryHeap::with_capacity(ids.len());
        for &id in ids {
            // Forgotten since; or its number was given to a topic that is younger than the read.
            if self.topics.get(id.index()).is_none_or(|topic| topic.losses.first() > upto) {
                continue;
            }
            self.expire(id, range.now);
            let topic = &self.topics[id.index()];
            if let Some(loss) = topic.losses.after(range.after) {
                pager.lose(loss);
            }
            heads.extend(head(topic, id, topic.index_after(range.after)));
        }
        while let Some(Reverse((_, id, index))) = heads.pop() {
            let topic = &self.topics[id.index()];
            if !pager.push(&topic.events[index]) {
                break;
            }
            heads.extend(head(topic, id, index + 1));
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

/// A topic's next event, as an entry of the merge.
fn head(topic: &TopicHistory, id: TopicId, index: usize) -> Option<Reverse<(Position, TopicId, usize)>> {
    topic.events.get(index).map(|event| Reverse((event.cursor.position, id, index)))
}

/// What every topic that the pattern matches begins with.
fn literal_prefix(pattern: &Pattern) -> &str {
    let text = pattern.as_str();
    text.split_once('*').map_or(text, |(prefix, _)| prefix)
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
