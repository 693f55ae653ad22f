//! Where to begin in what is kept: the oldest, the last so many, or what was received since some time.

use std::collections::BinaryHeap;
use std::ops::Bound;

use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{Filter, LoggedEvent, Millis, Position, Since, Topic};
use crate::log::TopicUsage;
use crate::log::clock::{age, millis};

/// Events are in the order of their places, and almost in that of their times, which are taken when a webhook begins: one
/// that was long on its way stands behind younger ones. Longer than any default lets a body take, in milliseconds.
const DISORDER: u64 = 60_000;

impl State {
    /// The place just before the events of these topics that `since` names; the head when there are none.
    pub(super) fn locate(&mut self, ids: &[TopicId], filter: &Filter, since: Since, now: Millis) -> Position {
        for &id in ids {
            if self.topics.contains(id.index()) {
                self.expire(id, now);
            }
        }
        let topics: Vec<&TopicHistory> = ids.iter().filter_map(|id| self.topics.get(id.index())).collect();
        let first = match since {
            Since::Oldest => topics.iter().filter_map(|topic| position(topic, 0)).min(),
            Since::Ago(time) => {
                let oldest = millis(time);
                let young = |topic: &&TopicHistory| {
                    let age = |event: &LoggedEvent| age(event.event.time, now);
                    let near = topic.events.iter().rev().take_while(|event| age(event) <= oldest + DISORDER);
                    let young = near.filter(|event| age(event) <= oldest);
                    young.last().map(|event| event.cursor.position)
                };
                topics.iter().filter_map(young).min()
            }
            Since::Last(count) => last(&topics, filter, count),
        };
        let Some(first) = first else { return self.head };
        // What stands before the first may belong to the same delivery, or to the one before it; where something of these
        // topics stands there, kept or lost, it is the place.
        let just_before = match first.index {
            0 | 1 => Position::of(first.sequence - u64::from(first.index == 0)),
            index => Position { index: index - 1, ..first },
        };
        topics.iter().fold(just_before, |place, topic| {
            let kept = topic.events.partition_point(|event| event.cursor.position < first);
            let kept = kept.checked_sub(1).and_then(|index| position(topic, index));
            let lost = topic.losses.newest();
            [kept, Some(lost)].into_iter().flatten().filter(|&p| p < first).fold(place, Position::max)
        })
    }

    /// Up to `limit` topics with events behind `after` in the order of names, looking at no more than `most`; and where to go
    /// on, if there are more.
    pub(super) fn topics(
        &mut self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
        most: usize,
        now: Millis,
    ) -> (Vec<TopicUsage>, Option<Topic>) {
        let start = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let names = self.in_order.range::<str, _>((start, Bound::Unbounded));
        let near: Vec<TopicId> = names
            .take(most)
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .map(|(_, &id)| id)
            .collect();
        let mut found = Vec::new();
        for &id in &near {
            if found.len() == limit {
                return (found, None);
            }
            self.expire(id, now);
            let topic = &self.topics[id.index()];
            if let Some(newest) = topic.events.back() {
                found.push(TopicUsage {
                    topic: topic.name.clone(),
                    events: topic.events.len() as u64,
                    bytes: topic.bytes as u64,
                    last: newest.event.time,
                });
            }
        }
        let more = (near.len() == most).then(|| near.last().map(|id| self.topics[id.index()].name.clone()));
        (found, more.flatten())
    }

    /// Loses the topic's events at or before `upto`, at most `budget`. How many it lost.
    pub(super) fn purge(&mut self, name: &Topic, upto: Position, budget: usize) -> usize {
        let Some(&id) = self.by_name.get(name) else { return 0 };
        let mut lost = 0;
        while lost < budget && position(&self.topics[id.index()], 0).is_some_and(|oldest| oldest <= upto) {
            self.lose_oldest(id);
            lost += 1;
        }
        if lost > 0 {
            self.settle(id);
        }
        lost
    }
}

fn position(topic: &TopicHistory, index: usize) -> Option<Position> {
    topic.events.get(index).map(|event| event.cursor.position)
}

/// The first of the last `count` events of all topics that pass the filter.
fn last(topics: &[&TopicHistory], filter: &Filter, count: usize) -> Option<Position> {
    let newest = |&topic: &&TopicHistory, below: usize| {
        let index = topic.events.iter().take(below).rposition(|e| filter.admits(e.event.kind.as_ref()))?;
        Some((position(topic, index)?, index))
    };
    let mut heads: BinaryHeap<(Position, usize, usize)> = BinaryHeap::new();
    for (number, topic) in topics.iter().enumerate() {
        heads.extend(newest(topic, topic.events.len()).map(|(at, index)| (at, number, index)));
    }
    let mut first = None;
    for _ in 0..count {
        let Some((at, number, index)) = heads.pop() else { break };
        first = Some(at);
        heads.extend(newest(&topics[number], index).map(|(at, index)| (at, number, index)));
    }
    first
}
