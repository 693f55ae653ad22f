//! `handshake`: which questions of senders are granted.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::At;
use crate::config::written::{EXPECTED, Environment, SecretSource};
use crate::content::handshake::{EventGrid, Settings};
use crate::secret::Secret;

/// The section as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Who may send, as they say in `WebHook-Request-Origin` (`CloudEvents`, Event Grid): DNS names, or `*` for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    origins: Vec<String>,
    /// Requests a minute that are granted to them at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    rate: Option<NonZeroU32>,
    /// The token that was entered at Meta.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_token: Option<SecretSource>,
    /// The topics that were subscribed to at a `WebSub` hub.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    topics: Vec<String>,
    /// How Event Grid's own validation is granted: `verified`, whenever the request is, or by a secret in the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_grid: Option<Grid>,
}

/// `event_grid` as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Grid {
    Word(Word),
    Query {
        /// The parameter's name.
        parameter: String,
        /// Its value.
        secret: SecretSource,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Verified,
}

impl JsonSchema for Grid {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventGrid".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "pattern": "^verified$",
            "properties": {
                "parameter": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 64,
                    "description": "The query parameter's name.",
                },
                "secret": with(SecretSource::json_schema(generator), "Its value."),
            },
            "required": ["parameter", "secret"],
            "additionalProperties": false,
            EXPECTED: "verified, or { parameter: NAME, secret: { env: NAME } }",
        })
    }
}

fn with(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".into(), description.into());
    schema
}

impl Raw {
    /// What is granted. A secret that is wrong has been reported.
    pub(super) fn build(&self, at: &mut At<'_, '_, '_>) -> Settings {
        let token = self.verify_token.as_ref();
        let token = token.and_then(|t| t.fetch(&at.key("handshake.verify_token"), at.check, at.environment));
        let event_grid = match &self.event_grid {
            None => EventGrid::Off,
            Some(Grid::Word(Word::Verified)) => EventGrid::Verified,
            Some(Grid::Query { parameter, secret }) => {
                let key = at.key("handshake.event_grid.secret");
                let secrets = secret.fetch(&key, at.check, at.environment).into_iter().collect();
                EventGrid::Query { parameter: parameter.as_str().into(), secrets }
            }
        };
        Settings {
            origins: self.origins.iter().map(|origin| origin.as_str().into()).collect(),
            rate: self.rate,
            verify_tokens: token.into_iter().collect(),
            topics: self.topics.iter().map(|topic| topic.as_str().into()).collect(),
            event_grid,
        }
    }

    fn written(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let grid = self.event_grid.as_ref().and_then(|grid| match grid {
            Grid::Word(_) => None,
            Grid::Query { secret, .. } => Some(("event_grid.secret", secret)),
        });
        self.verify_token.as_ref().map(|token| ("verify_token", token)).into_iter().chain(grid)
    }

    pub(super) fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        self.written().filter_map(|(_, secret)| secret.path(environment)).collect()
    }

    pub(super) fn secrets(&self, path: &str, environment: &Environment<'_>) -> Vec<(String, Secret)> {
        let resolve = |(key, source): (&str, &SecretSource)| {
            Some((format!("{path}.{key}"), source.resolve(environment).ok()?))
        };
        self.written().filter_map(resolve).collect()
    }
}
