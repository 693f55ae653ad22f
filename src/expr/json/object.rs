//! A map of JSON: unique keys in order, found by a scan where they are few and by their digests where they are many.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use super::Json;

/// Entries up to which a scan is as fast as anything.
const FEW: usize = 16;

/// Keyed for this process, so that no sender can choose keys of equal digests.
static DIGESTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A map of JSON.
pub(in super::super) struct Object<'a> {
    entries: Box<[(Cow<'a, str>, Json<'a>)]>,
    /// With more than [`FEW`] entries: half of each key's digest, then its place in `entries`; sorted. Else empty.
    index: Box<[u64]>,
}

impl<'a> Object<'a> {
    /// Of equal keys the first keeps its place, and the last its value.
    pub(in super::super) fn new(mut entries: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        if entries.len() <= FEW {
            let mut kept = 0;
            for at in 0..entries.len() {
                if let Some(first) = entries[..kept].iter().position(|(key, _)| *key == entries[at].0) {
                    let (head, tail) = entries.split_at_mut(at);
                    std::mem::swap(&mut head[first].1, &mut tail[0].1);
                } else {
                    entries.swap(kept, at);
                    kept += 1;
                }
            }
            entries.truncate(kept);
            return Self { entries: entries.into(), index: Box::default() };
        }
        let mut index = index(&entries);
        if drop_doubles(&mut entries, &index) {
            index = self::index(&entries);
        }
        Self { entries: entries.into(), index: index.into() }
    }

    pub(in super::super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(in super::super) fn get(&self, key: &str) -> Option<&Json<'a>> {
        if self.index.is_empty() {
            return self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        }
        let digest = digest(key);
        let from = self.index.partition_point(|entry| entry >> 32 < digest);
        self.index[from..]
            .iter()
            .take_while(|entry| **entry >> 32 == digest)
            .map(|entry| &self.entries[place(*entry)])
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }
}

fn digest(key: &str) -> u64 {
    DIGESTS.hash_one(key) >> 32
}

fn place(entry: u64) -> usize {
    (entry & u64::from(u32::MAX)) as usize
}

fn index(entries: &[(Cow<'_, str>, Json<'_>)]) -> Vec<u64> {
    // A body has far fewer than 2³² keys: a key takes four bytes of it, and a body's cap is far below 16 GiB.
    let mut index: Vec<u64> =
        entries.iter().enumerate().map(|(at, (key, _))| digest(key) << 32 | at as u64).collect();
    index.sort_unstable();
    index
}

/// Takes out all but the first of equal keys, and gives that the last one's value. Says whether there were any.
fn drop_doubles<'a>(entries: &mut Vec<(Cow<'a, str>, Json<'a>)>, index: &[u64]) -> bool {
    if index.windows(2).all(|pair| pair[0] >> 32 != pair[1] >> 32) {
        return false;
    }
    // Keys of one digest are equal, but for one pair in 2³²; so this is rare, and by comparing whole keys exact.
    let mut by_key: Vec<usize> = (0..entries.len()).collect();
    by_key.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
    let mut gone = vec![false; entries.len()];
    for same in by_key.chunk_by(|a, b| entries[*a].0 == entries[*b].0).filter(|same| same.len() > 1) {
        for place in &same[1..] {
            gone[*place] = true;
        }
    }
    let lasts: Vec<(usize, usize)> = by_key
        .chunk_by(|a, b| entries[*a].0 == entries[*b].0)
        .filter(|same| same.len() > 1)
        .map(|same| (same[0], same[same.len() - 1]))
        .collect();
    for (first, last) in lasts {
        let value = std::mem::replace(&mut entries[last].1, Json::Null);
        entries[first].1 = value;
    }
    let mut gone = gone.into_iter();
    entries.retain(|_| !gone.next().unwrap_or(false));
    true
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
