//! What the admin listener tells of the process, its log and its reloads.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::log::{Health, Log};

/// The admin listener's metrics. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    /// Reloads that swapped the snapshot, however they were asked for.
    pub config_reloads: IntCounter,
    /// Reloads that left the running configuration because the new one was not valid.
    pub config_reload_failures: IntCounter,
    log_up: IntGauge,
    topics: IntGauge,
    history_events: IntGauge,
    history_bytes: IntGauge,
    dedupe_evicted_early: IntCounter,
}

impl Metrics {
    /// Registers these metrics, `build_info` and the process's own.
    ///
    /// # Errors
    /// When one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let build = IntGaugeVec::new(
            Opts::new("sidestream_build_info", "Always 1; the label is the version that runs."),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self {
            config_reloads: take(
                registry,
                IntCounter::new("sidestream_config_reloads_total", "Reloads that changed the configuration."),
            )?,
            config_reload_failures: take(
                registry,
                IntCounter::new(
                    "sidestream_config_reload_failures_total",
                    "Reloads that failed and left the configuration.",
                ),
            )?,
            log_up: take(registry, IntGauge::new("sidestream_log_up", "Whether the log takes deliveries."))?,
            topics: take(
                registry,
                IntGauge::new("sidestream_topics", "Topics with at least one event in history."),
            )?,
            history_events: take(
                registry,
                IntGauge::new("sidestream_history_events", "Events in history, over all topics."),
            )?,
            history_bytes: take(
                registry,
                IntGauge::new("sidestream_history_bytes", "Bytes that the events in history weigh."),
            )?,
            dedupe_evicted_early: take(
                registry,
                IntCounter::new(
                    "sidestream_dedupe_evicted_early_total",
                    "Idempotency keys forgotten by count before their window was over.",
                ),
            )?,
        })
    }

    /// Takes over the log's counts. One caller at a time: the counter is brought up to the log's own.
    pub(super) fn refresh(&self, log: &dyn Log) {
        let usage = log.usage();
        self.log_up.set(i64::from(log.health() == Health::Up));
        self.topics.set(gauge(usage.topics));
        self.history_events.set(gauge(usage.events));
        self.history_bytes.set(gauge(usage.bytes));
        self.dedupe_evicted_early
            .inc_by(usage.dedupe_evicted_early.saturating_sub(self.dedupe_evicted_early.get()));
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn take<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<C, prometheus::Error>,
) -> Result<C, prometheus::Error> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
