//! Streams per client address, for the limit on them.
//!
//! A stream holds a [`Held`], which is one pointer to what all streams of its address share: their number. An address without
//! streams costs nothing.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;

use crate::network::Network;

/// Addresses with streams. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<DashMap<Network, Weak<Address>>>);

/// Counts one stream under its address, until it is dropped.
#[derive(Debug)]
pub struct Held(Arc<Address>);

/// What the streams of one address share. Whoever looks at it holds it for a moment, too, so that its holders are no measure
/// of them.
#[derive(Debug)]
struct Address {
    streams: AtomicUsize,
    network: Network,
    all: Addresses,
}

/// The address has as many streams as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Addresses {
    /// Counts one more stream of `address`, until what is returned is dropped. Of several at the same time exactly as many get
    /// in as there is room for.
    ///
    /// # Errors
    /// [`TooMany`] when it has `limit` streams.
    pub fn hold(&self, address: IpAddr, limit: usize) -> Result<Held, TooMany> {
        let network = Network::from(address);
        let mut entry = self.0.entry(network).or_default();
        let known = entry.upgrade().unwrap_or_else(|| {
            let address = Arc::new(Address { streams: AtomicUsize::new(0), network, all: self.clone() });
            *entry = Arc::downgrade(&address);
            address
        });
        // This look at it may be the last by now, and its drop needs the map's lock.
        drop(entry);
        let one_more = |streams: usize| (streams < limit).then_some(streams + 1);
        let counted = known.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map(|_| Held(known)).map_err(|_| TooMany)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        // Unless another stream of this address came in between and has a new entry.
        self.all.0.remove_if(&self.network, |_, address| address.strong_count() == 0);
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

    #[test]
    fn of_those_that_come_at_once_as_many_get_in_as_there_is_room_for() {
        const ROUNDS: usize = 2000;
        let addresses = Addresses::default();
        let (begin, end) = (std::sync::Barrier::new(4), std::sync::Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        begin.wait();
                        // Each at the edge of the limit, and each ends at once: nobody is in another's way for longer than
                        // its stream is there.
                        let held = addresses.hold([192, 0, 2, 1].into(), 4);
                        assert!(held.is_ok(), "four have room");
                        end.wait();
                    }
                });
            }
        });
        let held: Vec<_> = (0..3).map(|_| addresses.hold([192, 0, 2, 1].into(), 4).unwrap()).collect();
        for _ in 0..ROUNDS {
            let got = std::thread::scope(|scope| {
                let tries = [(); 2].map(|()| scope.spawn(|| addresses.hold([192, 0, 2, 1].into(), 4)));
                tries.map(|thread| thread.join().unwrap())
            });
            assert_eq!(got.iter().filter(|held| held.is_ok()).count(), 1, "for one there is room");
        }
        drop(held);
        assert!(addresses.0.is_empty());
    }
}
