//! How the app is asked whether a request may listen.

use std::time::Duration;

use crate::net::Url;

/// `auth.forward`. All of it is replaced by a reload; its bounds and defaults are in `crate::forward::limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSettings {
    /// Where it is asked. Path and query are the URL's own: the original ones are told in fields.
    pub url: Url,
    /// How long it may take, from the question to the last line of its answer's head; waiting for a turn counts.
    pub timeout: Duration,
    /// How long an admission counts for equal questions. None: every request is asked about.
    pub cache: Option<Duration>,
}
