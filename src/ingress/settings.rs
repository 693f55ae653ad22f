//! What the ingress is configured with.

use std::time::Duration;

use super::rate::Rate;
use super::source::Sources;

/// The ingress's part of the configuration. All of it is replaced by a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a body at most; counted as it streams.
    pub max_body: usize,
    /// How long a body may take from the request's head to its end.
    pub body_timeout: Duration,
    /// How long the idempotency key of a source that says nothing else is remembered.
    pub dedupe_window: Duration,
    /// Webhooks of all sources and senders together; none for no limit.
    pub rate: Option<Rate>,
    /// Webhooks from one address; none for no limit.
    pub rate_per_ip: Option<Rate>,
    /// Who may send.
    pub sources: Sources,
}
