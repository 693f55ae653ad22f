//! Keeps every raw run, one JSON line each, so that a figure in the README can be traced to its runs.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::args::Args;
use crate::contender::Kind;
use crate::scenario::{Outcome, Scenario};
use crate::{Res, procfs};

pub struct Recorder {
    file: Option<File>,
    scenario: Scenario,
    host: Value,
    arguments: Vec<String>,
}

impl Recorder {
    pub fn open(scenario: Scenario, args: &Args) -> Res<Recorder> {
        let file = if args.no_record || args.quick {
            None
        } else {
            create_dir_all(&args.out)?;
            let (date, _) = utc_now();
            let path = args.out.join(format!("{date}-{}.jsonl", scenario.name()));
            Some(OpenOptions::new().create(true).append(true).open(path)?)
        };
        let cores = std::thread::available_parallelism()?.get();
        let host = json!({ "kernel": procfs::kernel(), "cpu": procfs::cpu_model(), "cores": cores });
        let arguments = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
        Ok(Recorder { file, scenario, host, arguments })
    }

    pub fn keep(&mut self, kind: Kind, version: &str, round: usize, outcome: &Res<Outcome>) -> Res<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (date, time) = utc_now();
        let mut line = json!({
            "time": format!("{date}T{time}Z"),
            "scenario": self.scenario.name(),
            "contender": kind.name(),
            "version": version,
            "round": round,
            "host": self.host,
            "arguments": self.arguments,
        });
        match outcome {
            Ok(outcome) => {
                line["figures"] = json!(outcome.figures);
                line["detail"] = outcome.detail.clone();
            }
            Err(error) => line["error"] = json!(error.to_string()),
        }
        writeln!(file, "{line}")?;
        Ok(())
    }
}

/// Date and time of day. Days to a civil date as in Howard Hinnant's `civil_from_days`.
fn utc_now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let date = format!("{year:04}-{month:02}-{day:02}");
    (date, format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60))
}
