//! One topic's history.

use std::collections::VecDeque;
use std::sync::Arc;

use super::losses::Losses;
use super::shares::Holding;
use crate::event::{LoggedEvent, Millis, Position, Topic};
use crate::log::TopicLimits;
use crate::log::clock::{age, millis};

/// Bytes that a topic with events costs beside its events and its name, counted against the total so that a great many
/// topics of one event each are bounded too: its record, its entries in the four indexes, the smallest event queue.
const TOPIC_FIXED: usize = 384;

/// A topic's place in the log's tables. Given again after the topic was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::log) struct TopicId(pub u32);

impl TopicId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is kept of a topic, and what is known of what is not. It is there as long as the topic is remembered, which
/// is longer than its events.
#[derive(Debug)]
pub(super) struct TopicHistory {
    pub name: Topic,
    /// Oldest first.
    pub events: VecDeque<Arc<LoggedEvent>>,
    /// What the events weigh.
    pub bytes: usize,
    pub losses: Losses,
    /// The newest event ever, kept or not.
    pub last: Position,
    /// The topic's limits, and the generation of settings they are of.
    pub limits: TopicLimits,
    pub generation: u64,
}

impl TopicHistory {
    /// The index of the first event after `after`.
    pub(super) fn index_after(&self, after: Position) -> usize {
        self.events.partition_point(|event| event.cursor.position <= after)
    }

    /// Whether the oldest event has to go by the topic's own limits, or because the topic alone is over the `total` of
    /// all: an event that large must not drive out what others hold before it goes itself.
    pub(super) fn is_over(&self, now: Millis, total: usize) -> bool {
        let TopicLimits { events, bytes, age: limit } = self.limits;
        self.events.front().is_some_and(|oldest| {
            self.events.len() > events
                || self.bytes > bytes
                || self.bytes + self.overhead() > total
                || age(oldest.event.time, now) > millis(limit)
        })
    }

    /// What the topic itself costs while it has events.
    pub(super) fn overhead(&self) -> usize {
        TOPIC_FIXED + self.name.as_str().len()
    }

    /// What it holds, for the total.
    pub(super) fn holding(&self) -> Option<Holding> {
        let oldest = self.events.front()?.cursor.position;
        Some(Holding { events: self.events.len(), bytes: self.bytes + self.overhead(), oldest })
    }
}
