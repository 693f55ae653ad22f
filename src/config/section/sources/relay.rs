//! `relay`: where webhooks are handed on to as well.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::At;
use super::patience::Waits;
use crate::config::section::between;
use crate::config::written::{EXPECTED, RelayUrl, Span, Text};
use crate::relay::limits::{MOST_RETRIES, TIMEOUTS};
use crate::relay::{self, Mode, Plan, Queue, To};

/// The key as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Raw {
    /// `upstream`.
    Word(Word),
    /// With how and when.
    Settings(Settings),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Upstream,
}

/// With how and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Where to. Without it: the edge's upstream, at the webhook's own path.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Text<RelayUrl>>,
    /// Before the log, which then only gets what the app took, or after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<When>,
    /// Whether the sender waits, and gets the app's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<How>,
    /// How often one that fails is sent again; only with async. Without it: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    retries: Option<u32>,
    /// How long the app may take for one attempt. Without it: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Text<Span>>,
}

/// `when` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum When {
    /// Before the log.
    Before,
    /// After it.
    After,
}

/// `mode` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// The app's answer is the sender's.
    Sync,
    /// The sender does not wait; what fails is tried again for a time.
    Async,
}

const _: () = assert!(MOST_RETRIES == 100);

impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Relay".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Settings::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["string", "object"]));
        schema.insert("pattern".into(), "^upstream$".into());
        let expected = "upstream, or a mapping with the keys mode, retries, timeout, url, when";
        schema.insert(EXPECTED.into(), expected.into());
        schema
    }
}

impl Raw {
    /// Whether the sender waits for the app.
    pub(super) fn waits(&self) -> Waits {
        match self {
            Self::Settings(Settings { mode: Some(How::Sync), .. }) => Waits::ForBoth,
            _ => Waits::ForLog,
        }
    }

    /// The plan, in which the app has `patience` unless it says otherwise. None when something of it is wrong, which has
    /// been reported.
    pub(super) fn build(&self, patience: Option<Duration>, at: &mut At<'_, '_, '_>) -> Option<Plan> {
        let default = Settings::default();
        let settings = match self {
            Self::Word(Word::Upstream) => &default,
            Self::Settings(settings) => settings,
        };
        let to = match (&settings.url, &at.edge.upstream) {
            (Some(Text(RelayUrl { url, .. })), _) => Some(To::Url(url.clone())),
            (None, Some(upstream)) => Some(To::Server(upstream.clone())),
            (None, None) => {
                let message = "there is no edge.upstream to hand on to; expected one, or a url here";
                let (url, relay) = (at.key("relay.url"), at.key("relay"));
                at.check.refuse_together(&[&url, &relay, "edge.upstream"], message);
                None
            }
        };
        let plan = Plan::to(to?);
        let when = match settings.when {
            Some(When::Before) => relay::When::Before,
            Some(When::After) | None => relay::When::After,
        };
        let how = match settings.mode {
            Some(How::Sync) => relay::How::Sync,
            Some(How::Async) | None => relay::How::Async,
        };
        if settings.retries.is_some() && how == relay::How::Sync {
            let message = "only what waits in a queue is sent again; expected mode: async, or no retries";
            at.refuse_together(&["relay.retries", "relay.mode"], message);
        }
        let queue =
            Queue { retries: settings.retries.unwrap_or(Queue::default().retries), ..Queue::default() };
        let mode = Mode::of(when, how, queue)
            .map_err(|useless| at.refuse_together(&["relay.when", "relay.mode"], useless.to_string()))
            .ok()?;
        let timeout = settings.timeout.as_ref().map(|Text(Span(timeout))| {
            let why = "less fails an app that is well, more outlasts every sender";
            between(at.check, &at.key("relay.timeout"), *timeout, TIMEOUTS, why)
        });
        Some(Plan { mode, timeout: timeout.or(patience).unwrap_or(plan.timeout), ..plan })
    }
}
