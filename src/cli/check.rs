//! `sidestream check`: what is wrong with a configuration.

use std::process::ExitCode;

use crate::config::{Rejected, Source, load_with};
use crate::ingress::Registry;

use super::{complain, print_line};

/// Prints every problem and warning; the exit code says whether the configuration is good.
pub(super) fn run(source: &Source, brought: &Registry) -> ExitCode {
    let (lines, code) = match load_with(source, brought) {
        Ok(loaded) => {
            let warning = |problem: &crate::config::Problem| {
                let message = format!("warning: {}", problem.message);
                crate::config::Problem { message, ..problem.clone() }.to_string()
            };
            let mut lines: Vec<String> = loaded.warnings.iter().map(warning).collect();
            lines.push(match source {
                Source::Defaults => "the defaults are good (no file was named)".into(),
                Source::File(path) => format!("{}: good", path.display()),
            });
            (lines, ExitCode::SUCCESS)
        }
        Err(rejected) => {
            (rejected.problems.iter().map(ToString::to_string).collect(), ExitCode::from(Rejected::EXIT_CODE))
        }
    };
    match lines.iter().try_for_each(|line| print_line(line)) {
        Ok(()) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}
