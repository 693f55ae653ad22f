//! `edge.cors`: which pages of other origins may read what is under the prefix.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::check::Check;
use crate::config::marks::item;
use crate::config::written::{Origin, Span, Text};
use crate::edge::{Cors, Credentials, OriginRule};

use super::between;

/// Bounds on how long browsers keep a preflight's answer: 0 for not at all; they cut what is longer than a day anyway.
const MAX_AGE: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(24));

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Origins of the pages, as browsers send them: `https://app.example`, `"https://*.example.com"` for one label or
    /// more below that host, `"*"` for all.
    #[serde(deserialize_with = "sound")]
    #[schemars(with = "Vec<Text<Origin>>", length(max = 1000))]
    origins: Vec<Option<Text<Origin>>>,
    /// Whether those pages may send cookies and the like. Not together with `"*"`.
    credentials: bool,
    /// How long browsers may keep the answer to a preflight.
    max_age: Text<Span>,
}

impl Default for Raw {
    fn default() -> Self {
        Self { origins: Vec::new(), credentials: false, max_age: Text::of("2h") }
    }
}

/// What is wrong in the list has been reported; the rest keeps its place.
fn sound<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<Text<Origin>>>, D::Error> {
    let items = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(items.into_iter().map(|item| serde_json::from_value(item).ok()).collect())
}

impl Raw {
    /// The rules.
    pub fn build(&self, check: &mut Check<'_>) -> Cors {
        if self.origins.is_empty() {
            let message = "none; expected at least one origin, or no edge.cors at all";
            check.refuse_together(&["edge.cors.origins"], message);
        }
        let any = self.origins.iter().position(|o| o.as_ref().is_some_and(|o| o.0.0 == OriginRule::Any));
        if let Some(any) = any.filter(|_| self.credentials) {
            let message = "\"*\" and credentials are refused by every browser; expected origins by name";
            check.refuse_together(&[&item("edge.cors.origins", any), "edge.cors.credentials"], message);
        }
        let why = "browsers keep it for a day at most";
        let max_age = between(check, "edge.cors.max_age", self.max_age.0.0, MAX_AGE, why);
        let origins = self.origins.iter().flatten().map(|origin| origin.0.0.clone()).collect();
        let credentials = if self.credentials { Credentials::Allowed } else { Credentials::Withheld };
        Cors { origins, credentials, max_age }
    }
}
