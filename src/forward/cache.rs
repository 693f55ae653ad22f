//! Admissions that count for a while. Refusals are not kept: a page that renews its session and asks again at once with the
//! same cookie must not meet the no of before, after which a browser's `EventSource` never comes back.
//!
//! Bounded in entries, bytes and time. What is oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{KEPT, KEPT_BYTES};
use super::request::Key;
use crate::auth::AppWord;
use crate::event::Millis;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Cache {
    words: HashMap<Key, Kept>,
    /// All that were kept, by age; of those that were replaced, the older too.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

struct Kept {
    word: AppWord,
    since: Instant,
    bytes: usize,
}

/// What one takes besides its patterns: its places in both tables, rounded up.
const ENTRY_BYTES: usize = 256;
/// What a pattern takes besides its text.
const PATTERN_BYTES: usize = 32;

impl Cache {
    /// The word kept under `key`, if it is younger than `life` and does not say itself that it is over.
    pub fn get(&self, key: &Key, life: Duration, now: Instant, clock: Millis) -> Option<AppWord> {
        let kept = self.words.get(key)?;
        let young = now.saturating_duration_since(kept.since) < life;
        (young && kept.word.expires.is_none_or(|end| end > clock)).then(|| kept.word.clone())
    }

    /// Keeps a word. What is older than `life`, or too much, goes.
    pub fn keep(&mut self, key: Key, word: &AppWord, life: Duration, now: Instant) {
        let patterns = word.allowed.iter().flat_map(|patterns| patterns.iter());
        let texts: usize = patterns.map(|pattern| pattern.as_str().len() + PATTERN_BYTES).sum();
        let kept = Kept { word: word.clone(), since: now, bytes: ENTRY_BYTES + texts };
        self.bytes += kept.bytes;
        if let Some(old) = self.words.insert(key, kept) {
            self.bytes -= old.bytes;
        }
        self.order.push_back((now, key));
        let old = |since: Instant| now.saturating_duration_since(since) >= life;
        while let Some((since, _)) = self.order.front()
            && (old(*since) || self.order.len() > KEPT || self.bytes > KEPT_BYTES)
        {
            self.forget_oldest();
        }
    }

    /// Drops all: nothing is to be kept any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_oldest(&mut self) {
        let Some((since, key)) = self.order.pop_front() else { return };
        // One that was replaced has its younger place in the order too.
        if self.words.get(&key).is_some_and(|kept| kept.since == since) {
            self.bytes -= self.words.remove(&key).map_or(0, |kept| kept.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Pattern;

    const LIFE: Duration = Duration::from_secs(10);

    fn key(n: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    fn word(patterns: usize) -> AppWord {
        let pattern = Pattern::parse(&"a".repeat(200)).unwrap();
        AppWord { allowed: Some(vec![pattern; patterns].into()), expires: None }
    }

    #[test]
    fn a_word_counts_for_its_time_and_not_beyond_its_own_end() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let ends = AppWord { allowed: None, expires: Some(Millis(5)) };
        cache.keep(key(1), &AppWord::default(), LIFE, start);
        cache.keep(key(2), &ends, LIFE, start);
        let get = |n, life, after, clock| cache.get(&key(n), life, start + after, Millis(clock));
        let moment = Duration::from_millis(1);
        assert_eq!(get(1, LIFE, LIFE - moment, 0), Some(AppWord::default()));
        assert_eq!(get(1, LIFE, LIFE, 0), None);
        assert_eq!(get(1, LIFE / 2, LIFE / 2, 0), None, "a reload shortened it");
        assert_eq!((get(2, LIFE, moment, 4), get(2, LIFE, moment, 5)), (Some(ends), None));
        assert_eq!(get(3, LIFE, moment, 0), None);
    }

    #[test]
    fn what_is_too_old_is_forgotten_when_another_comes() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.keep(key(1), &word(3), LIFE, start);
        cache.keep(key(2), &word(1), LIFE, start + LIFE);
        assert_eq!((cache.words.len(), cache.order.len()), (1, 1));
        assert!(!cache.is_empty());
        cache.clear();
        assert_eq!((cache.is_empty(), cache.bytes), (true, 0));
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_the_oldest_goes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for n in 0..KEPT + 10 {
            cache.keep(key(n), &AppWord::default(), LIFE, now);
        }
        assert_eq!((cache.words.len(), cache.order.len()), (KEPT, KEPT));
        assert!(cache.get(&key(9), LIFE, now, Millis(0)).is_none());
        assert!(cache.get(&key(10), LIFE, now, Millis(0)).is_some());
        for n in 0..1000 {
            cache.keep(key(n), &word(100), LIFE, now);
            assert!(cache.bytes <= KEPT_BYTES && cache.get(&key(n), LIFE, now, Millis(0)).is_some());
        }
        // The same one again and again.
        for _ in 0..2 * KEPT {
            cache.keep(key(0), &AppWord::default(), LIFE, now);
        }
        assert!(cache.order.len() <= KEPT);
    }

    proptest! {
        /// Against a list of all that was ever kept.
        #[test]
        fn nothing_is_given_that_was_not_kept_or_is_too_old(
            steps in proptest::collection::vec((0usize..6, 0usize..4, 0u64..4, any::<bool>()), 0..80),
        ) {
            let (mut cache, start) = (Cache::default(), Instant::now());
            let (mut model, mut after) = (Vec::<(usize, usize, u64)>::new(), 0);
            for (n, patterns, wait, keeps) in steps {
                after += wait;
                let now = start + Duration::from_secs(after);
                if keeps {
                    cache.keep(key(n), &word(patterns), LIFE, now);
                    model.retain(|(other, ..)| *other != n);
                    model.push((n, patterns, after));
                }
                let young = model.iter().find(|(other, _, at)| *other == n && after - at < LIFE.as_secs());
                let expected = young.map(|(_, patterns, _)| word(*patterns));
                prop_assert_eq!(cache.get(&key(n), LIFE, now, Millis(0)), expected);
                prop_assert_eq!(cache.bytes, cache.words.values().map(|kept| kept.bytes).sum::<usize>());
            }
        }
    }
}
