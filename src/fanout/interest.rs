//! Who listens to what: the interest map. Topics by name are looked up, however many one subscription names; what patterns
//! match is found in a [`Matcher`], at the cost of those that share the topic's beginning. A name that one of its own
//! subscription's patterns matches is left to that, so that a subscription is found once.
//!
//! Written when a subscription begins or ends, read once per event. A lock, of the `DashMap`'s shard or of the patterns, is
//! held for a look-up or a small update, never across an await, a write to a socket or a callback. While nobody
//! subscribes to a pattern, the patterns' lock is not taken at all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dashmap::DashMap;
use slab::Slab;

use super::matcher::Matcher;
use crate::event::{Selector, Topic};

/// Shards at most: one bit each in a [`Listeners`].
pub const MAX_SHARDS: usize = 64;

/// The set of shards that listen to a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listeners(u64);

impl Listeners {
    /// Every shard.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether shard `index` is in the set.
    #[must_use]
    pub fn contains(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Subscriptions of one selector, by shard.
#[derive(Debug)]
struct Count {
    listeners: Listeners,
    by_shard: Box<[u32]>,
}

impl Count {
    fn new(shards: usize) -> Self {
        Self { listeners: Listeners::default(), by_shard: vec![0; shards].into_boxed_slice() }
    }

    fn join(&mut self, shard: usize) {
        self.by_shard[shard] += 1;
        self.listeners.0 |= 1 << shard;
    }

    fn leave(&mut self, shard: usize) {
        self.by_shard[shard] = self.by_shard[shard].saturating_sub(1);
        if self.by_shard[shard] == 0 {
            self.listeners.0 &= !(1 << shard);
        }
    }

    fn is_empty(&self) -> bool {
        self.listeners == Listeners::default()
    }

    fn total(&self) -> u64 {
        self.by_shard.iter().map(|&n| u64::from(n)).sum()
    }
}

/// Patterns, by what of them one subscription has.
#[derive(Debug, Default)]
struct Patterns {
    keys: HashMap<Selector, u32>,
    counts: Slab<Count>,
    matcher: Matcher<u32>,
}

/// The interest map.
pub struct Interest {
    topics: DashMap<Topic, Count>,
    patterns: RwLock<Patterns>,
    /// Selectors in `patterns`. Raised before a joining subscription takes its position, like everything here.
    selectors: AtomicUsize,
    shards: usize,
}

impl Interest {
    /// An empty map for `shards` shards, at most [`MAX_SHARDS`].
    #[must_use]
    pub fn new(shards: usize) -> Self {
        assert!((1..=MAX_SHARDS).contains(&shards), "a shard is a bit");
        Self { topics: DashMap::new(), patterns: RwLock::default(), selectors: AtomicUsize::new(0), shards }
    }

    /// A subscription begins on `shard`. To be called before the subscription's position is taken from the log's head:
    /// then an event is either before that position or finds the shard in the map.
    pub fn join(&self, selector: &Selector, shard: usize) {
        let Selector::Topic(topic) = selector else {
            let (names, patterns) = selector.parts();
            for name in &names {
                self.join_topic(name, shard);
            }
            return patterns.iter().for_each(|patterns| self.join_patterns(patterns, shard));
        };
        self.join_topic(topic, shard);
    }

    /// A subscription that joined ends.
    pub fn leave(&self, selector: &Selector, shard: usize) {
        let Selector::Topic(topic) = selector else {
            let (names, patterns) = selector.parts();
            for name in &names {
                self.leave_topic(name, shard);
            }
            return patterns.iter().for_each(|patterns| self.leave_patterns(patterns, shard));
        };
        self.leave_topic(topic, shard);
    }

    fn join_topic(&self, topic: &Topic, shard: usize) {
        self.topics.entry(topic.clone()).or_insert_with(|| Count::new(self.shards)).join(shard);
    }

    fn leave_topic(&self, topic: &Topic, shard: usize) {
        let emptied = self.topics.get_mut(topic).is_some_and(|mut count| {
            count.leave(shard);
            count.is_empty()
        });
        if emptied {
            self.topics.remove_if(topic, |_, count| count.is_empty());
        }
    }

    fn join_patterns(&self, selector: &Selector, shard: usize) {
        let mut patterns = self.write();
        let Patterns { keys, counts, matcher } = &mut *patterns;
        let key = *keys.entry(selector.clone()).or_insert_with(|| {
            let key = counts.insert(Count::new(self.shards)) as u32;
            matcher.insert(selector, key);
            key
        });
        counts[key as usize].join(shard);
        self.selectors.store(counts.len(), Ordering::SeqCst);
    }

    fn leave_patterns(&self, selector: &Selector, shard: usize) {
        let mut patterns = self.write();
        let Some(&key) = patterns.keys.get(selector) else { return };
        let count = &mut patterns.counts[key as usize];
        count.leave(shard);
        if count.is_empty() {
            patterns.counts.remove(key as usize);
            patterns.keys.remove(selector);
            patterns.matcher.remove(selector, key);
            self.selectors.store(patterns.counts.len(), Ordering::SeqCst);
        }
    }

    /// The shards that listen to `topic`.
    #[must_use]
    pub fn listeners(&self, topic: &Topic) -> Listeners {
        let mut listeners = self.topics.get(topic).map_or(Listeners::default(), |count| count.listeners);
        if let Some(patterns) = self.patterns() {
            let counts = &patterns.counts;
            patterns.matcher.each(topic, |key| listeners = listeners.union(counts[key as usize].listeners));
        }
        listeners
    }

    /// Subscriptions on this instance that match `topic`.
    #[must_use]
    pub fn subscribers(&self, topic: &Topic) -> u64 {
        let named = self.topics.get(topic).map_or(0, |count| count.total());
        let Some(patterns) = self.patterns() else { return named };
        let mut found = Vec::new();
        patterns.matcher.matches(topic, &mut found);
        named + found.iter().map(|&key| patterns.counts[key as usize].total()).sum::<u64>()
    }

    /// The patterns, if there are any.
    fn patterns(&self) -> Option<RwLockReadGuard<'_, Patterns>> {
        let any = self.selectors.load(Ordering::SeqCst) > 0;
        any.then(|| self.patterns.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Patterns> {
        self.patterns.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pattern;

    #[test]
    fn a_topic_is_there_exactly_while_somebody_listens() {
        let interest = Interest::new(2);
        let topic = Topic::parse("orders").unwrap();
        let selector = Selector::Topic(topic.clone());
        assert_eq!(interest.subscribers(&topic), 0);
        interest.join(&selector, 0);
        interest.join(&selector, 1);
        interest.join(&selector, 1);
        assert_eq!(interest.subscribers(&topic), 3);
        assert!(interest.listeners(&topic).contains(0) && interest.listeners(&topic).contains(1));
        interest.leave(&selector, 0);
        assert!(!interest.listeners(&topic).contains(0));
        interest.leave(&selector, 1);
        assert!(interest.listeners(&topic).contains(1));
        interest.leave(&selector, 1);
        assert_eq!(interest.subscribers(&topic), 0);
        assert!(interest.topics.is_empty());
    }

    #[test]
    fn names_are_looked_up_however_many_one_subscription_has() {
        let interest = Interest::new(2);
        let of = |texts: &[&str]| Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect());
        let topic = |name: &str| Topic::parse(name).unwrap();
        let two = |n: usize| of(&[&format!("users.{n}"), "org.1"]);
        (0..100).for_each(|n| interest.join(&two(n), n % 2));
        assert!(interest.patterns().is_none(), "nothing is matched");
        assert_eq!(interest.subscribers(&topic("org.1")), 100);
        assert_eq!(interest.subscribers(&topic("users.7")), 1);
        assert!(interest.listeners(&topic("users.7")).contains(1));
        assert!(!interest.listeners(&topic("users.7")).contains(0));
        (0..100).for_each(|n| interest.leave(&two(n), n % 2));
        assert!(interest.topics.is_empty());
    }

    #[test]
    fn a_subscription_counts_once_however_many_of_its_patterns_match() {
        let interest = Interest::new(2);
        let of = |texts: &[&str]| Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect());
        let topic = |name| Topic::parse(name).unwrap();
        let both = of(&["orders.*", "orders.**"]);
        interest.join(&both, 1);
        interest.join(&of(&["orders.7", "users.*"]), 0);
        interest.join(&of(&["orders.7"]), 0);
        assert_eq!(interest.subscribers(&topic("orders.7")), 3);
        assert_eq!(interest.subscribers(&topic("users.1")), 1);
        assert!(interest.listeners(&topic("orders.8")).contains(1));
        assert!(!interest.listeners(&topic("users.1")).contains(1));
        interest.leave(&both, 1);
        assert_eq!(interest.subscribers(&topic("orders.8")), 0);
        interest.leave(&of(&["orders.7", "users.*"]), 0);
        interest.leave(&of(&["orders.7"]), 0);
        assert!(interest.write().matcher.is_empty() && interest.patterns().is_none());
        assert!(interest.topics.is_empty());
    }
}
