//! What the shards, the feeder and the edge share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::command::PageKey;
use super::interest::Interest;
use super::limits::Bounds;
use super::metrics::Metrics;
use super::settings::Settings;
use crate::event::Selector;
use crate::live::Live;

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
    /// Streams of each shard, those on their way to it included.
    pub(super) streams: Box<[AtomicUsize]>,
    /// Sockets of streams that are over, until they are closed.
    pub(super) lingering: AtomicUsize,
    /// To the fetcher. At most one request for each connection is under way, so it needs no bound of its own.
    pub(super) fetcher: UnboundedSender<FetchRequest>,
}

/// A shard asks for a page of history.
pub struct FetchRequest {
    /// Which shard.
    pub shard: usize,
    /// Which page.
    pub page: PageKey,
    /// Of which topics.
    pub selector: Selector,
}

impl Shared {
    /// Asks for a page.
    pub fn fetch(&self, request: FetchRequest) {
        // The fetcher ends with the process.
        let _ = self.fetcher.send(request);
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
