//! Rate limits: how often webhooks are taken, from a source and from an address.
//!
//! Both are token buckets (GCRA, the crate `governor`), made when a limit is first needed and anew when a reload changes
//! it. What is refused takes no token, so a sender that goes on too fast gets its rate all the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::{Clock, MonotonicClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{NotUntil, Quota, RateLimiter};

use crate::network::Network;

/// Addresses that are remembered one by one; about 50 bytes each. More than the connections that the ingress takes at a
/// time, so that only a crowd of changing addresses gets there.
const ADDRESSES: usize = 16_384;

/// Buckets that the addresses beyond those share, by a hash. So a crowd can't grow the table, nor get a fresh bucket for
/// each of its addresses; a newcomer's chance to share with one that floods stays small, and who came before the crowd
/// shares with nobody.
const SHARED: usize = 1024;

/// How long a full table is not looked through again for addresses that have been quiet: that is work on all of them.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often something may happen: on average, and at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Quota);

impl Rate {
    /// So many a second on average, and so many at once.
    #[must_use]
    pub fn per_second(average: NonZeroU32, burst: NonZeroU32) -> Self {
        Self(Quota::per_second(average).allow_burst(burst))
    }

    /// One an hour on average: in tests nothing comes back while they run.
    #[cfg(test)]
    pub(super) fn hourly(burst: u32) -> Self {
        let hourly = Quota::with_period(Duration::from_hours(1)).unwrap();
        Self(hourly.allow_burst(NonZeroU32::new(burst).unwrap()))
    }
}

/// It was too often. It may be tried again after so long, if nobody else has been quicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    wait: Duration,
}

impl Exceeded {
    fn of<I: Reference>(until: &NotUntil<I>, now: I) -> Self {
        Self { wait: until.wait_time_from(now) }
    }

    /// Whole seconds, rounded up: what `Retry-After` can say.
    pub(super) fn seconds(self) -> u64 {
        let whole = self.wait.as_secs();
        (whole + u64::from(self.wait.subsec_nanos() > 0)).max(1)
    }
}

/// One bucket for all that comes to a source.
#[derive(Debug)]
pub(super) struct SourceLimit<C: Clock = MonotonicClock> {
    clock: C,
    current: Current<RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
}

/// A bucket for each address.
#[derive(Debug)]
pub(super) struct AddressLimit<C: Clock = MonotonicClock> {
    clock: C,
    current: Current<Table<C>>,
}

type Keyed<C> = RateLimiter<Network, Buckets, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Buckets by address, no more than [`ADDRESSES`].
#[derive(Default)]
struct Own(Mutex<HashMap<Network, InMemoryState>>);

/// The buckets, each by an IPv4 address, or by an IPv6 network of 64 bits: whoever has one address of such a network has all
/// of them.
struct Buckets {
    own: Arc<Own>,
    shared: Box<[InMemoryState]>,
    /// Seeded, so that nobody can choose with whom to share.
    seed: RandomState,
}

struct Table<C: Clock> {
    limiter: Keyed<C>,
    own: Arc<Own>,
    made: C::Instant,
    /// When it was last looked through: nanoseconds since `made`.
    looked: AtomicU64,
}

impl<C: Clock + Default> Default for SourceLimit<C> {
    fn default() -> Self {
        Self { clock: C::default(), current: Current::default() }
    }
}

impl<C: Clock + Default> Default for AddressLimit<C> {
    fn default() -> Self {
        Self { clock: C::default(), current: Current::default() }
    }
}

impl<C: Clock + Clone> SourceLimit<C> {
    /// Takes a token. Without a rate there is no limit.
    pub(super) fn check(&self, rate: Option<Rate>) -> Result<(), Exceeded> {
        let make = |rate: Rate| RateLimiter::direct_with_clock(rate.0, self.clock.clone());
        let Some(limiter) = self.current.of(rate, make) else { return Ok(()) };
        limiter.limit.check().map_err(|until| Exceeded::of(&until, self.clock.now()))
    }
}

impl<C: Clock + Clone> AddressLimit<C> {
    /// Takes a token of the address. Without a rate there is no limit.
    pub(super) fn check(&self, rate: Option<Rate>, address: IpAddr) -> Result<(), Exceeded> {
        let make = |rate: Rate| Table::new(rate, self.clock.clone());
        let Some(table) = self.current.of(rate, make) else { return Ok(()) };
        let (table, network) = (&table.limit, Network::from(address));
        table.make_room(network, self.clock.now());
        table.limiter.check_key(&network).map_err(|until| Exceeded::of(&until, self.clock.now()))
    }
}

impl<C: Clock> Table<C> {
    fn new(rate: Rate, clock: C) -> Self {
        let (own, made) = (Arc::<Own>::default(), clock.now());
        let limiter = RateLimiter::new(rate.0, Buckets::new(Arc::clone(&own)), clock);
        Self { limiter, own, made, looked: AtomicU64::new(0) }
    }

    /// Forgets addresses that have been quiet for long enough to be as good as new, when there is no room for this one; now
    /// and then.
    fn make_room(&self, network: Network, now: C::Instant) {
        if self.own.has_room_for(network) {
            return;
        }
        let age: u64 = now.duration_since(self.made).into();
        let looked = self.looked.load(Ordering::Relaxed);
        if age.saturating_sub(looked) < LOOK_AGAIN.as_nanos() as u64 {
            return;
        }
        if self.looked.compare_exchange(looked, age, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

impl Own {
    fn lock(&self) -> MutexGuard<'_, HashMap<Network, InMemoryState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room_for(&self, network: Network) -> bool {
        let own = self.lock();
        own.len() < ADDRESSES || own.contains_key(&network)
    }
}

impl Buckets {
    fn new(own: Arc<Own>) -> Self {
        let shared = std::iter::repeat_with(InMemoryState::default).take(SHARED).collect();
        Self { own, shared, seed: RandomState::new() }
    }
}

impl StateStore for Buckets {
    type Key = Network;

    /// In the address's own bucket, or in a shared one where too many others have their own.
    fn measure_and_replace<T, F, E>(&self, network: &Network, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut own = self.own.lock();
        if let Some(bucket) = own.get(network) {
            return bucket.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        if own.len() < ADDRESSES {
            return own.entry(*network).or_default().measure_and_replace(&NotKeyed::NonKey, measure);
        }
        drop(own);
        let shared = self.seed.hash_one(network) as usize % SHARED;
        self.shared[shared].measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl ShrinkableKeyedStateStore<Network> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.own.lock().retain(|_, bucket| {
            // A bucket shows itself only to who measures it.
            let shown = bucket.measure_and_replace(&NotKeyed::NonKey, Err::<((), Nanos), Option<Nanos>>);
            shown.is_err_and(|until| until.is_some_and(|until| until > drop_below))
        });
    }

    fn shrink_to_fit(&self) {
        self.own.lock().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.own.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.own.lock().is_empty()
    }
}

impl<C: Clock> std::fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("addresses", &self.limiter.len()).finish_non_exhaustive()
    }
}

/// The limiter of the rate that is configured now.
#[derive(Debug)]
struct Current<L>(ArcSwapOption<Made<L>>);

#[derive(Debug)]
struct Made<L> {
    rate: Rate,
    limit: L,
}

impl<L> Default for Current<L> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<L> Current<L> {
    /// The limiter for `rate`: the one there is if it is of that rate, else a new one. None without a rate.
    fn of(&self, rate: Option<Rate>, make: impl Fn(Rate) -> L) -> Option<Arc<Made<L>>> {
        let current = self.0.load();
        let Some(rate) = rate else {
            if current.is_some() {
                self.0.store(None);
            }
            return None;
        };
        if let Some(made) = current.as_ref().filter(|made| made.rate == rate) {
            return Some(Arc::clone(made));
        }
        let made = Arc::new(Made { rate, limit: make(rate) });
        // Of several that see the change at once one wins, and all count in its buckets.
        let before = self.0.compare_and_swap(&current, Some(Arc::clone(&made)));
        let lost = before.as_ref().map(Arc::as_ptr) != current.as_ref().map(Arc::as_ptr);
        let winner = if lost { self.0.load_full().filter(|made| made.rate == rate) } else { None };
        Some(winner.unwrap_or(made))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as a limit takes it")]
    fn rate(per_second: u32, burst: u32) -> Option<Rate> {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        Some(Rate::per_second(per_second, burst))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn numbered(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let limit = SourceLimit::<FakeRelativeClock>::default();
        let rate = rate(2, 3);
        for _ in 0..3 {
            assert_eq!(limit.check(rate), Ok(()));
        }
        let wait = Duration::from_millis(500);
        assert_eq!(limit.check(rate), Err(Exceeded { wait }));
        limit.clock.advance(Duration::from_millis(499));
        assert_eq!(limit.check(rate), Err(Exceeded { wait: Duration::from_millis(1) }));
        limit.clock.advance(Duration::from_millis(1));
        assert_eq!(limit.check(rate), Ok(()));
        assert_eq!(limit.check(rate), Err(Exceeded { wait }));
        limit.clock.advance(Duration::from_mins(1));
        assert_eq!((0..9).filter(|_| limit.check(rate).is_ok()).count(), 3);
    }

    #[test]
    fn retry_after_is_the_wait_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(Exceeded { wait: Duration::from_millis(millis) }.seconds(), seconds, "{millis}");
        }
    }

    #[test]
    fn each_address_has_its_own_and_each_network_of_ipv6() {
        let limit = AddressLimit::<FakeRelativeClock>::default();
        let one = rate(1, 1);
        assert_eq!(limit.check(one, ip("192.0.2.7")), Ok(()));
        for (address, first) in [
            ("192.0.2.7", false),
            ("::ffff:192.0.2.7", false),
            ("192.0.2.8", true),
            ("2001:db8:0:1::1", true),
            ("2001:db8:0:1:ffff::2", false),
            ("2001:db8:0:2::1", true),
        ] {
            assert_eq!(limit.check(one, ip(address)).is_ok(), first, "{address}");
        }
    }

    #[test]
    fn without_a_rate_there_is_no_limit_and_another_rate_begins_anew() {
        let limit = SourceLimit::<FakeRelativeClock>::default();
        assert!((0..1000).all(|_| limit.check(None).is_ok()));
        assert_eq!((0..9).filter(|_| limit.check(rate(1, 2)).is_ok()).count(), 2);
        assert_eq!((0..9).filter(|_| limit.check(rate(1, 3)).is_ok()).count(), 3);
        // The same rate again, as after a reload of something else, is the same bucket.
        assert!(limit.check(rate(1, 3)).is_err());
        assert!(limit.check(None).is_ok());
        assert!(limit.check(rate(1, 3)).is_ok());
    }

    #[test]
    fn a_crowd_of_addresses_does_not_grow_the_table() {
        let limit = AddressLimit::<FakeRelativeClock>::default();
        let one = rate(1, 1);
        let crowd = 8 * ADDRESSES as u32;
        let let_in = (0..crowd).filter(|n| limit.check(one, numbered(*n)).is_ok()).count();
        let addresses =
            |limit: &AddressLimit<_>| limit.current.0.load_full().map_or(0, |made| made.limit.limiter.len());
        assert_eq!(let_in, ADDRESSES + SHARED);
        assert_eq!(addresses(&limit), ADDRESSES);
        assert!(limit.check(one, numbered(0)).is_err());
        // Once they have been quiet they are forgotten, and newcomers have their own again.
        limit.clock.advance(Duration::from_secs(10));
        assert_eq!(limit.check(one, numbered(crowd)), Ok(()));
        assert_eq!(addresses(&limit), 1);
    }

    #[test]
    fn who_was_there_before_a_crowd_shares_with_none_of_it() {
        let limit = AddressLimit::<FakeRelativeClock>::default();
        let quick = rate(10, 20);
        for n in 0..ADDRESSES as u32 {
            assert_eq!(limit.check(quick, numbered(n)), Ok(()));
        }
        // Newcomers, until each bucket that they share is empty.
        let mut refused = 0;
        for n in (1 << 20..).take(40 * SHARED) {
            refused += usize::from(limit.check(quick, numbered(n)).is_err());
        }
        assert!(refused > 0);
        for known in [0, 1, ADDRESSES as u32 - 1] {
            assert_eq!((0..40).filter(|_| limit.check(quick, numbered(known)).is_ok()).count(), 19);
        }
    }

    #[test]
    fn a_full_table_is_not_looked_through_for_every_request() {
        let limit = AddressLimit::<FakeRelativeClock>::default();
        let slow = rate(1, 1);
        for n in 0..=ADDRESSES as u32 {
            let _ = limit.check(slow, numbered(n));
            if n == 0 {
                // Nobody has been quiet for long when the table is full, but one.
                limit.clock.advance(Duration::from_secs(5));
            }
        }
        let table = || limit.current.0.load_full().unwrap();
        // The first look found room; the table fills again, and is full until the next look.
        assert_eq!(table().limit.limiter.len(), ADDRESSES);
        let looked = table().limit.looked.load(Ordering::Relaxed);
        let _ = limit.check(slow, numbered(1 << 20));
        limit.clock.advance(Duration::from_millis(900));
        let _ = limit.check(slow, numbered(1 << 21));
        assert_eq!(table().limit.looked.load(Ordering::Relaxed), looked);
    }

    proptest! {
        /// Whatever comes when: in no time span more is let through than the rate and the burst allow.
        #[test]
        fn never_more_than_rate_and_burst(per_second in 1..50u32, burst in 1..20u32, pauses in proptest::collection::vec(0..400u64, 1..200)) {
            let limit = SourceLimit::<FakeRelativeClock>::default();
            let (mut now, mut passed) = (0, Vec::new());
            for pause in pauses {
                limit.clock.advance(Duration::from_millis(pause));
                now += pause;
                if limit.check(rate(per_second, burst)).is_ok() {
                    passed.push(now);
                }
            }
            for (index, begin) in passed.iter().enumerate() {
                for (more, end) in passed[index..].iter().enumerate() {
                    let allowed = f64::from(burst) + f64::from(per_second) * (end - begin) as f64 / 1000.0;
                    prop_assert!((more + 1) as f64 <= allowed + 1e-6, "{} in {} ms", more + 1, end - begin);
                }
            }
        }
    }
}
