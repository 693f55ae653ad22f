//! `edge`: the public listener.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::config::check::Check;
use crate::config::written::{Age, AppUrl, Item, Listen, Prefix, Proxy, SlowSource, Span, SpanRange, Text};
use crate::net::Address;
use crate::{edge, fanout};

use super::proxy_protocol::ProxyProtocol;
use super::{between, cors};

/// A sign of life this often: below it, idle connections would cost more than events; above it, proxies in between
/// close what they take for dead, and a vanished subscriber is noticed late.
const HEARTBEAT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

/// Bounds on `retry:`. Below it a restart is answered by a storm of reconnects.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(1));

/// The least age at which streams end: below it subscribers do little but reconnect.
const CONNECTION_AGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(365 * 24));

/// Bounds on how long a subscriber may take nothing: below it a moment without a network ends streams.
const SLOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// Bounds on waiting for the app.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(7 * 24));

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Where it listens: `host:port`, `"[v6]:port"` or `unix:/path`; port 0 picks a free one.
    pub listen: Text<Listen>,
    /// Whether every connection begins with a PROXY header that says who the caller is.
    pub proxy_protocol: ProxyProtocol,
    /// The path below which topics are subscribed to.
    prefix: Text<Prefix>,
    /// The app that every other path is proxied to: `http://host:port`, `https://host:port` or `unix:/path`.
    /// Without one other paths are 404.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Text<AppUrl>>,
    /// How long the app may take.
    upstream_timeouts: RawTimeouts,
    /// How often every stream gets a sign of life.
    heartbeat: Text<Span>,
    /// How long subscribers wait before they reconnect; each is told a time between the two.
    retry: Text<SpanRange>,
    /// After how long a stream is ended cleanly, give or take a fifth, or off.
    max_connection_age: Text<Age>,
    /// What a subscriber gets when the server is temporarily unable.
    overload: Overload,
    /// What becomes of a subscriber that does not read what there is for it: `gap` or `{disconnect: 30s}`.
    slow: SlowSource,
    /// Which pages of other origins may read what is under the prefix. Without it none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    cors: Option<cors::Raw>,
    /// What one instance takes on.
    limits: RawLimits,
    /// Whose `X-Forwarded-*` and `Forwarded` are believed: networks, single addresses, or `unix` for whoever connects
    /// over a unix socket.
    #[schemars(length(max = 100))]
    trusted_proxies: Vec<Item<Proxy>>,
}

/// `edge.upstream_timeouts` as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RawTimeouts {
    /// To connect, TLS included.
    connect: Text<Span>,
    /// From the request to the first byte of the answer.
    first_byte: Text<Span>,
    /// Without a byte in either direction once the answer has begun.
    idle: Text<Span>,
}

/// `edge.limits` as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    /// Subscribers at most, clamped to the open-files limit less a reserve; 0 for that clamp alone.
    #[schemars(range(min = 0, max = 10_000_000))]
    connections: u32,
    /// Subscribers of one address at most (of one /64 where it is IPv6); 0 for no limit.
    #[schemars(range(min = 0, max = 10_000_000))]
    per_ip: u32,
    /// Subscribers of one subject at most, as their tokens say (`sub`); 0 for no limit.
    #[schemars(range(min = 0, max = 10_000_000))]
    per_subject: u32,
    /// Topics and patterns of one connection at most; 0 for no limit but the query's length.
    #[schemars(range(min = 0, max = 10_000))]
    topics_per_connection: u32,
    /// Subscribers that are let in within a second at most; 0 for no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    admissions_per_second: u32,
}

/// `edge.overload` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Overload {
    /// 200, a jittered retry: and a clean end, so that browsers come back by themselves.
    Retry,
    /// 503 with Retry-After: honest towards programs, final for a browser's `EventSource`.
    Status,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            listen: Text::of("127.0.0.1:8080"),
            proxy_protocol: ProxyProtocol::Off,
            prefix: Text::of("/topics"),
            upstream: None,
            upstream_timeouts: RawTimeouts::default(),
            heartbeat: Text::of("15s"),
            retry: Text::of("2s..4s"),
            max_connection_age: Text::of("off"),
            overload: Overload::Retry,
            slow: SlowSource::Gap,
            cors: None,
            limits: RawLimits::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for RawTimeouts {
    fn default() -> Self {
        Self { connect: Text::of("2s"), first_byte: Text::of("60s"), idle: Text::of("1h") }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            per_ip: 0,
            per_subject: 0,
            topics_per_connection: 64,
            admissions_per_second: 0,
        }
    }
}

impl Raw {
    /// The settings of the listener, which admits by `access`, and of the streams it hands on.
    pub fn build(&self, access: Auth, check: &mut Check<'_>) -> (edge::Settings, fanout::Settings) {
        if self.limits.per_subject > 0 && access.tokens.is_none() {
            let message = "never reached: without auth.jwt nobody says who they are";
            check.warn(&["edge.limits.per_subject", "auth.jwt"], message);
        }
        let edge = edge::Settings {
            prefix: self.prefix.0.0.clone(),
            upstream: self.upstream.as_ref().map(|url| url.0.0.clone()),
            timeouts: self.upstream_timeouts.build(check),
            overload: match self.overload {
                Overload::Retry => edge::Overload::Retry,
                Overload::Status => edge::Overload::Status,
            },
            cors: self.cors.as_ref().map(|cors| cors.build(check)),
            topics_per_connection: unlimited_at_zero(self.limits.topics_per_connection),
            trusted_proxies: self.trusted_proxies.iter().filter_map(Item::get).map(|proxy| proxy.0).collect(),
            access: Arc::new(access),
        };
        (edge, self.build_fanout(check))
    }

    fn build_fanout(&self, check: &mut Check<'_>) -> fanout::Settings {
        let SpanRange(low, high) = self.retry.0;
        let why = "less would answer a restart with a storm of reconnects";
        between(check, "edge.retry", low, RETRY, why);
        if low >= RETRY.0 {
            between(check, "edge.retry", high, RETRY, "more would leave subscribers away for too long");
        }
        let why = "less costs more than events do, more lets proxies close idle streams";
        let heartbeat = between(check, "edge.heartbeat", self.heartbeat.0.0, HEARTBEAT, why);
        let max_connection_age = self.max_connection_age.0.0.map(|age| {
            let why = "less would have subscribers do little but reconnect; off for no limit";
            between(check, "edge.max_connection_age", age, CONNECTION_AGE, why)
        });
        let max_connections = unlimited_at_zero(self.limits.connections);
        fanout::Settings {
            heartbeat,
            retry: (low, high),
            max_connection_age,
            max_connections,
            per_ip: self.limits.per_ip as usize,
            per_subject: self.limits.per_subject as usize,
            admissions_per_second: self.limits.admissions_per_second,
            slow: self.build_slow(check),
        }
    }

    fn build_slow(&self, check: &mut Check<'_>) -> fanout::Slow {
        match &self.slow {
            SlowSource::Gap => fanout::Slow::Gap,
            SlowSource::Disconnect(Text(Span(after))) => {
                let why = "less ends streams for a moment without a network; gap for never";
                fanout::Slow::Disconnect(between(check, "edge.slow.disconnect", *after, SLOW, why))
            }
        }
    }
}

/// A limit of which 0 is none.
fn unlimited_at_zero(limit: u32) -> usize {
    if limit == 0 { usize::MAX } else { limit as usize }
}

impl RawTimeouts {
    fn build(&self, check: &mut Check<'_>) -> edge::UpstreamTimeouts {
        let mut timeout = |key: &str, span: &Text<Span>| {
            let key = format!("edge.upstream_timeouts.{key}");
            between(check, &key, span.0.0, TIMEOUT, "none at all would fail every request")
        };
        edge::UpstreamTimeouts {
            connect: timeout("connect", &self.connect),
            first_byte: timeout("first_byte", &self.first_byte),
            idle: timeout("idle", &self.idle),
        }
    }
}

/// Refuses listeners that could not be bound beside each other. In the order edge, ingress, admin.
pub(super) fn distinct_listeners(addresses: [&Address; 3], check: &mut Check<'_>) {
    let keys = ["edge.listen", "ingress.listen", "admin.listen"];
    for (second, first) in [(1, 0), (2, 0), (2, 1)] {
        if collide(addresses[first], addresses[second]) {
            let [one, other] = [first, second].map(|i| format!("{} ({})", keys[i], addresses[i]));
            let message =
                format!("{one} and {other} cannot be bound beside each other; expected different ports");
            check.refuse_together(&[keys[second], keys[first]], message);
        }
    }
}

/// Whether the kernel would refuse the second of two addresses; judged without resolving names.
fn collide(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Unix(a), Address::Unix(b)) => a == b,
        (Address::Tcp { host: a, port: p }, Address::Tcp { host: b, port: q }) => {
            let wildcard = |host: &str| matches!(host, "0.0.0.0" | "::");
            let v4 = |host: &str| if host == "localhost" { "127.0.0.1".to_owned() } else { host.to_owned() };
            p == q && *p != 0 && (v4(a) == v4(b) || wildcard(a) || wildcard(b))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_that_cannot_stand_beside_each_other() {
        for (a, b, want) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("localhost:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "127.0.0.1:80", false),
        ] {
            let (a, b): (Address, Address) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(collide(&a, &b), want, "{a} {b}");
            assert_eq!(collide(&b, &a), want, "{b} {a}");
        }
    }
}
