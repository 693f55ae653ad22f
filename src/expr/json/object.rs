//! A map of JSON: unique keys in order, found by a scan where they are few and by their digests where they are many.
//!
//! Most maps of a body nobody looks into, so that nothing is made of them when they are read: not even whether their keys
//! differ is known before somebody asks.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, OnceLock};

use super::Json;

/// Entries up to which a scan is as fast as anything.
const FEW: usize = 16;

/// Keyed for this process, so that no sender can choose keys of equal digests.
static DIGESTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

type Entry<'a> = (Cow<'a, str>, Json<'a>);

/// A map of JSON. Of equal keys the first says the place, and the last the value.
pub(in super::super) struct Object<'a> {
    /// As they were written.
    entries: Box<[Entry<'a>]>,
    /// Made by the first who needs it.
    index: OnceLock<Box<Index>>,
}

struct Index {
    /// With more than [`FEW`] entries: half of each key's digest, then the place of its last entry; sorted. Else empty.
    digests: Box<[u64]>,
    /// Of each key its first place and its last, in the order of the first. None where all keys differ.
    order: Option<Box<[(u32, u32)]>>,
}

impl<'a> Object<'a> {
    pub(in super::super) fn new(entries: Box<[Entry<'a>]>) -> Self {
        Self { entries, index: OnceLock::new() }
    }

    pub(in super::super) fn len(&self) -> usize {
        self.index().order.as_ref().map_or(self.entries.len(), |order| order.len())
    }

    pub(in super::super) fn get(&self, key: &str) -> Option<&Json<'a>> {
        if self.entries.len() <= FEW {
            return self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
        }
        let (digests, digest) = (&self.index().digests, digest(key));
        let from = digests.partition_point(|entry| entry >> 32 < digest);
        digests[from..]
            .iter()
            .take_while(|entry| **entry >> 32 == digest)
            .map(|entry| &self.entries[place(*entry)])
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        let order = self.index().order.as_deref();
        (0..self.len()).map(move |n| {
            let (first, last) = order.map_or((n, n), |order| (order[n].0 as usize, order[n].1 as usize));
            (&*self.entries[first].0, &self.entries[last].1)
        })
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Box::new(Index::of(&self.entries)))
    }
}

impl Index {
    fn of(entries: &[Entry<'_>]) -> Self {
        if entries.len() <= FEW {
            let differ =
                (1..entries.len()).all(|at| entries[..at].iter().all(|(key, _)| *key != entries[at].0));
            return Self { digests: Box::default(), order: (!differ).then(|| order(entries)) };
        }
        let all = digests(entries, 0..entries.len());
        if all.windows(2).all(|pair| pair[0] >> 32 != pair[1] >> 32) {
            return Self { digests: all, order: None };
        }
        // Keys of one digest are equal, but for one pair in 2³²; so this is rare, and by comparing whole keys exact.
        let order = order(entries);
        let digests = digests(entries, order.iter().map(|(_, last)| *last as usize));
        Self { digests, order: Some(order) }
    }
}

fn digest(key: &str) -> u64 {
    DIGESTS.hash_one(key) >> 32
}

fn place(entry: u64) -> usize {
    (entry & u64::from(u32::MAX)) as usize
}

// A body has far fewer than 2³² keys: a key takes four bytes of it, and a body's cap is far below 16 GiB.

fn digests(entries: &[Entry<'_>], places: impl Iterator<Item = usize>) -> Box<[u64]> {
    let mut digests: Box<[u64]> = places.map(|at| digest(&entries[at].0) << 32 | at as u64).collect();
    digests.sort_unstable();
    digests
}

/// First and last place of each key, in the order of the first.
fn order(entries: &[Entry<'_>]) -> Box<[(u32, u32)]> {
    let mut by_key: Vec<usize> = (0..entries.len()).collect();
    // Stable, so that the places of equal keys ascend.
    by_key.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
    let same = by_key.chunk_by(|a, b| entries[*a].0 == entries[*b].0);
    let mut order: Box<[(u32, u32)]> =
        same.map(|same| (same[0] as u32, same[same.len() - 1] as u32)).collect();
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list that is searched from its end.
        #[test]
        fn the_last_of_equal_keys_counts_at_the_place_of_the_first(
            keys in proptest::collection::vec("[a-d]{0,2}|[a-z]{3}", 0..60),
        ) {
            let entries = keys.iter().enumerate().map(|(n, key)| (Cow::from(key.clone()), Json::Uint(n as u64)));
            let object = Object::new(entries.collect());
            let mut want: Vec<(&str, usize)> = Vec::new();
            for (n, key) in keys.iter().enumerate() {
                match want.iter_mut().find(|(name, _)| name == key) {
                    Some(entry) => entry.1 = n,
                    None => want.push((key, n)),
                }
            }
            let number = |json: &Json<'_>| if let Json::Uint(n) = json { *n as usize } else { usize::MAX };
            let got: Vec<(&str, usize)> = object.iter().map(|(key, value)| (key, number(value))).collect();
            prop_assert_eq!(&got, &want);
            prop_assert_eq!(object.len(), want.len());
            for (key, n) in want {
                prop_assert_eq!(object.get(key).map(number), Some(n));
            }
            prop_assert!(object.get("not there").is_none());
        }
    }
}
