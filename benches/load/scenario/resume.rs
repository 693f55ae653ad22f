//! `resume`: how fast a subscriber that asks for everything in history gets it.
//!
//! One topic holds 10,000 events; ten others share as many, for a pattern. Each form is asked for twenty times, one after
//! the other; each time every event must come, in the same order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::{Contender, Endpoint};
use crate::ledger::Ledger;
use crate::procfs::cpu_micros;
use crate::publisher::{self, Route};
use crate::stats::median;
use crate::subscribers::{Ends, Subscribers};

pub const EVENTS: u32 = 10_000;
pub const TIMES: usize = 20;
/// Room for both; and per topic, for all of its events.
pub const SETTINGS: &str = "history: { events: 10000, bytes: 32MiB, age: 1h, total: 128MiB }\n";
const TOPICS: u32 = 10;
const TICK: Duration = Duration::from_millis(10);
/// A resume that takes longer has stopped.
const LIMIT: Duration = Duration::from_secs(30);

const FORMS: [(&str, [&str; 2]); 3] = [
    ("one?since=start", ["topic_per_s", "topic_per_core_s"]),
    ("many.*?since=start", ["pattern_per_s", "pattern_per_core_s"]),
    ("one?since=start&format=envelope", ["envelope_per_s", "envelope_per_core_s"]),
];

pub fn run(contender: &Contender, _: &Args) -> Res<Outcome> {
    fill(&contender.publish, "one", 1)?;
    fill(&contender.publish, "many", TOPICS)?;
    let mut outcome = Outcome::default();
    let mut detail = json!({});
    for (form, [wall, core]) in FORMS {
        let path = contender.subscribe.path.replace("bench", form);
        let resumes = resume(contender, &contender.subscribe.at(path), &mut outcome)?;
        let mut seconds = resumes.seconds;
        detail[form] = json!(seconds);
        let events = f64::from(EVENTS);
        outcome.figures.extend([
            (wall, events / median(&mut seconds).unwrap_or(f64::INFINITY)),
            (core, events * TIMES as f64 / (resumes.cpu_micros / 1e6)),
        ]);
    }
    outcome.detail = detail;
    Ok(outcome)
}

/// Publishes `EVENTS` under a name, or to that many topics under it.
fn fill(to: &Endpoint, name: &'static str, topics: u32) -> Res<()> {
    let path_of = move |number: u32| match topics {
        1 => format!("/webhooks/{name}"),
        _ => format!("/webhooks/{name}.{}", number % topics),
    };
    publisher::fill(Route::Each(to.clone(), Arc::new(path_of)), EVENTS)
}

struct Resumes {
    /// Of each, from before the connection to the last event.
    seconds: Vec<f64>,
    /// Of the server, for all of them, connections included.
    cpu_micros: f64,
}

fn resume(contender: &Contender, from: &Endpoint, outcome: &mut Outcome) -> Res<Resumes> {
    let pids = contender.pids();
    let (mut ledger, mut seconds, mut gaps) = (Ledger::new(TIMES), Vec::new(), 0);
    let before = cpu_micros(&pids);
    for reader in 0..TIMES {
        let begun = Instant::now();
        let path = from.path.to_string();
        let mut subscriber = Subscribers::begin(from.addr, 1, Ends::Failure, move |_| path.clone())?;
        let mut count = 0;
        while count < EVENTS {
            subscriber.poll(TICK, |_, stamp| {
                ledger.take(reader, stamp);
                count += 1;
            })?;
            if begun.elapsed() > LIMIT {
                return Err(format!("{count} of {EVENTS} events of {} in {LIMIT:?}", from.path).into());
            }
        }
        seconds.push(begun.elapsed().as_secs_f64());
        gaps += subscriber.gaps();
    }
    let cpu_micros = cpu_micros(&pids) - before;
    let faults = ledger.faults(EVENTS);
    for (name, count) in [
        ("missing", faults.missing),
        ("doubled", faults.doubled),
        ("disordered", faults.disordered),
        ("gaps", gaps),
    ] {
        *outcome.figures.entry(name).or_default() += count as f64;
    }
    Ok(Resumes { seconds, cpu_micros })
}
