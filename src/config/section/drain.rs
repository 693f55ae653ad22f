//! `drain`: how the process ends.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::written::{Span, Text, show_duration};

use super::between;

/// Bounds on the whole drain: Kubernetes kills after the grace period, which is rarely longer.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(24));

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// How long all is still served after the signal, while load balancers look away.
    delay: Text<Span>,
    /// Over how long streams are closed, evenly.
    window: Text<Span>,
    /// When the process ends at the latest, counted from the signal.
    timeout: Text<Span>,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Still serving, though not ready, for so long after the signal.
    pub delay: Duration,
    /// Streams close evenly over at most so long after that.
    pub window: Duration,
    /// The end, counted from the signal; at least delay and window together.
    pub timeout: Duration,
}

impl Default for Raw {
    fn default() -> Self {
        Self { delay: Text::of("0s"), window: Text::of("10s"), timeout: Text::of("25s") }
    }
}

impl Raw {
    /// The drain's times.
    pub fn build(&self, check: &mut Check<'_>) -> Drain {
        let Self { delay: Text(Span(delay)), window: Text(Span(window)), timeout: Text(Span(timeout)) } =
            *self;
        between(check, "drain.timeout", timeout, TIMEOUT, "none at all would cut every stream");
        if delay + window > timeout {
            let (least, got) = (show_duration(delay + window), show_duration(timeout));
            let message = format!(
                "drain.delay and drain.window take {least} together; expected at most drain.timeout ({got})"
            );
            check.refuse_together(&["drain.timeout", "drain.window", "drain.delay"], message);
        }
        Drain { delay, window, timeout }
    }
}
