//! The sources of a configuration, for commands that try requests on them.

use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{Config, Rejected, load_with};
use crate::ingress::{Registry, Source};

use super::args::ConfigFile;
use super::{Failure, complain};

/// Why a command that looks at sources ended without doing what it was asked for.
pub(super) enum Ended {
    /// The configuration is refused, which has been told.
    Refused(ExitCode),
    /// Something else is wrong.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(failure: E) -> Self {
        Self::Failed(failure.into())
    }
}

impl Ended {
    /// Tells what has not been told, and gives the process's exit code.
    pub(super) fn tell(self) -> ExitCode {
        match self {
            Self::Refused(code) => code,
            Self::Failed(failure) => {
                complain(&failure);
                ExitCode::FAILURE
            }
        }
    }
}

/// The configuration, and the source of this name in it.
pub(super) fn find(
    file: &ConfigFile,
    name: &str,
    brought: &Registry,
) -> Result<(Config, Arc<Source>), Ended> {
    let config = load_with(&file.source(), brought).map_err(|rejected| {
        rejected.problems.iter().for_each(|problem| complain(problem));
        Ended::Refused(ExitCode::from(Rejected::EXIT_CODE))
    })?;
    let sources = &config.config.ingress.sources;
    let Some(source) = sources.named(name) else {
        let known: Vec<&str> = sources.all().iter().map(|source| &*source.name).collect();
        let hint = if file.is_named() { "" } else { "; -c names a configuration" };
        return Err(format!("there is no source {name}; there are {}{hint}", known.join(", ")).into());
    };
    let source = Arc::clone(source);
    Ok((config.config, source))
}
