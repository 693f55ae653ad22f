//! What the fan-out measures.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::Refused;
use crate::sse::GapReason;

/// Why a stream ended, as in `connections_closed_total{reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The subscriber closed or reset the connection.
    Client,
    /// `max_connection_age` was over.
    Age,
    /// The server drains.
    Drain,
    /// The socket failed.
    Error,
    /// Its peer acknowledged nothing any more.
    Vanished,
    /// Too many bytes were kept alive by slow connections alone. The subscriber resumes without loss.
    Pinned,
    /// It stood still for longer than `edge.slow` allows.
    Slow,
    /// The admin API was asked to end it.
    Asked,
    /// The time of its grant was over.
    Grant,
    /// It lost its grant: whom it is about was revoked, or after a reload it is not granted any more.
    Revoked,
}

impl Closed {
    const ALL: [Self; 10] = [
        Self::Client,
        Self::Age,
        Self::Drain,
        Self::Error,
        Self::Vanished,
        Self::Pinned,
        Self::Slow,
        Self::Asked,
        Self::Grant,
        Self::Revoked,
    ];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Age => "age",
            Self::Drain => "drain",
            Self::Error => "error",
            Self::Vanished => "vanished",
            Self::Pinned => "pinned",
            Self::Slow => "slow",
            Self::Asked => "admin",
            Self::Grant => "grant",
            Self::Revoked => "revoked",
        }
    }
}

/// The fan-out's counters. All labels come from bounded sets: reasons, and names of topic rules.
#[derive(Clone)]
pub struct Metrics {
    pub(super) connections: IntGauge,
    pub(super) opened: IntCounter,
    closed: IntCounterVec,
    refused: IntCounterVec,
    subscriptions: IntGaugeVec,
    pub(super) deliveries: IntCounter,
    pub(super) delivered_bytes: IntCounter,
    pub(super) delivery_seconds: Histogram,
    pub(super) lagging: IntGauge,
    gaps: IntCounterVec,
    pub(super) replayed: IntCounter,
}

impl Metrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name, help, label| IntCounterVec::new(Opts::new(name, help), &[label]);
        let this = Self {
            connections: IntGauge::new("sidestream_connections", "Open streams.")?,
            opened: IntCounter::new("sidestream_connections_opened_total", "Streams opened.")?,
            closed: vec("sidestream_connections_closed_total", "Streams ended, by reason.", "reason")?,
            refused: vec("sidestream_connections_refused_total", "Streams not opened, by reason.", "reason")?,
            subscriptions: IntGaugeVec::new(
                Opts::new("sidestream_subscriptions", "Open subscriptions, by topic rule."),
                &["rule"],
            )?,
            deliveries: IntCounter::new("sidestream_deliveries_total", "Events written to subscribers.")?,
            delivered_bytes: IntCounter::new(
                "sidestream_delivered_bytes_total",
                "Bytes written to subscribers, framing included.",
            )?,
            delivery_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "sidestream_delivery_seconds",
                    "From the event's acceptance to its last live subscriber's socket, one sample a batch.",
                )
                .buckets(prometheus::exponential_buckets(0.000_1, 2.5, 14)?),
            )?,
            lagging: IntGauge::new("sidestream_lagging_connections", "Open streams that read from history.")?,
            gaps: vec("sidestream_gaps_total", "Gaps told to subscribers, by reason.", "reason")?,
            replayed: IntCounter::new("sidestream_replayed_events_total", "Events written from history.")?,
        };
        this.register_all(registry)?;
        for reason in Closed::ALL {
            this.closed.with_label_values(&[reason.as_str()]);
        }
        for reason in Refused::ALL {
            this.refused.with_label_values(&[reason.as_str()]);
        }
        for reason in GapReason::ALL {
            this.gaps.with_label_values(&[reason.as_str()]);
        }
        Ok(this)
    }

    fn register_all(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.connections.clone()))?;
        registry.register(Box::new(self.opened.clone()))?;
        registry.register(Box::new(self.closed.clone()))?;
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.subscriptions.clone()))?;
        registry.register(Box::new(self.deliveries.clone()))?;
        registry.register(Box::new(self.delivered_bytes.clone()))?;
        registry.register(Box::new(self.delivery_seconds.clone()))?;
        registry.register(Box::new(self.lagging.clone()))?;
        registry.register(Box::new(self.gaps.clone()))?;
        registry.register(Box::new(self.replayed.clone()))
    }

    pub(super) fn closed(&self, reason: Closed) {
        self.closed.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn refused(&self, reason: Refused) {
        self.refused.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn gap(&self, reason: GapReason) {
        self.gaps.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn subscription(&self, rule: &str, change: i64) {
        self.subscriptions.with_label_values(&[rule]).add(change);
    }
}
