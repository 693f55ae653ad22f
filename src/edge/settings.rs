//! What the edge is configured with.

use std::sync::Arc;

use super::client_address::TrustedProxies;
use super::cors::Cors;
use crate::auth::Auth;
use crate::net::{Upstream, UpstreamTimeouts};

/// The edge's part of the configuration. All of it is replaced by a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Path under which topics live: starts with `/`, does not end with one.
    pub prefix: String,
    /// The app; without one every other path is 404.
    pub upstream: Option<Upstream>,
    /// How long the app may take.
    pub timeouts: UpstreamTimeouts,
    /// What a subscriber gets when the server is temporarily unable.
    pub overload: Overload,
    /// Which pages of other origins may read what is under the prefix; none when none may.
    pub cors: Option<Cors>,
    /// Topics and patterns of one connection at most.
    pub topics_per_connection: usize,
    /// Whose word about their callers is believed.
    pub trusted_proxies: TrustedProxies,
    /// Who may listen.
    pub access: Arc<Auth>,
}

impl Settings {
    /// What of the app outlives the snapshot's guard.
    pub(super) fn app(&self) -> Option<(Upstream, UpstreamTimeouts)> {
        Some((self.upstream.clone()?, self.timeouts))
    }
}

/// The answer to a subscriber when the server is temporarily unable to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// `200`, a jittered `retry:` and a clean end: browsers come back by themselves.
    Retry,
    /// `503` with `Retry-After`: honest towards programs, final for a browser's `EventSource`.
    Status,
}
