//! Streams per holder, for the limits on them: per client address, per subject.
//!
//! A stream has a [`Held`], which is one pointer to what all streams of its holder share: their number. A holder without
//! streams costs nothing.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;

/// Holders with streams. Clones are one.
#[derive(Debug)]
pub struct Holders<K: Eq + Hash>(Arc<DashMap<K, Weak<Holder<K>>>>);

/// Counts one stream under its holder, until it is dropped.
#[derive(Debug)]
pub struct Held<K: Eq + Hash>(Arc<Holder<K>>);

/// What the streams of one holder share. Whoever looks at it has it for a moment, too, so that references to it are no
/// measure of them.
#[derive(Debug)]
struct Holder<K: Eq + Hash> {
    streams: AtomicUsize,
    key: K,
    all: Holders<K>,
}

/// The holder has as many streams as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl<K: Eq + Hash> Clone for Holders<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash> Default for Holders<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Holders<K> {
    /// Counts one more stream of `key`, until what is returned is dropped. Of several at the same time exactly as many get
    /// in as there is room for.
    ///
    /// # Errors
    /// [`TooMany`] when it has `limit` streams.
    pub fn hold(&self, key: K, limit: usize) -> Result<Held<K>, TooMany> {
        let mut entry = self.0.entry(key.clone()).or_default();
        let known = entry.upgrade().unwrap_or_else(|| {
            let holder = Arc::new(Holder { streams: AtomicUsize::new(0), key, all: self.clone() });
            *entry = Arc::downgrade(&holder);
            holder
        });
        // This look at it may be the last by now, and its drop needs the map's lock.
        drop(entry);
        let one_more = |streams: usize| (streams < limit).then_some(streams + 1);
        let counted = known.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map(|_| Held(known)).map_err(|_| TooMany)
    }
}

impl<K: Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K: Eq + Hash> Drop for Holder<K> {
    fn drop(&mut self) {
        // Unless another stream of this holder came in between and has a new entry.
        self.all.0.remove_if(&self.key, |_, holder| holder.strong_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_has_so_many_streams_and_then_no_more_until_one_ends() {
        let holders = Holders::default();
        let (one, two) = ("one", "two");
        let first = holders.hold(one, 2).unwrap();
        let second = holders.hold(one, 2).unwrap();
        assert_eq!(holders.hold(one, 2).unwrap_err(), TooMany);
        let other = holders.hold(two, 2).unwrap();
        drop(first);
        let third = holders.hold(one, 2).unwrap();
        assert_eq!(holders.hold(one, 2).unwrap_err(), TooMany);
        drop((second, third, other));
        assert!(holders.0.is_empty());
    }

    #[test]
    fn of_those_that_come_at_once_as_many_get_in_as_there_is_room_for() {
        const ROUNDS: usize = 2000;
        let holders = Holders::default();
        let (begin, end) = (std::sync::Barrier::new(4), std::sync::Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        begin.wait();
                        // Each at the edge of the limit, and each ends at once: nobody is in another's way for longer than
                        // its stream is there.
                        let held = holders.hold("one", 4);
                        assert!(held.is_ok(), "four have room");
                        end.wait();
                    }
                });
            }
        });
        let held: Vec<_> = (0..3).map(|_| holders.hold("one", 4).unwrap()).collect();
        for _ in 0..ROUNDS {
            let got = std::thread::scope(|scope| {
                let tries = [(); 2].map(|()| scope.spawn(|| holders.hold("one", 4)));
                tries.map(|thread| thread.join().unwrap())
            });
            assert_eq!(got.iter().filter(|held| held.is_ok()).count(), 1, "for one there is room");
        }
        drop(held);
        assert!(holders.0.is_empty());
    }
}
