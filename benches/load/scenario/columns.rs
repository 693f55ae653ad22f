//! Which figures of a scenario its table shows.

use super::Scenario;

const MILLI: f64 = 0.001;
const KIBI: f64 = 1.0 / 1024.0;

/// A figure in the report, its heading, the factor from its unit to the heading's.
pub struct Column {
    pub figure: &'static str,
    pub heading: &'static str,
    pub factor: f64,
    /// Whether ratios to the floor and to nchan mean something.
    pub compared: bool,
}

const fn compared(figure: &'static str, heading: &'static str, factor: f64) -> Column {
    Column { figure, heading, factor, compared: true }
}

const fn shown(figure: &'static str, heading: &'static str, factor: f64) -> Column {
    Column { figure, heading, factor, compared: false }
}

const DELIVERY: &[Column] = &[
    compared("deliveries_per_s", "deliveries/s", 1.0),
    compared("cpu_us_per_delivery", "CPU µs/delivery", 1.0),
    compared("accepted_per_s", "events/s accepted", 1.0),
    compared("latency_p50_us", "latency p50 ms", MILLI),
    compared("latency_p99_us", "p99 ms", MILLI),
    compared("wait_p50_us", "publisher waits ms", MILLI),
    shown("server_cores", "server cores", 1.0),
    shown("generator_cores", "generator", 1.0),
    shown("other_cores", "others", 1.0),
];

const IDLE: &[Column] = &[
    compared("pss_per_connection", "PSS bytes/connection", 1.0),
    compared("cpu_us_per_connect", "CPU µs/connect", 1.0),
    shown("tcp_buffer_per_connection", "TCP buffer bytes/connection, both ends", 1.0),
    shown("pss_start", "PSS KiB at start", KIBI),
];

const WEBHOOKS: &[Column] = &[
    compared("webhooks_per_s", "webhooks/s", 1.0),
    compared("cpu_us_per_webhook", "CPU µs/webhook", 1.0),
    compared("wait_p50_us", "wait p50 ms", MILLI),
    compared("wait_p99_us", "wait p99 ms", MILLI),
    shown("server_cores", "server cores", 1.0),
    shown("generator_cores", "generator", 1.0),
    shown("other_cores", "others", 1.0),
];

const CHURN: &[Column] = &[
    shown("pss_second_cycle", "PSS KiB after cycle 2", KIBI),
    shown("pss_last_cycle", "PSS KiB after the last", KIBI),
    shown("growth", "last / cycle 2", 1.0),
    shown("zero_s", "gauge at 0 after s, slowest", 1.0),
];

const RESUME: &[Column] = &[
    shown("topic_per_s", "one topic, events/s", 1.0),
    shown("topic_per_core_s", "per CPU second", 1.0),
    shown("pattern_per_s", "pattern, events/s", 1.0),
    shown("pattern_per_core_s", "per CPU second", 1.0),
    shown("envelope_per_s", "envelope, events/s", 1.0),
    shown("envelope_per_core_s", "per CPU second", 1.0),
];

const TOPICS: &[Column] = &[
    shown("cpu_us_few", "10 topics, CPU µs/event", 1.0),
    shown("cpu_us_many", "many, CPU µs/event", 1.0),
    shown("cpu_ratio", "ratio", 1.0),
    shown("net_ratio", "without heartbeats", 1.0),
    shown("wait_p50_us_few", "10 topics, wait p50 ms", MILLI),
    shown("wait_p50_us_many", "many, wait p50 ms", MILLI),
    shown("wait_ratio", "ratio", 1.0),
    shown("pss_per_connection", "PSS bytes/connection", 1.0),
    shown("other_cores", "others", 1.0),
];

/// CPU without heartbeats.
const PATTERNS: &[Column] = &[
    shown("net_us_10", "CPU µs/event, 10", 1.0),
    shown("net_us_100", "100", 1.0),
    shown("net_us_1000", "1,000", 1.0),
    shown("net_us_most", "most", 1.0),
    shown("growth", "most / 10", 1.0),
    shown("net_us_match_10", "most, 10 match", 1.0),
    shown("net_us_match_100", "most, 100 match", 1.0),
    shown("wait_p50_us_10", "wait p50 ms, 10", MILLI),
    shown("wait_p50_us_most", "most", MILLI),
    shown("other_cores", "others", 1.0),
];

const REPLAY: &[Column] = &[
    shown("p99_before_us", "live p99 ms before", MILLI),
    shown("p99_during_us", "during", MILLI),
    shown("p99_ratio", "ratio", 1.0),
    shown("rss_before", "RSS KiB before", KIBI),
    shown("rss_peak", "peak", KIBI),
    shown("rss_after", "after", KIBI),
    shown("replay_s", "all complete after s", 1.0),
    shown("replay_per_core_s", "events/CPU second", 1.0),
    shown("sent_away", "sent away", 1.0),
    shown("server_cores", "server cores", 1.0),
];

const ADMIN: &[Column] = &[
    shown("p99_before_us", "live p99 ms", MILLI),
    shown("p99_during_us", "p99 ms while listed", MILLI),
    shown("p99_ratio", "ratio", 1.0),
    shown("p50_before_us", "p50 ms", MILLI),
    shown("p50_during_us", "p50 ms while listed", MILLI),
    shown("pages_per_s", "pages/s", 1.0),
    shown("server_cores", "server cores", 1.0),
    shown("generator_cores", "generator", 1.0),
    shown("other_cores", "others", 1.0),
];

const SOURCES: &[Column] = &[
    shown("cpu_us_plain", "plain, CPU µs/webhook", 1.0),
    shown("cpu_us_text", "plain text", 1.0),
    shown("cpu_us_verified", "verified", 1.0),
    shown("cpu_us_mapped", "mapped", 1.0),
    shown("cpu_us_github", "verified and mapped", 1.0),
    shown("ratio_json", "plain JSON / text", 1.0),
    shown("ratio_verified", "verified / plain", 1.0),
    shown("ratio_mapped", "mapped / plain", 1.0),
    shown("ratio_github", "both / plain", 1.0),
    shown("wait_us_plain", "plain, wait p50 ms", MILLI),
    shown("wait_us_github", "both", MILLI),
    shown("server_cores", "server cores", 1.0),
    shown("other_cores", "others", 1.0),
];

impl Scenario {
    /// Columns of the report.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Scenario::Cpu | Scenario::Throughput => DELIVERY,
            Scenario::Idle => IDLE,
            Scenario::Webhooks => WEBHOOKS,
            Scenario::Churn => CHURN,
            Scenario::Resume => RESUME,
            Scenario::Topics => TOPICS,
            Scenario::Patterns => PATTERNS,
            Scenario::Replay => REPLAY,
            Scenario::Admin => ADMIN,
            Scenario::Sources => SOURCES,
        }
    }
}
