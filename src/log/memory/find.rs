//! Finding topics: those that patterns match, and those that a list shows.
//!
//! Where few topics were published to of late, they are walked from the newest; else by their names, in slices, from
//! what the patterns begin with. Either is one walk for all patterns, and what it costs is counted as it goes.

use std::ops::Bound;

use super::MemoryLog;
use super::any_of::AnyOf;
use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{Millis, Position, Topic};
use crate::log::TopicUsage;

impl MemoryLog {
    /// The topics that `any` of some patterns matches, each once, and the head before they were looked for: topics that come
    /// into being meanwhile have no event up to it. Without those that are `old`, which says of a topic that neither it nor
    /// any that was published to before it is of interest.
    pub(super) async fn find(
        &self,
        any: &mut AnyOf,
        old: impl Fn(&TopicHistory) -> bool + Sync,
    ) -> (Vec<TopicId>, Position) {
        let budget = self.bounds.match_slice;
        let (mut found, upto) = {
            let state = self.shared.lock();
            if let Some(ids) = state.recent(any, &old, budget) {
                return (ids, state.head);
            }
            (state.named_among(any.names(), &old), state.head)
        };
        for index in 0..any.prefixes().len() {
            let mut from = None;
            self.in_slices_kindly(|state| {
                from = state.by_name(index, any, from.as_ref(), &old, budget, &mut found);
                from.is_some()
            })
            .await;
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
    /// Topics that `any` matches and that are not [`old`](MemoryLog::find), when those that are not can be looked through
    /// with `budget` looks: the common case of a subscriber that was away for a moment.
    fn recent(
        &self,
        any: &mut AnyOf,
        old: impl Fn(&TopicHistory) -> bool,
        budget: usize,
    ) -> Option<Vec<TopicId>> {
        let stop = any.looks() + budget;
        let mut found = Vec::new();
        for id in self.recency.iter() {
            let topic = &self.topics[id.index()];
            if old(topic) {
                break;
            }
            if any.looks() >= stop {
                return None;
            }
            if any.matches(&topic.name) {
                found.push(id);
            }
        }
        Some(found)
    }

    /// Those of these topics that are there and not `old`.
    fn named_among(&self, names: &[Topic], old: impl Fn(&TopicHistory) -> bool) -> Vec<TopicId> {
        let known = names.iter().filter_map(|name| self.by_name.get(name).copied());
        known.filter(|id| !old(&self.topics[id.index()])).collect()
    }

    /// Adds to `found` those topics behind `from` in the order of names, under the prefix of `any` with this `index`, that
    /// it matches and that are not `old`, with no more than about `budget` looks. The name to go on from, if there are more.
    fn by_name(
        &self,
        index: usize,
        any: &mut AnyOf,
        from: Option<&Topic>,
        old: impl Fn(&TopicHistory) -> bool,
        budget: usize,
        found: &mut Vec<TopicId>,
    ) -> Option<Topic> {
        let stop = any.looks() + budget;
        let prefix = any.prefixes()[index].clone();
        for (name, id) in self.named(&prefix, from) {
            if any.matches(name) && !old(&self.topics[id.index()]) {
                found.push(id);
            }
            if any.looks() >= stop {
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
