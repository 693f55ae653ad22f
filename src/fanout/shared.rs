//! What the shards, the feeder and the edge share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::sync::mpsc::UnboundedSender;

use super::arrivals::Arrivals;
use super::command::PageKey;
use super::interest::Interest;
use super::judge::Judge;
use super::limits::Bounds;
use super::metrics::Metrics;
use super::settings::Settings;
use crate::event::Subscription;
use crate::live::Live;
use crate::log::clock::Clock;

/// For how long the peer of a socket has acknowledged nothing, though something on its way to it asks for that; none when it
/// owes nothing, or nobody knows.
pub type Silence = Box<dyn Fn(&Socket) -> Option<Duration> + Send + Sync>;

/// See the module's documentation.
pub struct Shared {
    /// When the fan-out was started.
    pub started: Instant,
    /// The limits that a test may lower.
    pub bounds: Bounds,
    /// Who listens to what.
    pub interest: Interest,
    /// The settings now.
    pub settings: Live<Settings>,
    /// What is measured.
    pub metrics: Metrics,
    /// For how long a subscriber's peer has owed an acknowledgement.
    pub silence: Silence,
    /// The wall clock, by which grants end.
    pub clock: Clock,
    /// Judges grants by what holds when it is asked; none until the application has said so.
    pub(super) judge: OnceLock<Judge>,
    /// How often streams were judged again.
    pub(super) rounds: AtomicU64,
    /// Tells who waits for a page.
    pub(super) arrivals: Arrivals,
    /// Streams of each shard, those on their way to it included.
    pub(super) streams: Box<[AtomicUsize]>,
    /// Sockets of streams that are over, until they are closed.
    pub(super) lingering: AtomicUsize,
    /// To the fetcher of each shard. At most one request for each connection is under way, so it needs no bound of its own.
    pub(super) fetchers: Box<[UnboundedSender<FetchRequest>]>,
}

/// A shard asks for a page of history.
pub struct FetchRequest {
    /// Which page.
    pub page: PageKey,
    /// Of what, and in which format.
    pub subscription: Arc<Subscription>,
    /// Dead once nobody waits for it.
    pub wanted: Weak<()>,
}

impl Shared {
    /// Asks for a page for this shard.
    pub fn fetch(&self, shard: usize, request: FetchRequest) {
        // The fetcher ends with the process.
        let _ = self.fetchers[shard].send(request);
    }

    /// A stream of this shard has ended.
    pub fn closed_one(&self, shard: usize) {
        self.streams[shard].fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }

    /// Streams of all shards.
    #[must_use]
    pub fn total(&self) -> usize {
        self.streams.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }
}
