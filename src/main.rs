//! The `sidestream` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidestream::cli::run()
}
