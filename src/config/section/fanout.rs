//! `fanout`: how events reach the connections.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::fanout::MAX_SHARDS;

/// The section as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Threads that write to subscribers. Without it: one per core. Needs a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
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

/// A machine with more cores still has no more shards than the interest map has bits.
const MOST: NonZeroUsize = NonZeroUsize::new(MAX_SHARDS).unwrap();

// The schema's bound, which must be a literal.
const _: () = assert!(MAX_SHARDS == 64);

impl Shards {
    /// The number, at least 1 and at most [`MAX_SHARDS`].
    #[must_use]
    pub fn count(self) -> NonZeroUsize {
        let count = match self {
            Self::Exactly(count) => count,
            Self::PerCore => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        count.min(MOST)
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
