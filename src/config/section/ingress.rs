//! `ingress`: the internal listener.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::written::{Listen, Size, Span, Text, show_size};
use crate::ingress;

use super::between;
use super::proxy_protocol::ProxyProtocol;

/// The largest body that may be allowed. A body is held in memory whole, and so is the event it becomes.
pub(super) const MAX_BODY: usize = 256 * 1024 * 1024;

/// Bounds on a body's time. Longer would let slow senders pile up.
const BODY_TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(1));

/// Bounds on the dedupe window. Senders retry for days at most; each key takes memory for that long.
pub(super) const DEDUPE_WINDOW: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_hours(30 * 24));

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Where it listens: `host:port`, `"[v6]:port"` or `unix:/path`; port 0 picks a free one.
    pub listen: Text<Listen>,
    /// Whether every connection begins with a PROXY header that says who the caller is.
    pub proxy_protocol: ProxyProtocol,
    /// The largest body of a webhook; a larger one is 413.
    max_body: Text<Size>,
    /// How long a body may take to arrive whole; a slower one is 408.
    body_timeout: Text<Span>,
    /// How long and how many idempotency keys are remembered.
    pub dedupe: Dedupe,
    /// How often webhooks are taken, from all senders together; more are 429. Without it there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
    /// How often webhooks are taken from one address (of IPv6: from one network of 64 bits); more are 429. Without it
    /// there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_ip: Option<Rate>,
}

/// A rate as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    /// Webhooks a second, on average.
    #[schemars(required, range(min = 1, max = 1_000_000))]
    per_second: Option<NonZeroU32>,
    /// Webhooks at once, after a pause. Without it: as many as `per_second`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    burst: Option<NonZeroU32>,
}

impl Rate {
    /// Where the average is missing it has been reported, and what is built is not used.
    pub fn build(self) -> Option<ingress::Rate> {
        let per_second = self.per_second?;
        Some(ingress::Rate::per_second(per_second, self.burst.unwrap_or(per_second)))
    }
}

/// `ingress.dedupe` as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Dedupe {
    /// How long a key is remembered.
    window: Text<Span>,
    /// Keys remembered at most; the oldest goes first.
    #[schemars(range(min = 1, max = 10_000_000))]
    keys: u32,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            listen: Text::of("127.0.0.1:8081"),
            proxy_protocol: ProxyProtocol::Off,
            max_body: Text::of("1MiB"),
            body_timeout: Text::of("10s"),
            dedupe: Dedupe::default(),
            rate: None,
            rate_per_ip: None,
        }
    }
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { window: Text::of("1h"), keys: 100_000 }
    }
}

impl Raw {
    /// The listener's settings.
    pub fn build(
        &self,
        dedupe_window: Duration,
        sources: ingress::Sources,
        check: &mut Check<'_>,
    ) -> ingress::Settings {
        let Size(max_body) = self.max_body.0;
        if max_body > MAX_BODY {
            let (most, got) = (show_size(MAX_BODY), self.max_body.0);
            let message = format!("expected at most {most} (a body is held in memory whole); got {got}");
            check.refuse("ingress.max_body", message);
        }
        let why = "less fails honest senders, more lets slow ones pile up";
        let body_timeout = between(check, "ingress.body_timeout", self.body_timeout.0.0, BODY_TIMEOUT, why);
        for (index, source) in sources.all().iter().enumerate() {
            let limits = &source.limits;
            // With one of its own it has been compared with that. Where a source is wrong the others' places are not known.
            if let (Some(unpacked), None, true) =
                (limits.max_unpacked, limits.max_body, check.problems.is_empty())
                && unpacked < max_body
            {
                let key = format!("sources[{index}].max_unpacked");
                let message = "less than ingress.max_body: a body would be refused for being packed that is taken as it is; \
                     expected at least that, or a max_body of the source's own";
                check.refuse_together(&[&key, "ingress.max_body"], message);
            }
        }
        ingress::Settings {
            max_body,
            body_timeout,
            dedupe_window,
            rate: self.rate.and_then(Rate::build),
            rate_per_ip: self.rate_per_ip.and_then(Rate::build),
            sources,
        }
    }
}

impl Dedupe {
    /// The window and the number of keys.
    pub fn build(&self, check: &mut Check<'_>) -> (Duration, usize) {
        let why = "less forgets before a sender retries, more than that no sender needs";
        let window = between(check, "ingress.dedupe.window", self.window.0.0, DEDUPE_WINDOW, why);
        (window, self.keys as usize)
    }
}
