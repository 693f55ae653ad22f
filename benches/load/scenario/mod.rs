//! What is measured. A scenario runs against one running contender and returns named figures.

mod churn;
mod delivery;
mod idle;
mod webhooks;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Res;
use crate::args::Args;
use crate::contender::{Contender, Kind};

/// Figures that must be 0 in every run; the worst run counts, not the median.
pub const FAULTS: [&str; 5] = ["missing", "doubled", "disordered", "gaps", "refused"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    Cpu,
    Throughput,
    Idle,
    Webhooks,
    Churn,
}

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

/// Named figures of one run, and what else is worth keeping of it.
#[derive(Default)]
pub struct Outcome {
    pub figures: BTreeMap<&'static str, f64>,
    pub detail: Value,
}

impl Scenario {
    pub const ALL: [Scenario; 5] =
        [Scenario::Cpu, Scenario::Throughput, Scenario::Idle, Scenario::Webhooks, Scenario::Churn];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Cpu => "cpu",
            Scenario::Throughput => "throughput",
            Scenario::Idle => "idle",
            Scenario::Webhooks => "webhooks",
            Scenario::Churn => "churn",
        }
    }

    pub fn contenders(self) -> &'static [Kind] {
        use Kind::{Floor, Nchan, Node, Pingora, Sidestream};
        match self {
            Scenario::Cpu | Scenario::Throughput | Scenario::Idle => {
                &[Floor, Pingora, Sidestream, Nchan, Node]
            }
            Scenario::Webhooks | Scenario::Churn => &[Pingora, Sidestream, Nchan, Node],
        }
    }

    pub fn title(self, args: &Args) -> String {
        let (subscribers, connections) = (args.subscribers(), args.connections());
        match self {
            Scenario::Cpu | Scenario::Throughput => {
                format!("{}: {subscribers} subscribers, {} events/s offered", self.name(), self.rate(args))
            }
            Scenario::Idle => format!("idle: {connections} connections"),
            Scenario::Webhooks => {
                format!("webhooks: {} keep-alive connections, no subscriber", webhooks::LANES)
            }
            Scenario::Churn => format!("churn: {} cycles of {connections} connections", args.cycles()),
        }
    }

    /// Columns of the report.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Scenario::Cpu | Scenario::Throughput => {
                const {
                    &[
                        compared("deliveries_per_s", "deliveries/s", 1.0),
                        compared("cpu_us_per_delivery", "CPU µs/delivery", 1.0),
                        compared("accepted_per_s", "events/s accepted", 1.0),
                        compared("latency_p50_us", "latency p50 ms", MILLI),
                        compared("latency_p99_us", "p99 ms", MILLI),
                        compared("wait_p50_us", "publisher waits ms", MILLI),
                        shown("server_cores", "server cores", 1.0),
                        shown("generator_cores", "generator", 1.0),
                        shown("other_cores", "others", 1.0),
                    ]
                }
            }
            Scenario::Idle => {
                const {
                    &[
                        compared("pss_per_connection", "PSS bytes/connection", 1.0),
                        compared("cpu_us_per_connect", "CPU µs/connect", 1.0),
                        shown("tcp_buffer_per_connection", "TCP buffer bytes/connection, both ends", 1.0),
                        shown("pss_start", "PSS KiB at start", KIBI),
                    ]
                }
            }
            Scenario::Webhooks => {
                const {
                    &[
                        compared("webhooks_per_s", "webhooks/s", 1.0),
                        compared("cpu_us_per_webhook", "CPU µs/webhook", 1.0),
                        compared("wait_p50_us", "wait p50 ms", MILLI),
                        compared("wait_p99_us", "wait p99 ms", MILLI),
                        shown("server_cores", "server cores", 1.0),
                        shown("generator_cores", "generator", 1.0),
                        shown("other_cores", "others", 1.0),
                    ]
                }
            }
            Scenario::Churn => {
                const {
                    &[
                        shown("pss_second_cycle", "PSS KiB after cycle 2", KIBI),
                        shown("pss_last_cycle", "PSS KiB after the last", KIBI),
                        shown("growth", "last / cycle 2", 1.0),
                        shown("zero_s", "gauge at 0 after s, slowest", 1.0),
                    ]
                }
            }
        }
    }

    fn rate(self, args: &Args) -> f64 {
        args.rate.unwrap_or(if self == Scenario::Cpu { 50.0 } else { 1000.0 })
    }

    pub fn run(self, contender: &Contender, args: &Args) -> Res<Outcome> {
        match self {
            // At 50 events/s eight lanes are there for those whose answer takes longer than 20 ms.
            Scenario::Cpu => {
                delivery::run(contender, args, &delivery::Offer { rate: self.rate(args), lanes: 8 })
            }
            Scenario::Throughput => {
                delivery::run(contender, args, &delivery::Offer { rate: self.rate(args), lanes: 64 })
            }
            Scenario::Idle => idle::run(contender, args),
            Scenario::Webhooks => webhooks::run(contender, args),
            Scenario::Churn => churn::run(contender, args),
        }
    }
}
