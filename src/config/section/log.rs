//! `log`: where events are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The key as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Raw {
    /// In this process: gone when it ends, which subscribers are told as a gap.
    #[default]
    Memory,
}

/// Which log keeps the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// In this process.
    Memory,
}

impl Raw {
    /// The kind.
    pub fn build(self) -> LogKind {
        match self {
            Self::Memory => LogKind::Memory,
        }
    }
}
