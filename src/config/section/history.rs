//! `history`: how much of the past a topic keeps.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::written::{Size, Span, Text};
use crate::log::{HistorySettings, TopicLimits};

use super::between;
use super::topics::TopicRule;

/// Bounds on a history's age.
const AGE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(365 * 24));

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Events of a topic at most; 0 keeps none.
    #[schemars(range(min = 0, max = 10_000_000))]
    events: u32,
    /// Bytes of a topic at most.
    bytes: Text<Size>,
    /// How long an event is kept.
    age: Text<Span>,
    /// Bytes over all topics. No topic is emptied while another holds more than its share.
    total: Text<Size>,
}

/// A topic rule's `history` as written: what is left out is as in the section above.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Override {
    /// Events of such a topic at most; 0 keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    events: Option<u32>,
    /// Bytes of such a topic at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Text<Size>>,
    /// How long an event of such a topic is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<Text<Span>>,
}

impl Default for Raw {
    fn default() -> Self {
        Self { events: 1000, bytes: Text::of("4MiB"), age: Text::of("1h"), total: Text::of("64MiB") }
    }
}

impl Raw {
    /// The log's settings, with the limits that topic rules set and the number of dedupe keys: what the
    /// ingress has room for is shared equally by the sources that have no room of their own.
    pub fn build(
        &self,
        topics: &[(TopicRule, Option<TopicLimits>)],
        dedupe_keys: usize,
        sources: Vec<(String, Option<usize>)>,
        check: &mut Check<'_>,
    ) -> HistorySettings {
        let default = self.limits();
        between(check, "history.age", default.age, AGE, "none at all keeps nothing; events: 0 says so");
        let Size(total) = self.total.0;
        if default.bytes > total {
            let message = format!("more than history.total ({}), which is what counts then", self.total.0);
            check.warn(&["history.bytes", "history.total"], message);
        }
        // A rule without limits of its own still ends the search, so it carries the default's.
        let rules =
            topics.iter().map(|(rule, limits)| (rule.pattern.clone(), limits.unwrap_or(default))).collect();
        let sharing = sources.iter().filter(|(_, own)| own.is_none()).count().max(1);
        let share = (dedupe_keys / sharing).max(1);
        // Of a source that is gone nothing is kept; without any list there is one, which has it all.
        let others = if sources.is_empty() { dedupe_keys } else { 0 };
        let dedupe_of = sources.into_iter().map(|(name, own)| (name, own.unwrap_or(share))).collect();
        HistorySettings { default, rules, total, dedupe_keys: others, dedupe_of }
    }

    fn limits(&self) -> TopicLimits {
        TopicLimits { events: self.events as usize, bytes: self.bytes.0.0, age: self.age.0.0 }
    }
}

impl Override {
    /// The limits of the rule at `path`.
    pub fn build(&self, history: &Raw, path: &str, check: &mut Check<'_>) -> TopicLimits {
        let default = history.limits();
        let age = self.age.as_ref().map(|age| {
            let why = "none at all keeps nothing; events: 0 says so";
            between(check, &format!("{path}.history.age"), age.0.0, AGE, why)
        });
        TopicLimits {
            events: self.events.map_or(default.events, |events| events as usize),
            bytes: self.bytes.as_ref().map_or(default.bytes, |bytes| bytes.0.0),
            age: age.unwrap_or(default.age),
        }
    }
}
