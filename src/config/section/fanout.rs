//! `fanout`: how events reach the connections.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;

/// The section as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Threads that write to subscribers. Without it: one per core. Needs a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    shards: Option<u16>,
}

/// How many shards there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// As many as the process may use cores.
    PerCore,
    /// So many.
    Exactly(NonZeroUsize),
}

impl Shards {
    /// The number, at least 1.
    #[must_use]
    pub fn count(self) -> NonZeroUsize {
        match self {
            Self::Exactly(count) => count,
            Self::PerCore => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Raw {
    /// The number of shards.
    pub fn build(&self, _: &mut Check<'_>) -> Shards {
        match self.shards.and_then(|count| NonZeroUsize::new(count.into())) {
            Some(count) => Shards::Exactly(count),
            None => Shards::PerCore,
        }
    }
}
