//! What the proxy counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// From a fast loopback app to one at its time-out of a minute.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// The proxy's metrics. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// By class, 1xx to 5xx; then requests without an answer.
    by_class: [IntCounter; 6],
    seconds: Histogram,
}

impl Metrics {
    /// Makes and registers them: `sidestream_upstream_requests_total{code_class}`, where the class `none` counts requests
    /// that the app did not answer, and `sidestream_upstream_seconds`, from the request to the first byte of the answer.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "sidestream_upstream_requests_total",
                "Requests to the app by the class of its answer.",
            ),
            &["code_class"],
        )?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new(
                "sidestream_upstream_seconds",
                "Seconds from a request to the first byte of the app's answer.",
            )
            .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        let by_class = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"].map(|c| requests.with_label_values(&[c]));
        Ok(Self { by_class, seconds })
    }

    /// The app answered.
    pub(super) fn answered(&self, status: u16, after: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class[class].inc();
        self.seconds.observe(after.as_secs_f64());
    }

    /// The app did not answer.
    pub(super) fn unanswered(&self) {
        self.by_class[5].inc();
    }
}
