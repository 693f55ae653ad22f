//! The load harness: sidestream beside a bare `send()` loop, a bare pingora handler, nchan and Node, and alone where it is
//! held to its own figures.
//!
//! ```text
//!  harness process                                      contender, a child process
//!   publisher thread ── POST, 200 stamped bytes ──────▶  :port
//!   subscribers (epoll) ◀── SSE ── scanner ── ledger ──  :port
//!   procfs ◀── CPU, PSS, sockstat ────────────────────   /proc/PID
//! ```
//! `benches/README.md` says what each scenario measures. Without arguments it checks its own parsers and prints its
//! usage, so that `cargo bench` and `cargo test --benches` stay fast.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts and microseconds of runs bounded in count and time, far below 2^31"
)]

mod args;
mod contender;
mod dial;
mod github;
mod http1;
mod ledger;
mod live;
mod metrics;
mod payload;
mod procfs;
mod publisher;
mod record;
mod report;
mod routed;
mod scanner;
mod scenario;
mod selfcheck;
mod stats;
mod subscribers;
mod sys;
mod targets;
mod tokens;
mod visits;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::Args;
use record::Recorder;
use report::Report;
use scenario::Scenario;

/// More than this taken by other programs makes a run a poor measurement.
const NOISE_CORES: f64 = 0.2;

/// Whatever ends a run.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
/// What a step of a run gives.
pub type Res<T> = Result<T, Failure>;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Res<ExitCode> {
    sys::raise_open_files();
    match arguments {
        [] => {
            selfcheck::run()?;
            println!("load: own checks passed\n\n{}", Args::command().render_help());
            return Ok(ExitCode::SUCCESS);
        }
        [serve, name, addr] if serve == "serve" => {
            match name.as_str() {
                "floor" => contender::serve_floor(addr.parse()?)?,
                "pingora" => contender::serve_pingora(addr.parse()?)?,
                _ => return Err(format!("no server {name:?}").into()),
            }
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let args = Args::try_parse_from(arguments).unwrap_or_else(|error| error.exit());
    let scenarios = args.scenarios()?;
    args.check()?;
    selfcheck::run()?;
    sys::watch_signals()?;
    let mut report = Report::default();
    for scenario in scenarios.iter().copied() {
        measure(scenario, &args, &mut report)?;
        println!("{}", report.scenario(scenario, &args));
    }
    if scenarios.len() > 1 {
        println!("For the README:\n\n{}", report.readme());
    }
    if let Some(targets) = targets::table(&report) {
        println!("Targets:\n\n{targets}");
    }
    Ok(if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a scenario's contenders in turn, round after round, so that whatever the machine does besides meets all.
fn measure(scenario: Scenario, args: &Args, report: &mut Report) -> Res<()> {
    let mut recorder = Recorder::open(scenario, args)?;
    let mut kinds = Vec::new();
    for kind in scenario.contenders().iter().copied().filter(|kind| args.wants(*kind)) {
        match kind.absent(args) {
            Some(why) => println!("{}: {} is skipped: {why}", scenario.name(), kind.name()),
            None => kinds.push((kind, kind.version(args))),
        }
    }
    let runs = args.runs(scenario);
    for round in 1..=runs {
        for (kind, version) in &kinds {
            let outcome = kind.start(args, scenario.settings()).and_then(|contender| {
                scenario
                    .run(&contender, args)
                    .map_err(|error| format!("{error} (its log: {})", contender.log_tail()).into())
            });
            sys::check_stop()?;
            recorder.keep(*kind, version, round, &outcome)?;
            print!("{} {round}/{runs} {:10}", scenario.name(), kind.name());
            match outcome {
                Ok(outcome) => {
                    for (name, value) in &outcome.figures {
                        print!(" {name}={}", report::number(*value));
                    }
                    println!();
                    if outcome.figures.get("other_cores").is_some_and(|cores| *cores > NOISE_CORES) {
                        println!("  others used the machine during this run: don't keep it as a measurement");
                    }
                    report.add(scenario, *kind, outcome.figures);
                }
                Err(error) => {
                    println!(" FAILED: {error}");
                    report.add_failure(scenario, *kind);
                }
            }
        }
    }
    Ok(())
}
