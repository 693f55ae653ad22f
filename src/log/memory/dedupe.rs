//! The keys of recent deliveries, first in, first out, bounded by count and by time.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::event::{DedupeKey, Millis};
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
}

/// How long and how many keys are remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// How long.
    pub time: Duration,
    /// How many at most.
    pub keys: usize,
}

/// The table. Keys are digests, but of what a sender chose: the map's hasher is the keyed one.
#[derive(Debug, Default)]
pub(super) struct Dedupe {
    seen: HashMap<DedupeKey, Seen>,
    /// In the order they came. One whose sequence number is not its key's any more was replaced after its time.
    order: VecDeque<(DedupeKey, Seen)>,
    evicted_early: u64,
}

impl Dedupe {
    /// The delivery of this key, if it is within the window.
    pub(super) fn find(&self, key: &DedupeKey, now: Millis, window: Window) -> Option<Seen> {
        self.seen.get(key).filter(|seen| age(seen.time, now) < millis(window.time)).copied()
    }

    /// Remembers a key that [`Self::find`] did not find.
    pub(super) fn insert(&mut self, key: DedupeKey, sequence: u64, events: u32, now: Millis, window: Window) {
        self.expire(now, window, EXPIRE_PER_INSERT);
        if window.keys == 0 {
            return;
        }
        if self.order.len() >= window.keys {
            self.pop(now, window);
        }
        let seen = Seen { sequence, events, time: now };
        self.seen.insert(key, seen);
        self.order.push_back((key, seen));
    }

    /// Removes at most `budget` keys that are out of the window or too many. Whether there may be more.
    pub(super) fn expire(&mut self, now: Millis, window: Window, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((_, seen)) = self.order.front() else { return false };
            let stale = age(seen.time, now) >= millis(window.time);
            if !stale && self.order.len() <= window.keys {
                return false;
            }
            self.pop(now, window);
        }
        true
    }

    /// Keys that went by count before their window was over.
    pub(super) fn evicted_early(&self) -> u64 {
        self.evicted_early
    }

    fn pop(&mut self, now: Millis, window: Window) {
        let Some((key, oldest)) = self.order.pop_front() else { return };
        if let Entry::Occupied(entry) = self.seen.entry(key)
            && entry.get().sequence == oldest.sequence
        {
            entry.remove();
            self.evicted_early += u64::from(age(oldest.time, now) < millis(window.time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { time: Duration::from_millis(100), keys: 3 };

    fn key(n: u8) -> DedupeKey {
        DedupeKey([n; 16])
    }

    #[test]
    fn a_key_is_known_for_its_window_and_not_longer() {
        let mut dedupe = Dedupe::default();
        dedupe.insert(key(1), 7, 2, Millis(0), WINDOW);
        let seen = dedupe.find(&key(1), Millis(99), WINDOW).unwrap();
        assert_eq!((seen.sequence, seen.events), (7, 2));
        assert_eq!(dedupe.find(&key(1), Millis(100), WINDOW), None);
        assert_eq!(dedupe.find(&key(2), Millis(0), WINDOW), None);
    }

    #[test]
    fn the_oldest_goes_by_count_and_that_is_counted() {
        let mut dedupe = Dedupe::default();
        for n in 1..=4 {
            dedupe.insert(key(n), u64::from(n), 1, Millis(0), WINDOW);
        }
        assert_eq!(dedupe.evicted_early(), 1);
        assert_eq!(dedupe.find(&key(1), Millis(0), WINDOW), None);
        assert!((2..=4).all(|n| dedupe.find(&key(n), Millis(0), WINDOW).is_some()));
    }

    #[test]
    fn an_expired_key_that_comes_again_is_remembered_anew() {
        let mut dedupe = Dedupe::default();
        // The clock steps back after key 1, so that key 2 expires while key 1, in front of it, does not.
        dedupe.insert(key(1), 1, 1, Millis(200), WINDOW);
        dedupe.insert(key(2), 2, 1, Millis(50), WINDOW);
        assert_eq!(dedupe.find(&key(2), Millis(160), WINDOW), None);
        dedupe.insert(key(2), 3, 1, Millis(250), WINDOW);
        // The records of keys 1 and 2 go; the second of key 2 stays.
        assert!(!dedupe.expire(Millis(310), WINDOW, 8));
        assert_eq!(dedupe.order.len(), 1);
        assert_eq!(dedupe.find(&key(2), Millis(310), WINDOW).map(|seen| seen.sequence), Some(3));
    }

    #[test]
    fn a_lowered_count_takes_effect_in_slices() {
        let mut dedupe = Dedupe::default();
        let wide = Window { keys: 10, ..WINDOW };
        for n in 0..10 {
            dedupe.insert(key(n), u64::from(n), 1, Millis(0), wide);
        }
        let narrow = Window { keys: 2, ..WINDOW };
        assert!(dedupe.expire(Millis(0), narrow, 5));
        assert!(!dedupe.expire(Millis(0), narrow, 5));
        assert_eq!((dedupe.seen.len(), dedupe.order.len(), dedupe.evicted_early()), (2, 2, 8));
    }

    #[test]
    fn without_room_nothing_is_remembered_or_counted() {
        let mut dedupe = Dedupe::default();
        dedupe.insert(key(1), 1, 1, Millis(0), Window { keys: 0, ..WINDOW });
        assert_eq!((dedupe.seen.len(), dedupe.evicted_early()), (0, 0));
    }
}
