//! The keys of recent deliveries: each is known for its own window, and those of each source are bounded by a count of the
//! source's own, so that no source pushes out what another is protected by.
//!
//! Keys of a source and one window are a lane, first in, first out, so that the next to go stands in front; there are as many lanes as
//! the configuration has windows. Under the count the key whose window ends first goes first: a flood of keys that are
//! kept for an hour pushes out its own kind before those that are to be kept for a day.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Dedupe, DedupeKey, Millis};
use crate::log::clock::{age, millis};

/// Keys examined for expiry with each new key: more than one, so that the table shrinks while keys come in.
const EXPIRE_PER_INSERT: usize = 4;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The delivery's sequence number.
    pub sequence: u64,
    /// How many events it made.
    pub events: u32,
    time: Millis,
    window: Duration,
}

impl Seen {
    fn is_over(&self, now: Millis) -> bool {
        age(self.time, now) >= millis(self.window)
    }
}

/// The table. Keys are digests, but of what a sender chose: the map's hasher is the keyed one.
#[derive(Debug, Default)]
pub(super) struct Table {
    seen: HashMap<DedupeKey, Seen>,
    /// Of each source. None is empty.
    sources: HashMap<Arc<str>, Lanes>,
    evicted_early: u64,
}

/// The order in which a source's keys go.
#[derive(Debug, Default)]
struct Lanes {
    /// By window, each in the order they came. One whose sequence number is not its key's any more was replaced after its
    /// time. No lane is empty.
    lanes: BTreeMap<Duration, VecDeque<(DedupeKey, Seen)>>,
    /// Records in all lanes.
    records: usize,
}

impl Table {
    /// The delivery of this key, if it is within the window it came with.
    pub(super) fn find(&self, key: &DedupeKey, now: Millis) -> Option<Seen> {
        self.seen.get(key).filter(|seen| !seen.is_over(now)).copied()
    }

    /// Remembers a key that [`Self::find`] did not find, among `most` of its source at most.
    pub(super) fn insert(&mut self, dedupe: Dedupe, sequence: u64, events: u32, now: Millis, most: usize) {
        let Dedupe { key, window, source } = dedupe;
        if let Some(lanes) = self.sources.get_mut(&source) {
            lanes.expire(now, most, EXPIRE_PER_INSERT, &mut self.seen, &mut self.evicted_early);
            if lanes.records >= most {
                lanes.pop(now, &mut self.seen, &mut self.evicted_early);
            }
        }
        if most == 0 {
            return;
        }
        let seen = Seen { sequence, events, time: now, window };
        self.seen.insert(key, seen);
        let lanes = self.sources.entry(source).or_default();
        lanes.lanes.entry(window).or_default().push_back((key, seen));
        lanes.records += 1;
    }

    /// Removes at most `budget` keys that are out of their window or too many of their source's. Whether there may be more.
    pub(super) fn expire(&mut self, now: Millis, most: impl Fn(&str) -> usize, mut budget: usize) -> bool {
        let Self { seen, sources, evicted_early } = self;
        sources.retain(|source, lanes| {
            budget -= lanes.expire(now, most(source), budget, seen, evicted_early);
            lanes.records > 0
        });
        budget == 0
    }

    /// Keys that went by count before their window was over.
    pub(super) fn evicted_early(&self) -> u64 {
        self.evicted_early
    }
}

impl Lanes {
    /// How many went, of `budget` at most.
    fn expire(
        &mut self,
        now: Millis,
        most: usize,
        budget: usize,
        seen: &mut HashMap<DedupeKey, Seen>,
        evicted_early: &mut u64,
    ) -> usize {
        for gone in 0..budget {
            if self.records <= most && !self.next().is_some_and(|(_, seen)| seen.is_over(now)) {
                return gone;
            }
            self.pop(now, seen, evicted_early);
        }
        budget
    }

    /// The record whose window ends first, and its lane; of those that end together the one that came first.
    fn next(&self) -> Option<(Duration, Seen)> {
        let fronts = self.lanes.iter().filter_map(|(&lane, records)| Some((lane, records.front()?.1)));
        fronts.min_by_key(|(lane, seen)| (seen.time.0.saturating_add(millis(*lane)), seen.sequence))
    }

    fn pop(&mut self, now: Millis, seen: &mut HashMap<DedupeKey, Seen>, evicted_early: &mut u64) {
        let Some((lane, _)) = self.next() else { return };
        let Some(records) = self.lanes.get_mut(&lane) else { return };
        let Some((key, oldest)) = records.pop_front() else { return };
        self.records -= 1;
        if records.is_empty() {
            self.lanes.remove(&lane);
        }
        if let Entry::Occupied(entry) = seen.entry(key)
            && entry.get().sequence == oldest.sequence
        {
            entry.remove();
            *evicted_early += u64::from(!oldest.is_over(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);
    const MOST: usize = 3;

    fn key(n: u8) -> DedupeKey {
        DedupeKey([n; 16])
    }

    fn dedupe(n: u8) -> Dedupe {
        Dedupe { key: key(n), window: WINDOW, source: "a".into() }
    }

    impl Table {
        fn records(&self) -> usize {
            self.sources.values().map(|lanes| lanes.records).sum()
        }
    }

    #[test]
    fn no_source_pushes_out_what_another_is_protected_by() {
        let mut table = Table::default();
        table.insert(Dedupe { source: "b".into(), ..dedupe(0) }, 1, 1, Millis(0), MOST);
        for n in 1..100 {
            table.insert(dedupe(n), 1 + u64::from(n), 1, Millis(1), MOST);
        }
        assert!(table.find(&key(0), Millis(99)).is_some(), "it came first, and is another's");
        assert_eq!((table.records(), table.evicted_early()), (1 + MOST, 99 - MOST as u64));
        // A source that has no room any more has its keys forgotten, and its place.
        assert!(!table.expire(Millis(1), |source| if source == "b" { 0 } else { MOST }, 8));
        assert_eq!((table.find(&key(0), Millis(1)), table.sources.len(), table.records()), (None, 1, MOST));
        assert!(!table.expire(Millis(101), |_| MOST, 8));
        assert_eq!((table.seen.len(), table.sources.len()), (0, 0));
    }

    #[test]
    fn a_key_is_known_for_its_window_and_not_longer() {
        let mut table = Table::default();
        table.insert(dedupe(1), 7, 2, Millis(0), MOST);
        table.insert(Dedupe { window: 2 * WINDOW, ..dedupe(3) }, 8, 1, Millis(0), MOST);
        let seen = table.find(&key(1), Millis(99)).unwrap();
        assert_eq!((seen.sequence, seen.events), (7, 2));
        assert_eq!(table.find(&key(1), Millis(100)), None);
        assert_eq!(table.find(&key(2), Millis(0)), None);
        assert!(table.find(&key(3), Millis(199)).is_some() && table.find(&key(3), Millis(200)).is_none());
    }

    #[test]
    fn one_of_a_short_window_goes_though_one_of_a_long_window_came_before_it() {
        let mut table = Table::default();
        table.insert(Dedupe { window: 9 * WINDOW, ..dedupe(1) }, 1, 1, Millis(0), MOST);
        table.insert(dedupe(2), 2, 1, Millis(0), MOST);
        assert!(!table.expire(Millis(100), |_| MOST, 8));
        assert_eq!((table.seen.len(), table.records(), table.sources["a"].lanes.len()), (1, 1, 1));
        // Over the count too, what has the least of its window left is what goes.
        for n in 3..=5 {
            table.insert(dedupe(n), u64::from(n), 1, Millis(100), MOST);
        }
        assert!(table.find(&key(1), Millis(100)).is_some() && table.find(&key(3), Millis(100)).is_none());
        assert_eq!(table.evicted_early(), 1);
    }

    #[test]
    fn the_oldest_goes_by_count_and_that_is_counted() {
        let mut table = Table::default();
        for n in 1..=4 {
            table.insert(dedupe(n), u64::from(n), 1, Millis(0), MOST);
        }
        assert_eq!(table.evicted_early(), 1);
        assert_eq!(table.find(&key(1), Millis(0)), None);
        assert!((2..=4).all(|n| table.find(&key(n), Millis(0)).is_some()));
    }

    #[test]
    fn an_expired_key_that_comes_again_is_remembered_anew() {
        let mut table = Table::default();
        // The clock steps back after key 1, so that key 2 expires while key 1, in front of it, does not.
        table.insert(dedupe(1), 1, 1, Millis(200), MOST);
        table.insert(dedupe(2), 2, 1, Millis(50), MOST);
        assert_eq!(table.find(&key(2), Millis(160)), None);
        table.insert(dedupe(2), 3, 1, Millis(250), MOST);
        // The records of keys 1 and 2 go; the second of key 2 stays.
        assert!(!table.expire(Millis(310), |_| MOST, 8));
        assert_eq!(table.records(), 1);
        assert_eq!(table.find(&key(2), Millis(310)).map(|seen| seen.sequence), Some(3));
    }

    #[test]
    fn a_lowered_count_takes_effect_in_slices() {
        let mut table = Table::default();
        for n in 0..10 {
            table.insert(dedupe(n), u64::from(n), 1, Millis(0), 10);
        }
        assert!(table.expire(Millis(0), |_| 2, 5));
        assert!(!table.expire(Millis(0), |_| 2, 5));
        assert_eq!((table.seen.len(), table.records(), table.evicted_early()), (2, 2, 8));
    }

    #[test]
    fn without_room_nothing_is_remembered_or_counted() {
        let mut table = Table::default();
        table.insert(dedupe(1), 1, 1, Millis(0), 0);
        assert_eq!((table.seen.len(), table.evicted_early()), (0, 0));
    }
}
