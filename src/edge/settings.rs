//! What the edge is configured with.

use std::path::PathBuf;
use std::time::Duration;

use super::client_address::TrustedProxies;
use super::cors::Cors;

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
}

/// The app that everything outside the prefix is proxied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Over TCP, plain or TLS.
    Tcp {
        /// `http` or `https`.
        scheme: UpstreamScheme,
        /// Name or address, v6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// Plain HTTP over a unix socket.
    Unix(PathBuf),
}

/// The scheme of an [`Upstream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamScheme {
    /// Plain.
    Http,
    /// TLS, verified against the system's roots.
    Https,
}

/// Time-outs towards the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To connect, TLS included; after it 502.
    pub connect: Duration,
    /// From the request to the first byte of the answer; after it 504.
    pub first_byte: Duration,
    /// Without a byte in either direction once the answer has begun.
    pub idle: Duration,
}

/// The answer to a subscriber when the server is temporarily unable to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// `200`, a jittered `retry:` and a clean end: browsers come back by themselves.
    Retry,
    /// `503` with `Retry-After`: honest towards programs, final for a browser's `EventSource`.
    Status,
}
