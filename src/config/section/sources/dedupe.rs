//! `dedupe` and `replay_guard`: what makes two deliveries the same.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::written::{EXPECTED, Item, Located, Span, Text};
use crate::expr::{Known, Template};
use crate::ingress::{DedupeBy, DedupeRule};

use super::mapping::compiled;
use super::{At, Raw as Source};
use crate::config::section::between;
use crate::config::section::ingress::DEDUPE_WINDOW;

/// `replay_guard` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReplayGuard {
    /// The body's bytes: the same ones again within the window publish nothing, whatever the headers say.
    Body,
}

/// `dedupe` as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// How long a delivery is remembered. Without it: `ingress.dedupe.window`.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Text<Span>>,
    /// Room of its own for so many keys. Without it: an equal share of `ingress.dedupe.keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    keys: Option<u32>,
    /// What is compared: a list of places, of which the first that is there counts, or a text with `${…}` in it. Without it:
    /// the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<By>,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum By {
    Template(String),
    Places(Vec<Item<Located>>),
}

impl JsonSchema for By {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DedupeBy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "minLength": 1,
            "items": Item::<Located>::json_schema(generator),
            "minItems": 1,
            "maxItems": 16,
            EXPECTED: "a list of 1 to 16 places such as [\"header:x-id\", \"body:/id\"], or a text such as \"${body.id}\"",
        })
    }
}

impl Source {
    /// None when something of it is wrong, which has been reported.
    pub(super) fn dedupe_rule(&self, at: &mut At<'_, '_, '_>) -> Option<DedupeRule> {
        let written = self.dedupe.as_ref();
        let window = written.and_then(|raw| raw.window.as_ref()).map(|Text(Span(window))| {
            let why = "less forgets before a sender retries, more than that no sender needs";
            between(at.check, &at.key("dedupe.window"), *window, DEDUPE_WINDOW, why)
        });
        let by = match (self.replay_guard, written.and_then(|raw| raw.by.as_ref())) {
            (None, None) => DedupeBy::Id,
            (Some(ReplayGuard::Body), None) => DedupeBy::Body,
            (Some(_), Some(_)) => {
                let message = "both say what is compared; expected one of them";
                at.refuse_together(&["replay_guard", "dedupe.by"], message);
                return None;
            }
            (None, Some(By::Places(places))) => {
                DedupeBy::First(places.iter().filter_map(Item::get).map(|place| place.0.clone()).collect())
            }
            (None, Some(By::Template(text))) => {
                let compile = |text: &str| Template::compile("dedupe.by", text, Known::Request);
                DedupeBy::Template(compiled("dedupe.by", Some(text), at, compile)??)
            }
        };
        Some(DedupeRule { window, by })
    }

    /// How many keys it has room of its own for, if it says so.
    pub(super) fn dedupe_keys(&self) -> Option<usize> {
        self.dedupe.as_ref().and_then(|raw| raw.keys).map(|keys| keys as usize)
    }
}
