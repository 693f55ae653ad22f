//! The application: puts the parts together.

use std::process::ExitCode;

use crate::config::Source;

/// Runs until the process is told to end.
#[must_use]
pub fn serve(source: &Source) -> ExitCode {
    match crate::config::load(source) {
        Ok(_) => ExitCode::FAILURE,
        Err(rejected) => {
            tracing::error!("{rejected}");
            ExitCode::from(crate::config::Rejected::EXIT_CODE)
        }
    }
}
