//! What is counted of webhooks. Labels are a source's name, an outcome and a kind of error: bounded sets all.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

use super::outcome::Outcome;
use crate::log::AppendError;

/// Upper bounds in seconds: from a memory log's microseconds to a broker's seconds.
const BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The ingress's metrics. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    webhooks: IntCounterVec,
    events: IntCounterVec,
    log_errors: [IntCounter; LogErrorKind::ALL.len()],
    pub(super) webhook_seconds: Histogram,
    pub(super) event_bytes: IntCounter,
    pub(super) log_append_seconds: Histogram,
    /// Requests that no source takes, or whose head is not HTTP.
    pub(super) unrouted: SourceMetrics,
}

/// What is counted under one source's name. Counters are looked up once, not per request.
#[derive(Clone)]
pub(super) struct SourceMetrics {
    outcomes: [IntCounter; Outcome::ALL.len()],
    /// Events published.
    pub(super) events: IntCounter,
}

/// The label `kind` of `sidestream_log_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogErrorKind {
    Unknown,
    Unavailable,
    Full,
    TooLarge,
    /// No answer within [`super::APPEND_TIME`].
    Slow,
}

impl Metrics {
    /// Registers the ingress's metrics.
    ///
    /// # Errors
    /// When one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let webhooks = counters(
            registry,
            "sidestream_webhooks_total",
            "Webhooks received, by source and what became of them.",
            &["source", "outcome"],
        )?;
        let events =
            counters(registry, "sidestream_events_total", "Events published, by source.", &["source"])?;
        let errors = counters(
            registry,
            "sidestream_log_errors_total",
            "Deliveries the log did not accept, by kind of error.",
            &["kind"],
        )?;
        let event_bytes =
            IntCounter::new("sidestream_event_bytes_total", "Bytes of data of the events published.")?;
        registry.register(Box::new(event_bytes.clone()))?;
        let unrouted = SourceMetrics::new(&webhooks, &events, "unknown");
        Ok(Self {
            webhook_seconds: histogram(
                registry,
                "sidestream_webhook_seconds",
                "Seconds from a webhook's received head to its written answer.",
            )?,
            log_append_seconds: histogram(
                registry,
                "sidestream_log_append_seconds",
                "Seconds the log took to accept a delivery, or to refuse it.",
            )?,
            log_errors: LogErrorKind::ALL.map(|kind| errors.with_label_values(&[kind.as_str()])),
            webhooks,
            events,
            event_bytes,
            unrouted,
        })
    }

    /// What is counted under `source`, which is a name in the configuration.
    pub(super) fn source(&self, source: &str) -> SourceMetrics {
        SourceMetrics::new(&self.webhooks, &self.events, source)
    }

    /// Takes the series of a source out, which nobody has had for long.
    pub(super) fn forget(&self, source: &str) {
        for outcome in Outcome::ALL {
            let _ = self.webhooks.remove_label_values(&[source, outcome.as_str()]);
        }
        let _ = self.events.remove_label_values(&[source]);
    }

    pub(super) fn log_error(&self, kind: LogErrorKind) {
        self.log_errors[kind as usize].inc();
    }

    pub(super) fn answered(&self, after: Duration) {
        self.webhook_seconds.observe(after.as_secs_f64());
    }
}

impl SourceMetrics {
    fn new(webhooks: &IntCounterVec, events: &IntCounterVec, source: &str) -> Self {
        Self {
            outcomes: Outcome::ALL.map(|outcome| webhooks.with_label_values(&[source, outcome.as_str()])),
            events: events.with_label_values(&[source]),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }

    /// How often each outcome came.
    pub(super) fn counts(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, self.outcomes[outcome as usize].get()))
    }
}

impl LogErrorKind {
    const ALL: [Self; 5] = [Self::Unknown, Self::Unavailable, Self::Full, Self::TooLarge, Self::Slow];

    fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
        }
    }
}

impl From<&AppendError> for LogErrorKind {
    fn from(error: &AppendError) -> Self {
        match error {
            AppendError::Unknown => Self::Unknown,
            AppendError::Unavailable(_) => Self::Unavailable,
            AppendError::Full => Self::Full,
            AppendError::TooLarge { .. } => Self::TooLarge,
        }
    }
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()))?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_its_own_place() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, kind) in LogErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
