//! `respond`: what senders are answered.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::At;
use crate::config::marks::member;
use crate::config::section::between;
use crate::config::written::{Span, Text};
use crate::ingress::Respond;
use crate::relay::{Mode, Plan};

/// Bounds on how long the log may take. The longest that a provider waits is half a minute.
const DEADLINE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));

/// The section as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// The status, 200 to 299. Without it: 202.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 299))]
    status: Option<u16>,
    /// Header fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// The body, as text. Without it: what became of the delivery, in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// How long the log may take. Without it: 5s, or less where the provider waits less.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Text<Span>>,
}

/// The answer of a source whose log has so long unless it says otherwise. None when something is wrong, which has been
/// reported.
pub(super) fn build(raw: Option<&Raw>, deadline: Duration, at: &mut At<'_, '_, '_>) -> Option<Respond> {
    let respond = Respond::default().deadline(deadline);
    let Some(raw) = raw else { return Some(respond) };
    let mut respond = match raw.status.map(|status| respond.clone().status(status)) {
        None => respond,
        Some(Ok(respond)) => respond,
        Some(Err(why)) => return refuse(at, "status", &why),
    };
    for (name, value) in &raw.headers {
        respond = match respond.header(name, value) {
            Ok(respond) => respond,
            Err(why) => return refuse(at, &member("headers", name), &why),
        };
    }
    if let Some(body) = &raw.body {
        respond = match respond.body(body.clone()) {
            Ok(respond) => respond,
            Err(why) => return refuse(at, "body", &why),
        };
    }
    if let Some(Text(Span(deadline))) = raw.deadline {
        let why = "less fails a log that is well, more outlasts every sender";
        between(at.check, &at.key("respond.deadline"), deadline, DEADLINE, why);
        respond = respond.deadline(deadline);
    }
    Some(respond)
}

impl Raw {
    /// Where the sender waits for the app, the app's answer is the sender's: what is written here is never sent.
    pub(super) fn beside_relay(&self, plan: &Plan, at: &mut At<'_, '_, '_>) {
        let says = self.status.is_some() || self.body.is_some() || !self.headers.is_empty();
        if says && matches!(plan.mode, Mode::Before | Mode::After) {
            let message = "never sent: with relay.mode: sync the app's answer is the sender's; expected mode: async, or \
                           respond.deadline alone";
            let keys = ["respond", "relay"].map(|key| at.key(key));
            at.check.warn(&[&keys[0], &keys[1]], message);
        }
    }
}

fn refuse(at: &mut At<'_, '_, '_>, key: &str, why: &crate::ingress::RespondError) -> Option<Respond> {
    at.refuse(&format!("respond.{key}"), why.to_string());
    None
}
