//! The command line, and the sizes of each scenario that it settles.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::contender::{ALL, Kind, find_program};
use crate::scenario::Scenario;
use crate::{Res, sys};

/// Descriptors a server or the harness needs beside its connections.
const FILES_RESERVE: u64 = 200;

/// Compares sidestream with a bare `send()` loop, a bare pingora handler, nchan and Node on loopback.
#[derive(Parser, Debug)]
#[command(
    name = "load",
    no_binary_name = true,
    override_usage = "cargo bench --bench load -- SCENARIO [OPTIONS]"
)]
pub struct Args {
    /// cpu, throughput, idle, webhooks, churn, resume, topics, patterns, replay, admin, sources, auth, several with commas, or all
    #[arg(value_delimiter = ',', required = true)]
    pub scenario: Vec<String>,
    /// Only these, comma-separated: floor, pingora, sidestream, nchan, node
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Interleaved runs, of which the median is shown [default: 5; churn and --quick: 1]
    #[arg(long)]
    pub runs: Option<usize>,
    /// Small, short and not kept: to see that it works, not to measure
    #[arg(long)]
    pub quick: bool,
    /// Subscribers of cpu and throughput, those of admin that hear, those of replay that resume, both halves of auth [default: 1000]
    #[arg(long)]
    pub subscribers: Option<usize>,
    /// Connections of idle, churn, topics and admin, visits of each way of auth; patterns takes 10,000 of them [default: 15000]
    #[arg(long)]
    pub connections: Option<usize>,
    /// Events per second [default: cpu, replay, admin 50; throughput, topics 1000; patterns, auth 400]
    #[arg(long)]
    pub rate: Option<f64>,
    /// Length of the measured window in seconds [default: 10]
    #[arg(long)]
    pub seconds: Option<f64>,
    #[arg(long, default_value = "target/release/sidestream")]
    pub sidestream: PathBuf,
    #[arg(long, default_value_os_t = find_program("nginx"))]
    pub nginx: PathBuf,
    #[arg(long, default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    pub nchan_module: PathBuf,
    #[arg(long, default_value_os_t = find_program("node"))]
    pub node: PathBuf,
    /// Folder of the raw runs
    #[arg(long, default_value = "benches/runs")]
    pub out: PathBuf,
    /// Don't keep the raw runs
    #[arg(long)]
    pub no_record: bool,
}

impl Args {
    pub fn scenarios(&self) -> Res<Vec<Scenario>> {
        if self.scenario.iter().any(|name| name == "all") {
            return Ok(Scenario::ALL.to_vec());
        }
        let find = |name: &String| {
            let found = Scenario::ALL.into_iter().find(|s| s.name() == name);
            found.ok_or_else(|| format!("no scenario {name:?}; see --help").into())
        };
        self.scenario.iter().map(find).collect()
    }

    pub fn wants(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == kind.name())
    }

    pub fn check(&self) -> Res<()> {
        if let Some(name) = self.only.iter().find(|name| ALL.iter().all(|kind| kind.name() != *name)) {
            return Err(format!("no contender {name:?}; see --help").into());
        }
        let most = sys::raise_open_files().saturating_sub(FILES_RESERVE) as usize;
        let wanted = self.connections().max(self.subscribers());
        if wanted > most {
            return Err(format!("{wanted} connections: the open-files limit allows {most}").into());
        }
        Ok(())
    }

    pub fn runs(&self, scenario: Scenario) -> usize {
        let default = if self.quick || scenario == Scenario::Churn { 1 } else { 5 };
        self.runs.unwrap_or(default).max(1)
    }

    pub fn subscribers(&self) -> usize {
        self.subscribers.unwrap_or(1000)
    }

    /// Subscribers of `replay` that resume at once.
    pub fn replays(&self) -> usize {
        self.subscribers.unwrap_or(if self.quick { 100 } else { 1000 })
    }

    pub fn connections(&self) -> usize {
        self.connections.unwrap_or(if self.quick { 2000 } else { 15_000 })
    }

    pub fn cycles(&self) -> usize {
        if self.quick { 3 } else { 10 }
    }

    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 2.0 } else { 10.0 }))
    }

    /// Published before the window, checked, not measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 2 })
    }
}
