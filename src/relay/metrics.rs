//! What is counted of what is handed on. Labels are a source's name and a reason: bounded sets both.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::error::{Lost, RelayError};

/// The relay's metrics. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    relayed: IntCounterVec,
    retries: IntCounterVec,
    failed: IntCounterVec,
    lost: IntCounterVec,
    cut: IntCounterVec,
    queued: IntGaugeVec,
    queued_bytes: IntGaugeVec,
}

/// What is counted under one source's name. Counters are looked up once, not per webhook.
#[derive(Debug)]
pub(super) struct SourceMetrics {
    /// The app answered with a 2xx.
    pub relayed: IntCounter,
    /// Sent again from a queue.
    pub retries: IntCounter,
    /// The app answered with more than is passed on.
    pub cut: IntCounter,
    /// Waiting, or with the app, of a queue.
    pub queued: IntGauge,
    /// Bytes of them.
    pub queued_bytes: IntGauge,
    failed: [IntCounter; RelayError::ALL.len() + 1],
    lost: [IntCounter; Lost::ALL.len()],
}

/// The reason where the app answered with another status than a 2xx.
const STATUS: &str = "status";

impl Metrics {
    /// Makes and registers `sidestream_relayed_total{source}`, `sidestream_relay_retries_total{source}`,
    /// `sidestream_relay_failed_total{source,reason}` (the sender was told), `sidestream_relay_lost_total{source,reason}`
    /// (nobody was), `sidestream_relay_cut_answers_total{source}`, `sidestream_relay_queued{source}` and
    /// `sidestream_relay_queued_bytes{source}`.
    ///
    /// # Errors
    /// When one of their names is taken.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str| {
            registered(registry, IntGaugeVec::new(Opts::new(name, help), &["source"])?)
        };
        Ok(Self {
            relayed: counter(
                "sidestream_relayed_total",
                "Webhooks handed on that the app answered with a 2xx.",
                &["source"],
            )?,
            retries: counter(
                "sidestream_relay_retries_total",
                "Times that a queued webhook was sent to the app again.",
                &["source"],
            )?,
            failed: counter(
                "sidestream_relay_failed_total",
                "Webhooks handed on while their sender waited that the app did not take, which the sender was told.",
                &["source", "reason"],
            )?,
            lost: counter(
                "sidestream_relay_lost_total",
                "Queued webhooks that the app will not get, or may not have got; the log has them.",
                &["source", "reason"],
            )?,
            cut: counter(
                "sidestream_relay_cut_answers_total",
                "Answers of the app of which only the status was passed on.",
                &["source"],
            )?,
            queued: gauge("sidestream_relay_queued", "Webhooks queued to be handed on.")?,
            queued_bytes: gauge(
                "sidestream_relay_queued_bytes",
                "Bytes of memory that the webhooks queued to be handed on hold.",
            )?,
        })
    }

    /// What is counted under `source`, which is a name in the configuration.
    pub(super) fn source(&self, source: &str) -> SourceMetrics {
        let failed = |reason: &str| self.failed.with_label_values(&[source, reason]);
        let [unreachable, timed_out, broken, loops, busy] = RelayError::ALL.map(|e| failed(e.as_str()));
        SourceMetrics {
            relayed: self.relayed.with_label_values(&[source]),
            retries: self.retries.with_label_values(&[source]),
            cut: self.cut.with_label_values(&[source]),
            queued: self.queued.with_label_values(&[source]),
            queued_bytes: self.queued_bytes.with_label_values(&[source]),
            failed: [unreachable, timed_out, broken, loops, busy, failed(STATUS)],
            lost: Lost::ALL.map(|lost| self.lost.with_label_values(&[source, lost.as_str()])),
        }
    }
}

impl SourceMetrics {
    /// The sender was told that the app was not asked, or said nothing.
    pub(super) fn failed(&self, error: RelayError) {
        self.failed[error as usize].inc();
    }

    /// The sender was told the app's no.
    pub(super) fn refused(&self) {
        self.failed[RelayError::ALL.len()].inc();
    }

    /// Nobody was told.
    pub(super) fn lost(&self, lost: Lost) {
        self.lost[lost as usize].inc();
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: C) -> prometheus::Result<C> {
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_its_own_place() {
        for (index, error) in RelayError::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, index);
        }
        for (index, lost) in Lost::ALL.into_iter().enumerate() {
            assert_eq!(lost as usize, index);
        }
    }
}
