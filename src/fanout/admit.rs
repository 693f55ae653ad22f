//! How a stream is let in: room first, then its place in the log, then its socket. Whatever fails on the way gives back what
//! was taken.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use tokio::time::{sleep, timeout};

use super::Fanout;
use super::command::{Admission, Admit, Command, Counted};
use super::holders::Holders;
use super::limits::{AHEAD_LOOK, AHEAD_WAIT, WEIGHT_LEAST, WEIGHT_PER_CONNECTION};
use super::reader::Start;
use super::settings::Settings;
use super::weights::TooHeavy;
use crate::event::{Begin, Cursor, Subscription};
use crate::log::Feed;
use crate::network::Network;

/// Why a stream is not opened now. All of them are temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many streams as are allowed, or as there are descriptors for, are open.
    Full,
    /// As many as are allowed from one address are open.
    Address,
    /// As many as are allowed to one subject are open.
    Subject,
    /// As many as are allowed in a second were opened in this one.
    Rate,
    /// It would begin in history, and slow streams already keep too many bytes alive.
    Replay,
    /// As many as may wait for a page of history do.
    Waiting,
    /// As many pages of history as may be in memory are.
    Pages,
    /// Others look for what patterns match, as many as may at one time, and took too long.
    Searches,
    /// It would add more patterns, topics named together, or types than there is room for, in all or for its address.
    Patterns,
    /// The log can't be read now.
    Log,
    /// The server is ending.
    Draining,
}

impl Refused {
    pub(super) const ALL: [Self; 11] = [
        Self::Full,
        Self::Address,
        Self::Subject,
        Self::Rate,
        Self::Replay,
        Self::Waiting,
        Self::Pages,
        Self::Searches,
        Self::Patterns,
        Self::Log,
        Self::Draining,
    ];

    /// As in `connections_refused_total{reason}`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "connections",
            Self::Address => "per_ip",
            Self::Subject => "per_subject",
            Self::Rate => "admissions",
            Self::Replay => "replay",
            Self::Waiting => "waiting",
            Self::Pages => "pages",
            Self::Searches => "searches",
            Self::Patterns => "patterns",
            Self::Log => "log",
            Self::Draining => "draining",
        }
    }
}

/// What is counted for the limits on new streams.
#[derive(Default)]
pub(super) struct Gate {
    addresses: Holders<Network>,
    subjects: Holders<Arc<str>>,
    rate: ArcSwapOption<Rate>,
}

/// Streams that may be opened in a second; as many may come at once.
struct Rate {
    per_second: NonZeroU32,
    limiter: DefaultDirectRateLimiter,
}

impl Gate {
    /// Counts one more stream of this address and subject, so far as either is limited.
    fn count(
        &self,
        settings: &Settings,
        address: Option<IpAddr>,
        subject: Option<&Arc<str>>,
    ) -> Result<Counted, Refused> {
        let mut counted = Counted::default();
        if let Some(address) = address.filter(|_| settings.per_ip > 0) {
            let held = self.addresses.hold(Network::from(address), settings.per_ip);
            counted.address = Some(held.map_err(|_| Refused::Address)?);
        }
        if let Some(subject) = subject.filter(|_| settings.per_subject > 0) {
            let held = self.subjects.hold(Arc::clone(subject), settings.per_subject);
            counted.subject = Some(held.map_err(|_| Refused::Subject)?);
        }
        Ok(counted)
    }

    fn admits(&self, per_second: u32) -> bool {
        let Some(per_second) = NonZeroU32::new(per_second) else { return true };
        let known = self.rate.load_full().filter(|rate| rate.per_second == per_second);
        let rate = known.unwrap_or_else(|| {
            let limiter = RateLimiter::direct(Quota::per_second(per_second));
            let rate = Arc::new(Rate { per_second, limiter });
            self.rate.store(Some(Arc::clone(&rate)));
            rate
        });
        rate.limiter.check().is_ok()
    }
}

impl Fanout {
    /// Reserves room for one stream of a subscriber at `address`, whose token is about `subject`; to be asked for before the
    /// socket is taken over.
    ///
    /// # Errors
    /// [`Refused`] when there is none now.
    pub fn reserve(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        subject: Option<&Arc<str>>,
        begin: &Begin,
    ) -> Result<Reservation, Refused> {
        self.room(address, subject, begin).inspect_err(|&refused| self.shared.metrics.refused(refused))
    }

    /// Counts who asks for a page of history towards the limits on addresses and subjects, until what is returned is
    /// dropped, and on what is let in within a second.
    ///
    /// # Errors
    /// [`Refused`] when there is no room now.
    pub fn call(&self, address: Option<IpAddr>, subject: Option<&Arc<str>>) -> Result<Caller, Refused> {
        self.caller(address, subject).map(Caller).inspect_err(|&refused| self.shared.metrics.refused(refused))
    }

    /// Room for a [caller](Fanout::call) that waits: it is one of the connections meanwhile.
    ///
    /// # Errors
    /// [`Refused`] when there is none now.
    pub fn reserve_to_wait(self: &Arc<Self>) -> Result<Reservation, Refused> {
        let room = self.place(&Begin::Now).map(|shard| self.take(shard));
        let room = room.inspect_err(|&refused| self.shared.metrics.refused(refused))?;
        Ok(Reservation { room, held: Counted::default(), address: None })
    }

    /// The newest place that is known here. A log that is out of reach shows an old head, and the ring may be past it.
    #[must_use]
    pub fn head(&self) -> Cursor {
        let head = self.log.head();
        let newest = self.ring.newest().filter(|newest| newest.epoch == head.epoch);
        newest.filter(|newest| newest.position > head.position).unwrap_or(head)
    }

    /// As [`Fanout::head`], for one that begins at `begin`. A cursor that is ahead of it is waited for, as long as
    /// [`AHEAD_WAIT`], where the log is fed from elsewhere: what gave the cursor may be ahead of us. A log that is fed here
    /// alone has given no such cursor.
    pub async fn head_for(&self, begin: &Begin) -> Cursor {
        let asked = begin.cursor().and_then(|raw| Cursor::parse(std::str::from_utf8(raw).ok()?));
        let head = self.head();
        let Some(asked) = asked.filter(|_| self.log.feed() == Feed::Later) else { return head };
        let is_ahead = |head: Cursor| asked.epoch == head.epoch && asked.position > head.position;
        let reached = async {
            while is_ahead(self.head()) {
                sleep(AHEAD_LOOK).await;
            }
        };
        if is_ahead(head) {
            // In vain: it is told as unknown.
            let _ = timeout(AHEAD_WAIT, reached).await;
        }
        self.head()
    }

    /// Counts who was turned away for a reason that is seen elsewhere.
    pub fn refused(&self, refused: Refused) {
        self.shared.metrics.refused(refused);
    }

    fn room(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        subject: Option<&Arc<str>>,
        begin: &Begin,
    ) -> Result<Reservation, Refused> {
        let shard = self.place(begin)?;
        let held = self.caller(address, subject)?;
        Ok(Reservation { room: self.take(shard), held, address })
    }

    /// Streams at most.
    fn limit(&self) -> usize {
        self.shared.settings.load().max_connections.min(self.descriptors)
    }

    /// Bytes that subscriptions may take beside their connections.
    pub(super) fn weight(&self) -> usize {
        self.limit().saturating_mul(WEIGHT_PER_CONNECTION).max(WEIGHT_LEAST)
    }

    /// A shard with room for one more stream.
    fn place(&self, begin: &Begin) -> Result<usize, Refused> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Refused::Draining);
        }
        let limit = self.limit();
        // Two at the same time may both be the last: the clamp leaves a reserve for that.
        if self.shared.total() >= limit {
            return Err(Refused::Full);
        }
        let load = |&index: &usize| self.shared.streams[index].load(Ordering::Relaxed);
        let shard = (0..self.shards.len()).min_by_key(load).unwrap_or(0);
        let pinned = self.shards[shard].progress().pinned.load(Ordering::Relaxed);
        if *begin != Begin::Now && pinned > self.shared.bounds.replay_pinned_bytes {
            return Err(Refused::Replay);
        }
        Ok(shard)
    }

    /// What is limited for each address and subject, and then for each second: what is refused for another reason does not
    /// use that up.
    fn caller(&self, address: Option<IpAddr>, subject: Option<&Arc<str>>) -> Result<Counted, Refused> {
        let settings = self.shared.settings.load();
        let held = self.gate.count(&settings, address, subject)?;
        if !self.gate.admits(settings.admissions_per_second) {
            return Err(Refused::Rate);
        }
        Ok(held)
    }

    fn take(self: &Arc<Self>, shard: usize) -> Room {
        self.shared.streams[shard].fetch_add(1, Ordering::Relaxed);
        self.shared.metrics.connections.inc();
        Room { fanout: Arc::clone(self), shard, owner: Owner::Us }
    }
}

/// Who asks for a page, while it is served.
pub struct Caller(#[expect(dead_code, reason = "held for its drop")] Counted);

/// Room for one stream. Dropped unused, the room is free again.
pub struct Reservation {
    room: Room,
    held: Counted,
    address: Option<IpAddr>,
}

impl Reservation {
    /// Finds the place where `subscription` begins. From here on nothing that it asks for is missed.
    ///
    /// # Errors
    /// [`Refused`] when that can't be told now.
    pub async fn begin(self, subscription: Arc<Subscription>, begin: &Begin) -> Result<Beginning, Refused> {
        let Self { room, held, address } = self;
        let interest = Interested::join(&room, Arc::clone(&subscription), address);
        let interest = interest.map_err(|TooHeavy| room.fanout.turned_away(Refused::Patterns))?;
        let (fanout, head) = (&room.fanout, room.fanout.head_for(begin).await);
        let start = match begin {
            Begin::Now => Start::Now(head),
            Begin::Cursor(cursor) => Start::resolve(Some(cursor), head),
            Begin::Since(_) => {
                let (log, begin) = (Arc::clone(&fanout.log), begin.clone());
                let find = async move { Start::find(&begin, &subscription, &*log, head).await };
                fanout.search(&interest.subscription.selector, find).await?
            }
        };
        Ok(Beginning { room, interest, held, start })
    }
}

/// A stream that has its place, and whose socket is still to be handed over. Dropped, it gives back all it took.
pub struct Beginning {
    room: Room,
    interest: Interested,
    held: Counted,
    start: Start,
}

impl Beginning {
    /// Hands the subscriber's socket to a shard, which answers it.
    pub fn admit(self, admission: Admission) {
        let Self { mut room, mut interest, held, start } = self;
        (room.owner, interest.owner) = (Owner::Shard, Owner::Shard);
        let admit = Admit { admission, subscription: Arc::clone(&interest.subscription), held, start };
        room.fanout.shards[room.shard].send(Command::Admit(Box::new(admit)));
    }
}

/// Who gives something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// We, when it is dropped.
    Us,
    /// The shard, when the stream has ended.
    Shard,
}

/// A place among a shard's streams.
struct Room {
    fanout: Arc<Fanout>,
    shard: usize,
    owner: Owner,
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.owner == Owner::Us {
            self.fanout.shared.closed_one(self.shard);
        }
    }
}

/// A subscription in the interest map.
struct Interested {
    fanout: Arc<Fanout>,
    shard: usize,
    subscription: Arc<Subscription>,
    owner: Owner,
}

impl Interested {
    /// Interest first, position second: an event is then either before the position or finds the shard listening.
    fn join(room: &Room, subscription: Arc<Subscription>, address: Option<IpAddr>) -> Result<Self, TooHeavy> {
        let Room { fanout, shard, .. } = room;
        fanout.shared.weights.join(&subscription, *shard, address, fanout.weight())?;
        fanout.shared.interest.join(&subscription.selector, *shard);
        Ok(Self { fanout: Arc::clone(fanout), shard: *shard, subscription, owner: Owner::Us })
    }
}

impl Drop for Interested {
    fn drop(&mut self) {
        if self.owner == Owner::Us {
            self.fanout.shared.interest.leave(&self.subscription.selector, self.shard);
            self.fanout.shared.weights.leave(&self.subscription, self.shard);
        }
    }
}
