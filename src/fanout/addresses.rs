//! Streams per client address, for the limit on them.
//!
//! A stream holds its address's [`Held`]; the number of streams is the number of its holders. So a stream costs one pointer,
//! and an address without streams costs nothing.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use dashmap::DashMap;

use crate::network::Network;

/// Addresses with streams. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<DashMap<Network, Weak<Held>>>);

/// One address's streams; each of them holds a clone of the same.
#[derive(Debug)]
pub struct Held {
    network: Network,
    all: Addresses,
}

/// The address has as many streams as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Addresses {
    /// Counts one more stream of `address`, until what is returned is dropped.
    ///
    /// # Errors
    /// [`TooMany`] when it has `limit` streams.
    pub fn hold(&self, address: IpAddr, limit: usize) -> Result<Arc<Held>, TooMany> {
        let network = Network::from(address);
        let mut entry = self.0.entry(network).or_default();
        if let Some(held) = entry.upgrade() {
            // This look at it is a holder, too, and may be the last by now: its drop needs the map's lock.
            drop(entry);
            return if Arc::strong_count(&held) > limit { Err(TooMany) } else { Ok(held) };
        }
        if limit == 0 {
            return Err(TooMany);
        }
        let held = Arc::new(Held { network, all: self.clone() });
        *entry = Arc::downgrade(&held);
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Unless another stream of this address came in between and has a new entry.
        self.all.0.remove_if(&self.network, |_, held| held.strong_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_streams_and_then_no_more_until_one_ends() {
        let addresses = Addresses::default();
        let (one, two): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = addresses.hold(one, 2).unwrap();
        let second = addresses.hold(one, 2).unwrap();
        assert_eq!(addresses.hold(one, 2).unwrap_err(), TooMany);
        let other = addresses.hold(two, 2).unwrap();
        drop(first);
        let third = addresses.hold(one, 2).unwrap();
        assert_eq!(addresses.hold(one, 2).unwrap_err(), TooMany);
        drop((second, third, other));
        assert!(addresses.0.is_empty());
    }
}
