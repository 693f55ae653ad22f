//! What fetching counts.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The fetcher's metrics. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Sets that were fetched and read.
    pub(super) fetched: IntCounter,
    /// Attempts that brought none.
    pub(super) failed: IntCounter,
}

impl Metrics {
    /// Makes and registers it: `sidestream_jwks_fetches_total{outcome}`, `ok` or `failed`.
    ///
    /// # Errors
    /// When the registry has a metric of this name already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let fetches = IntCounterVec::new(
            Opts::new(
                "sidestream_jwks_fetches_total",
                "Attempts to fetch a key set from its URL by their outcome.",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(fetches.clone()))?;
        Ok(Self {
            fetched: fetches.with_label_values(&["ok"]),
            failed: fetches.with_label_values(&["failed"]),
        })
    }
}
