//! `verify`: how a source's senders are told from everybody else.
//!
//! `none`, or a mapping of one key: the verifier's name, with its settings. A name that sidestream does not know itself is
//! looked up in a [`Registry`], so that a program that brings a verifier along is configured like any other.

mod build;
mod hmac;
pub(in crate::config::section) mod plugin;
mod presets;
mod secrets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::check::Check;
use crate::config::written::{EXPECTED, Environment, SECRET};
use crate::secret::Secret;
use crate::verify::{Registry, Scheme};

use self::build::Builder;
use self::presets::Presets;

/// The key as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Raw {
    /// `none`.
    Word(Word),
    /// One verifier.
    Verifier(Box<Presets>),
}

/// What can be written without settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Word {
    /// Everybody is believed.
    None,
}

impl Raw {
    /// The scheme. None when something of it is wrong, which has been reported. `path` is the key's own, such as
    /// `sources[0].verify`.
    pub fn build(
        &self,
        path: &str,
        check: &mut Check<'_>,
        environment: &Environment<'_>,
        registry: &Registry,
    ) -> Option<Scheme> {
        match self {
            Self::Word(Word::None) => Some(Scheme::none()),
            Self::Verifier(presets) => presets.build(&mut Builder { path, check, environment }, registry),
        }
    }

    /// The files that its secrets are in.
    pub fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        match self {
            Self::Word(_) => Vec::new(),
            Self::Verifier(presets) => presets.secret_files(environment),
        }
    }

    /// What of it must not be shown but may change, by key: its secrets, and the settings of a verifier that a program
    /// brings along.
    pub fn secrets(&self, path: &str, environment: &Environment<'_>) -> Vec<(String, Secret)> {
        match self {
            Self::Word(_) => Vec::new(),
            Self::Verifier(presets) => presets.resolved(path, environment),
        }
    }
}

/// One node for the word and the mapping, so that messages and paths lead into the mapping. No value in it is shown: a
/// secret may have been written a level too high.
impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Verify".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Presets::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["string", "object"]));
        schema.insert("pattern".into(), "^none$".into());
        schema.insert("minProperties".into(), 1.into());
        schema.insert("maxProperties".into(), 1.into());
        schema.insert(
            EXPECTED.into(),
            "none, or one verifier with its settings, as in { github: { secrets: [ { env: NAME } ] } }"
                .into(),
        );
        schema.insert(SECRET.into(), true.into());
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        properties.into_iter().flatten().for_each(|(_, preset)| preset[SECRET] = true.into());
        schema
    }
}
