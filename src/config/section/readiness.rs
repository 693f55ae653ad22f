//! `readiness`: what `/readyz` depends on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin;

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Whether an outage of the log after the start makes the pod unready.
    pub log: Log,
}

/// `readiness.log` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Log {
    /// The log must have been up once; a later outage is 200 with `degraded`.
    Startup,
    /// Every outage of the log is 503.
    Always,
}

impl Default for Raw {
    fn default() -> Self {
        Self { log: Log::Startup }
    }
}

impl From<Log> for admin::Readiness {
    fn from(log: Log) -> Self {
        match log {
            Log::Startup => Self::Startup,
            Log::Always => Self::Always,
        }
    }
}
