//! Which topic gives when the log is over its total.
//!
//! The rule, in order: of the topics that would not be emptied by it, the one that holds the most, as long as that is
//! more than its share (total ÷ topics with events); else, every topic over its share holds a single event, and the
//! largest of those goes. So a topic that holds no more than its share never gives, and none is emptied while another
//! could give more than its share without being emptied. Of equals the one with the oldest event gives.
//!
//! Two binary heaps (topics with one event, topics with several), each with every topic's place in it. A `BTreeSet`
//! would pay two tree operations per append; here an append that also evicts leaves the topic's weight as it was and
//! moves nothing, and one that only grows it is most often one comparison with its parent.

use super::topic::TopicId;
use crate::event::Position;

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    /// Events.
    pub events: usize,
    /// Bytes, as counted against the total.
    pub bytes: usize,
    /// The position of its oldest event.
    pub oldest: Position,
}

/// All topics with events, by what they hold.
#[derive(Debug, Default)]
pub(super) struct Shares {
    single: Heap,
    several: Heap,
}

impl Shares {
    /// Records what a topic holds now; `None` for nothing.
    pub(super) fn set(&mut self, id: TopicId, holding: Option<Holding>) {
        let (of, other) = match holding {
            Some(Holding { events, .. }) if events > 1 => (&mut self.several, &mut self.single),
            _ => (&mut self.single, &mut self.several),
        };
        other.remove(id);
        match holding {
            Some(Holding { bytes, oldest, .. }) => of.set(Entry { bytes, oldest, id }),
            None => of.remove(id),
        }
    }

    /// Topics with events.
    pub(super) fn topics(&self) -> usize {
        self.single.entries.len() + self.several.entries.len()
    }

    /// The topic whose oldest event goes next when `total` is exceeded.
    pub(super) fn giver(&self, total: usize) -> Option<TopicId> {
        let share = total / self.topics().max(1);
        let several = self.several.entries.first().filter(|entry| entry.bytes > share);
        several
            .or_else(|| self.single.entries.first())
            .or_else(|| self.several.entries.first())
            .map(|entry| entry.id)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: usize,
    oldest: Position,
    id: TopicId,
}

impl Entry {
    /// Whether this one gives before `other`.
    fn before(&self, other: &Self) -> bool {
        (self.bytes, other.oldest) > (other.bytes, self.oldest)
    }
}

/// Not in the heap.
const ABSENT: u32 = u32::MAX;

/// A binary heap whose first entry gives first, with each topic's index in it.
#[derive(Debug, Default)]
struct Heap {
    entries: Vec<Entry>,
    /// By topic.
    at: Vec<u32>,
}

impl Heap {
    fn set(&mut self, entry: Entry) {
        let topic = entry.id.index();
        if self.at.len() <= topic {
            self.at.resize(topic + 1, ABSENT);
        }
        let index = if self.at[topic] == ABSENT {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let index = self.at[topic] as usize;
            self.entries[index] = entry;
            index
        };
        self.restore(index);
    }

    fn remove(&mut self, id: TopicId) {
        let Some(&index) = self.at.get(id.index()).filter(|&&index| index != ABSENT) else { return };
        self.at[id.index()] = ABSENT;
        self.entries.swap_remove(index as usize);
        if (index as usize) < self.entries.len() {
            self.restore(index as usize);
        }
    }

    /// Moves the entry at `index`, the only one that may be out of place, to where it belongs.
    fn restore(&mut self, mut index: usize) {
        let entry = self.entries[index];
        while index > 0 && entry.before(&self.entries[(index - 1) / 2]) {
            self.place(index, self.entries[(index - 1) / 2]);
            index = (index - 1) / 2;
        }
        loop {
            let (left, right) = (2 * index + 1, 2 * index + 2);
            let Some(mut child) = self.entries.get(left).map(|_| left) else { break };
            if self.entries.get(right).is_some_and(|r| r.before(&self.entries[left])) {
                child = right;
            }
            if !self.entries[child].before(&entry) {
                break;
            }
            self.place(index, self.entries[child]);
            index = child;
        }
        self.place(index, entry);
    }

    fn place(&mut self, index: usize, entry: Entry) {
        self.entries[index] = entry;
        self.at[entry.id.index()] = index as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The rule, said over a plain list.
    fn rule(model: &BTreeMap<u32, Holding>, total: usize) -> Option<TopicId> {
        let share = total / model.len().max(1);
        let most = |several: bool| {
            let of = model.iter().filter(move |(_, h)| (h.events > 1) == several);
            of.max_by_key(|(_, h)| (h.bytes, std::cmp::Reverse(h.oldest)))
        };
        let several = most(true).filter(|(_, h)| h.bytes > share);
        several.or_else(|| most(false)).or_else(|| most(true)).map(|(&id, _)| TopicId(id))
    }

    proptest! {
        #[test]
        fn the_giver_is_the_one_of_the_rule(
            steps in proptest::collection::vec((0u32..12, 0usize..4, 1usize..6), 1..200),
            total in 1usize..40,
        ) {
            let (mut shares, mut model) = (Shares::default(), BTreeMap::new());
            for (sequence, (id, events, bytes)) in steps.into_iter().enumerate() {
                let holding = Holding { events, bytes, oldest: Position::of(sequence as u64) };
                if events == 0 {
                    model.remove(&id);
                } else {
                    model.insert(id, holding);
                }
                shares.set(TopicId(id), (events > 0).then_some(holding));
                prop_assert_eq!(shares.topics(), model.len());
                prop_assert_eq!(shares.giver(total), rule(&model, total));
            }
        }
    }
}
