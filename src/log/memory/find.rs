//! Finding topics: those that patterns match, and those that a list shows.
//!
//! Where few topics were published to of late, they are walked from the newest; else by their names, in slices, from
//! what the pattern begins with.

use std::ops::Bound;

use super::MemoryLog;
use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{Millis, Pattern, Position, Topic};
use crate::log::TopicUsage;

impl MemoryLog {
    /// The topics that `patterns` match, each once, and the head before they were looked for: topics that come into being
    /// meanwhile have no event up to it. Without those that are `old`, which says of a topic that neither it nor any that
    /// was published to before it is of interest.
    pub(super) fn find(
        &self,
        patterns: &[Pattern],
        old: impl Fn(&TopicHistory) -> bool,
    ) -> (Vec<TopicId>, Position) {
        let slice = self.bounds.read_slice;
        let upto = {
            let state = self.shared.lock();
            if let Some(ids) = state.recent(patterns, &old, slice) {
                return (ids, state.head);
            }
            state.head
        };
        let mut found = Vec::new();
        for pattern in patterns {
            let mut from = None;
            self.in_slices(|state| {
                from = state.by_name(pattern, from.as_ref(), &old, slice, &mut found);
                from.is_some()
            });
        }
        found.sort_unstable();
        found.dedup();
        (found, upto)
    }

    /// See [`crate::log::Log::topics`].
    pub(super) fn list(&self, prefix: &str, after: Option<&Topic>, limit: usize) -> Vec<TopicUsage> {
        let slice = self.bounds.read_slice;
        let (mut listed, mut from) = (Vec::new(), after.cloned());
        self.in_slices(|state| {
            from = state.list(prefix, from.as_ref(), self.clock.now(), slice, &mut listed);
            from.is_some() && listed.len() < limit
        });
        listed.truncate(limit);
        listed
    }
}

impl State {
    /// Topics that `patterns` match and that are not [`old`](MemoryLog::find), when no more than `most` topics are not:
    /// the common case of a subscriber that was away for a moment.
    fn recent(
        &self,
        patterns: &[Pattern],
        old: impl Fn(&TopicHistory) -> bool,
        most: usize,
    ) -> Option<Vec<TopicId>> {
        let mut found = Vec::new();
        for (count, id) in self.recency.iter().enumerate() {
            let topic = &self.topics[id.index()];
            if old(topic) {
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

    /// Adds to `found` those topics behind `from` in the order of names that `pattern` matches and that are not `old`,
    /// looking at no more than `most`. The name to go on from, if there are more.
    fn by_name(
        &self,
        pattern: &Pattern,
        from: Option<&Topic>,
        old: impl Fn(&TopicHistory) -> bool,
        most: usize,
        found: &mut Vec<TopicId>,
    ) -> Option<Topic> {
        for (count, (name, id)) in self.named(literal_prefix(pattern), from).enumerate() {
            if pattern.matches(name) && !old(&self.topics[id.index()]) {
                found.push(id);
            }
            if count + 1 == most {
                return Some(name.clone());
            }
        }
        None
    }

    /// Adds to `listed` those topics behind `from` in the order of names that begin with `prefix` and have events, looking
    /// at no more than `most`. The name to go on from, if there may be more.
    fn list(
        &mut self,
        prefix: &str,
        from: Option<&Topic>,
        now: Millis,
        most: usize,
        listed: &mut Vec<TopicUsage>,
    ) -> Option<Topic> {
        let ids: Vec<TopicId> = self.named(prefix, from).map(|(_, id)| id).take(most).collect();
        for &id in &ids {
            self.expire(id, now);
            let topic = &self.topics[id.index()];
            if let Some(newest) = topic.events.back() {
                listed.push(TopicUsage {
                    topic: topic.name.clone(),
                    events: topic.events.len() as u64,
                    bytes: topic.bytes as u64,
                    last: newest.event.time,
                });
            }
        }
        let last = ids.last().filter(|_| ids.len() == most)?;
        Some(self.topics[last.index()].name.clone())
    }

    /// All topics whose names begin with `prefix` and come after `from`, in the order of their names.
    fn named<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a Topic>,
    ) -> impl Iterator<Item = (&'a Topic, TopicId)> {
        // All names before the prefix are passed over, and none of those after it begins with it.
        let start = match from {
            Some(from) if from.as_str() >= prefix => Bound::Excluded(from.as_str()),
            _ => Bound::Included(prefix),
        };
        let names = self.in_order.range::<str, _>((start, Bound::Unbounded));
        names.map(|(name, &id)| (name, id)).take_while(move |(name, _)| name.as_str().starts_with(prefix))
    }
}

/// What every topic that the pattern matches begins with.
fn literal_prefix(pattern: &Pattern) -> &str {
    let text = pattern.as_str();
    text.split_once('*').map_or(text, |(prefix, _)| prefix)
}
