//! What the ingress is configured with.

use std::time::Duration;

use super::rate::Rate;

/// The ingress's part of the configuration. All of it is replaced by a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a body at most; counted as it streams.
    pub max_body: usize,
    /// How long a body may take from the request's head to its end.
    pub body_timeout: Duration,
    /// Webhooks of the source, from all senders together; none for no limit.
    pub rate: Option<Rate>,
    /// Webhooks from one address; none for no limit.
    pub rate_per_ip: Option<Rate>,
}
