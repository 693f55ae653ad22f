//! The `sidestream` program.
use std::process::ExitCode;
fn main() -> ExitCode {
    let source = std::env::args()
        .nth(1)
        .map_or(sidestream::config::Source::Defaults, |p| sidestream::config::Source::File(p.into()));
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    sidestream::app::serve(&source)
}
