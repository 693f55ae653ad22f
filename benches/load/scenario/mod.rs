//! What is measured. A scenario runs against one running contender and returns named figures.

mod admin;
mod auth;
mod churn;
mod columns;
mod cost;
mod delivery;
mod granted;
mod idle;
mod patterns;
mod replay;
mod resume;
mod sources;
mod topics;
mod webhooks;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Res;
use crate::args::Args;
use crate::contender::{Contender, Kind};
use crate::{github, tokens};

/// Figures that must be 0 in every run; the worst run counts, not the median.
pub const FAULTS: [&str; 7] = ["missing", "doubled", "disordered", "stray", "gaps", "refused", "unlisted"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    Cpu,
    Throughput,
    Idle,
    Webhooks,
    Churn,
    Resume,
    Topics,
    Patterns,
    Replay,
    Admin,
    Sources,
    Auth,
}

/// Named figures of one run, and what else is worth keeping of it.
#[derive(Default)]
pub struct Outcome {
    pub figures: BTreeMap<&'static str, f64>,
    pub detail: Value,
}

impl Scenario {
    pub const ALL: [Scenario; 12] = [
        Scenario::Cpu,
        Scenario::Throughput,
        Scenario::Idle,
        Scenario::Webhooks,
        Scenario::Churn,
        Scenario::Resume,
        Scenario::Topics,
        Scenario::Patterns,
        Scenario::Replay,
        Scenario::Admin,
        Scenario::Sources,
        Scenario::Auth,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Cpu => "cpu",
            Scenario::Throughput => "throughput",
            Scenario::Idle => "idle",
            Scenario::Webhooks => "webhooks",
            Scenario::Churn => "churn",
            Scenario::Resume => "resume",
            Scenario::Topics => "topics",
            Scenario::Patterns => "patterns",
            Scenario::Replay => "replay",
            Scenario::Admin => "admin",
            Scenario::Sources => "sources",
            Scenario::Auth => "auth",
        }
    }

    pub fn contenders(self) -> &'static [Kind] {
        use Kind::{Floor, Nchan, Node, Pingora, Sidestream};
        match self {
            Scenario::Cpu | Scenario::Throughput | Scenario::Idle => {
                &[Floor, Pingora, Sidestream, Nchan, Node]
            }
            Scenario::Webhooks | Scenario::Churn => &[Pingora, Sidestream, Nchan, Node],
            Scenario::Resume
            | Scenario::Topics
            | Scenario::Patterns
            | Scenario::Replay
            | Scenario::Admin
            | Scenario::Sources
            | Scenario::Auth => &[Sidestream],
        }
    }

    /// What sidestream is configured with, beside its ports.
    pub fn settings(self) -> &'static str {
        match self {
            Scenario::Resume => resume::SETTINGS,
            Scenario::Replay => replay::SETTINGS,
            Scenario::Sources => sources::SETTINGS,
            Scenario::Auth => tokens::SETTINGS,
            _ => "",
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
            Scenario::Resume => {
                format!("resume: {} events of history, {} times each", resume::EVENTS, resume::TIMES)
            }
            Scenario::Topics => {
                let topics = topics::many(connections);
                format!(
                    "topics: {topics} with one subscriber each, {} events/s to any of them",
                    self.rate(args)
                )
            }
            Scenario::Patterns => {
                let most = patterns::most(connections);
                format!("patterns: up to {most} distinct ones, {} events/s", self.rate(args))
            }
            Scenario::Replay => {
                let (replays, live) = (args.replays(), replay::LIVE);
                format!(
                    "replay: {replays} resume 4 MB at once, {} events/s to {live} others",
                    self.rate(args)
                )
            }
            Scenario::Admin => {
                let rate = self.rate(args);
                format!(
                    "admin: {connections} connections listed in a loop, {rate} events/s to {subscribers} of them"
                )
            }
            Scenario::Sources => {
                format!("sources: {} bytes over {} keep-alive connections", github::LEN, webhooks::LANES)
            }
            Scenario::Auth => {
                let rate = self.rate(args);
                format!(
                    "auth: {connections} visits each way, {rate} events/s to {subscribers} subscribers in turn"
                )
            }
        }
    }

    fn rate(self, args: &Args) -> f64 {
        args.rate.unwrap_or(match self {
            Scenario::Cpu | Scenario::Replay | Scenario::Admin => 50.0,
            // A hundred deliveries of each; and to half of the subscribers: enough CPU to be told apart.
            Scenario::Patterns | Scenario::Auth => 400.0,
            _ => 1000.0,
        })
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
            Scenario::Resume => resume::run(contender, args),
            Scenario::Topics => topics::run(contender, args, self.rate(args)),
            Scenario::Patterns => patterns::run(contender, args, self.rate(args)),
            Scenario::Replay => replay::run(contender, args, self.rate(args)),
            Scenario::Admin => admin::run(contender, args, self.rate(args)),
            Scenario::Sources => sources::run(contender, args),
            Scenario::Auth => auth::run(contender, args, self.rate(args)),
        }
    }
}

/// Own checks of the scenarios that work out who gets what.
pub fn check() -> Res<()> {
    topics::check()?;
    patterns::check()?;
    sources::check()?;
    auth::check()
}
