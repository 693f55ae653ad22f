//! The command line: reads the arguments and runs one command.
//!
//! Exit codes: 0 when done, 2 for wrong arguments, 78 (`EX_CONFIG`) for a configuration that is refused, 1 otherwise.

mod args;
mod check;
mod eval;
mod healthcheck;
mod input;
mod logging;
mod publish;
mod request;
mod sign;
mod sources;
mod tail;
mod token;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

use args::{Cli, Command};
use sources::Ended;

use crate::event::Millis;
use crate::ingress::Registry;

/// Why a command did not do what it was asked for; shown on standard error, exit code 1.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the process's arguments ask for.
#[must_use]
pub fn run() -> ExitCode {
    run_with(&Arc::default())
}

/// As [`run`], with what the program brings along.
#[must_use]
pub fn run_with(brought: &Arc<Registry>) -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => return serve(&cli.config, brought),
        Some(Command::Serve(config)) => return serve(&config, brought),
        Some(Command::Check(config)) => return check::run(&config.source(), brought),
        Some(Command::Schema) => print_schema(),
        Some(Command::Publish(args)) => blocking(publish::run(&args)),
        Some(Command::Tail(args)) => blocking(tail::run(args)),
        Some(Command::Healthcheck(args)) => blocking(healthcheck::run(&args)),
        Some(Command::Sign(args)) => {
            return sign::run(&args, brought).map_or_else(Ended::tell, |()| ExitCode::SUCCESS);
        }
        Some(Command::Token(args)) => {
            return token::run(&args, brought).map_or_else(Ended::tell, |()| ExitCode::SUCCESS);
        }
        Some(Command::Eval(args)) => return eval::run(&args, brought).unwrap_or_else(Ended::tell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &args::ConfigFile, brought: &Arc<Registry>) -> ExitCode {
    logging::start();
    crate::app::serve_with(&config.source(), brought)
}

fn print_schema() -> Result<(), Failure> {
    let schema = serde_json::to_string_pretty(&*crate::config::SCHEMA)?;
    print_line(&schema).map_err(Into::into)
}

/// Runs a command that talks to a server, on this thread.
fn blocking(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The clock on the wall.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Prints a line. A reader that has gone away (`sidestream tail orders | head -1`) is no failure, but the end.
fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other,
    }
}

/// Says something to the person at the terminal. Where standard error is closed there is no one to tell.
fn complain(what: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "sidestream: {what}");
}
