//! What the admin listener is configured with.

use crate::secret::Secret;

/// The admin listener's part of the configuration. All of it is replaced by a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bearer token that writes need. Without one, writes are allowed from loopback peers only.
    pub token: Option<Secret>,
    /// What `/readyz` says of a log that is down after it was up.
    pub readiness: Readiness,
}

/// Whether an outage of the log after the start makes the pod unready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The log must have been up once; a later outage is 200 with `degraded`, since readiness gates the whole pod.
    Startup,
    /// Every outage of the log is 503.
    Always,
}
