//! Who listens to what: the interest map, by topic.
//!
//! Written when a subscription begins or ends, read once per event. A `DashMap` shard's lock is held for a look-up or a
//! small update, never across an await, a write to a socket or a callback.

use dashmap::DashMap;

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

/// Subscriptions of one topic, by shard.
struct Count {
    listeners: Listeners,
    by_shard: Box<[u32]>,
}

/// The interest map.
pub struct Interest {
    topics: DashMap<Topic, Count>,
    shards: usize,
}

impl Interest {
    /// An empty map for `shards` shards, at most [`MAX_SHARDS`].
    #[must_use]
    pub fn new(shards: usize) -> Self {
        assert!((1..=MAX_SHARDS).contains(&shards), "a shard is a bit");
        Self { topics: DashMap::new(), shards }
    }

    /// A subscription begins on `shard`. To be called before the subscription's position is taken from the log's head:
    /// then an event is either before that position or finds the shard in the map.
    pub fn join(&self, selector: &Selector, shard: usize) {
        for topic in named(selector) {
            let mut count = self.topics.entry(topic.clone()).or_insert_with(|| Count {
                listeners: Listeners::default(),
                by_shard: vec![0; self.shards].into_boxed_slice(),
            });
            count.by_shard[shard] += 1;
            count.listeners.0 |= 1 << shard;
        }
    }

    /// A subscription that joined ends.
    pub fn leave(&self, selector: &Selector, shard: usize) {
        for topic in named(selector) {
            let emptied = self.topics.get_mut(topic).is_some_and(|mut count| {
                count.by_shard[shard] = count.by_shard[shard].saturating_sub(1);
                if count.by_shard[shard] == 0 {
                    count.listeners.0 &= !(1 << shard);
                }
                count.listeners == Listeners::default()
            });
            if emptied {
                self.topics.remove_if(topic, |_, count| count.listeners == Listeners::default());
            }
        }
    }

    /// The shards that listen to `topic`.
    #[must_use]
    pub fn listeners(&self, topic: &Topic) -> Listeners {
        self.topics.get(topic).map_or(Listeners::default(), |count| count.listeners)
    }

    /// Subscriptions on this instance that match `topic`.
    #[must_use]
    pub fn subscribers(&self, topic: &Topic) -> u64 {
        self.topics.get(topic).map_or(0, |count| count.by_shard.iter().map(|&n| u64::from(n)).sum())
    }
}

fn named(selector: &Selector) -> impl Iterator<Item = &Topic> {
    match selector {
        Selector::Topic(topic) => Some(topic).into_iter(),
        // No subscription has patterns yet: the edge admits one topic per connection.
        Selector::Patterns(_) => None.into_iter(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
