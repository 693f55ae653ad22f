//! The application: puts the parts together.

use std::process::ExitCode;

use crate::config::Source;

/// Runs until the process is told to end.
#[must_use]
pub fn serve(source: &Source) -> ExitCode {
    let _ = source;
    ExitCode::FAILURE
}
