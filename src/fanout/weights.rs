//! What subscriptions take in memory beside their connections, and who may take how much of it.
//!
//! A stream of one topic costs a connection, and no more. Whoever names several topics, patterns or types makes the maps
//! grow that events are looked up in: by as much as it likes, within what a query may hold. So all of it is counted in
//! bytes, once for all who subscribe to the same on one shard, against a total that grows with the connections that there may
//! be; and no address may be the first to ask for more than a part of that, so that one alone keeps nobody else out.
//! Those who wait for a page of history count as well, each for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{NAME_BYTES, PATTERN_TOKEN_BYTES, SHARE, TYPE_BYTES};
use crate::event::{EventType, Filter, Selector, Subscription};
use crate::network::Network;

/// See the module's documentation. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Weights(Arc<Mutex<Scale>>);

#[derive(Debug, Default)]
struct Scale {
    total: usize,
    /// What there are streams of, by shard.
    streams: HashMap<(Arc<Subscription>, usize), Known>,
    /// Bytes that each address has brought.
    by_address: HashMap<Network, usize>,
}

/// A subscription that somebody has brought, and that some have.
#[derive(Debug)]
struct Known {
    load: Load,
    streams: usize,
}

/// Bytes, and who has brought them.
#[derive(Clone, Copy, Debug)]
struct Load {
    bytes: usize,
    from: Option<Network>,
}

/// There is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooHeavy;

/// Holds what one subscription takes, until it is dropped.
#[derive(Debug)]
pub struct Weight {
    weights: Weights,
    load: Load,
}

impl Weights {
    /// A stream of this subscription begins on `shard`. `most` is how many bytes all may take.
    ///
    /// # Errors
    /// [`TooHeavy`] when nobody has it there yet and there is no room for it.
    pub fn join(
        &self,
        subscription: &Arc<Subscription>,
        shard: usize,
        from: Option<IpAddr>,
        most: usize,
    ) -> Result<(), TooHeavy> {
        let bytes = weight(subscription);
        if bytes == 0 {
            return Ok(());
        }
        let mut scale = self.lock();
        let key = (Arc::clone(subscription), shard);
        if let Some(known) = scale.streams.get_mut(&key) {
            known.streams += 1;
            return Ok(());
        }
        let load = Load { bytes, from: from.map(Network::from) };
        scale.load(load, most)?;
        scale.streams.insert(key, Known { load, streams: 1 });
        Ok(())
    }

    /// A stream that joined ends.
    pub fn leave(&self, subscription: &Arc<Subscription>, shard: usize) {
        if weight(subscription) == 0 {
            return;
        }
        let mut scale = self.lock();
        let key = (Arc::clone(subscription), shard);
        let Some(known) = scale.streams.get_mut(&key) else { return };
        known.streams -= 1;
        if known.streams == 0 {
            let load = known.load;
            scale.streams.remove(&key);
            scale.unload(load);
        }
    }

    /// Somebody holds this subscription for itself, until what is returned is dropped.
    ///
    /// # Errors
    /// [`TooHeavy`] when there is no room for it.
    pub fn hold(
        &self,
        subscription: &Subscription,
        from: Option<IpAddr>,
        most: usize,
    ) -> Result<Weight, TooHeavy> {
        let load = Load { bytes: weight(subscription), from: from.map(Network::from) };
        if load.bytes > 0 {
            self.lock().load(load, most)?;
        }
        Ok(Weight { weights: self.clone(), load })
    }

    fn lock(&self) -> MutexGuard<'_, Scale> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        if self.load.bytes > 0 {
            self.weights.lock().unload(self.load);
        }
    }
}

impl Scale {
    fn load(&mut self, load: Load, most: usize) -> Result<(), TooHeavy> {
        let Load { bytes, from } = load;
        let brought = from.and_then(|from| self.by_address.get(&from)).copied().unwrap_or_default() + bytes;
        if self.total + bytes > most || from.is_some() && brought > most / SHARE {
            return Err(TooHeavy);
        }
        self.total += bytes;
        if let Some(from) = from {
            self.by_address.insert(from, brought);
        }
        Ok(())
    }

    fn unload(&mut self, Load { bytes, from }: Load) {
        self.total -= bytes;
        let Some(from) = from else { return };
        let Some(brought) = self.by_address.get_mut(&from) else { return };
        *brought -= bytes;
        if *brought == 0 {
            self.by_address.remove(&from);
        }
    }
}

/// Bytes that a subscription takes, in the interest map and on its shard, with its own text. Nothing when it is one topic and
/// all types, which a connection's own cost covers.
fn weight(subscription: &Subscription) -> usize {
    let topics = match &subscription.selector {
        Selector::Topic(_) => 0,
        Selector::Patterns(patterns) => patterns.iter().map(|pattern| of_pattern(pattern.as_str())).sum(),
    };
    let types = match &subscription.filter {
        Filter::All => 0,
        Filter::Types(types) => types.iter().map(EventType::as_str).map(|name| TYPE_BYTES + name.len()).sum(),
    };
    topics + types
}

fn of_pattern(pattern: &str) -> usize {
    if pattern.contains('*') {
        2 * PATTERN_TOKEN_BYTES * pattern.split('.').count() + pattern.len()
    } else {
        NAME_BYTES + 2 * pattern.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pattern;

    const MOST: usize = 40_000;

    fn to(texts: &[&str], types: &[&str]) -> Arc<Subscription> {
        let patterns = texts.iter().map(|t| Pattern::parse(t).unwrap()).collect();
        let types = types.iter().map(|t| EventType::parse(t).unwrap()).collect();
        let subscription = Subscription::to(Selector::of(patterns));
        Arc::new(Subscription { filter: Filter::of(types), ..subscription })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as a caller has it")]
    fn at(n: u8) -> Option<IpAddr> {
        Some([192, 0, 2, n].into())
    }

    #[test]
    fn one_topic_costs_nothing_and_what_many_share_costs_once() {
        let weights = Weights::default();
        let plain = to(&["a.b.c"], &[]);
        (0..100_000).for_each(|_| weights.join(&plain, 0, at(1), 0).unwrap());
        let shared = to(&["a.*", "b"], &["t"]);
        (0..1000).for_each(|_| weights.join(&to(&["b", "a.*"], &["t"]), 0, at(1), MOST).unwrap());
        let once = weights.lock().total;
        assert_eq!(once, 2 * 2 * PATTERN_TOKEN_BYTES + 3 + NAME_BYTES + 2 + TYPE_BYTES + 1);
        weights.join(&shared, 1, at(2), MOST).unwrap();
        assert_eq!(weights.lock().total, 2 * once, "each shard has its own");
        (0..1000).for_each(|_| weights.leave(&shared, 0));
        weights.leave(&shared, 1);
        let scale = weights.lock();
        assert!(scale.total == 0 && scale.by_address.is_empty() && scale.streams.is_empty());
    }

    #[test]
    fn an_address_has_its_share_and_leaves_the_rest_to_others() {
        let weights = Weights::default();
        let of = |n: usize| to(&["x.*"], &[&format!("{n}")]);
        let fill =
            |from| (0..1000).find(|&n| weights.join(&of(n), from as usize, at(from), MOST).is_err()).unwrap();
        let each = fill(1);
        assert!(each * weight(&of(each)) <= MOST / SHARE && (each + 1) * weight(&of(each)) > MOST / SHARE);
        assert!(weights.join(&of(0), 1, at(1), MOST).is_ok(), "what it has it may have again");
        for n in 2..=SHARE as u8 {
            assert!(fill(n).abs_diff(each) <= 1, "others are kept out by nobody");
        }
        assert!(fill(9) <= SHARE, "but by all");
        // Who has no address has no share, and the total all the same.
        assert!(weights.join(&to(&["y.*", "z.*"], &[]), 0, None, MOST).is_err());
        weights.leave(&of(0), 1);
        weights.leave(&of(0), 1);
        assert!(weights.join(&of(each), 1, at(1), MOST).is_ok());
    }

    #[test]
    fn who_waits_counts_for_itself_until_it_is_gone() {
        let weights = Weights::default();
        let wanted = to(&["a.*.c.**"], &["t"]);
        let held: Vec<_> = (0..3).map(|_| weights.hold(&wanted, at(1), MOST).unwrap()).collect();
        assert_eq!(weights.lock().total, 3 * weight(&wanted));
        assert_eq!(weights.hold(&wanted, at(1), 3 * weight(&wanted)).unwrap_err(), TooHeavy);
        drop(held);
        assert!(weights.lock().total == 0 && weights.lock().by_address.is_empty());
    }
}
