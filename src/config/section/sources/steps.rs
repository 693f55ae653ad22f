//! `steps`: what a program brings along to judge events.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, Raw as Source};
use crate::config::marks::{item, member};
use crate::config::section::verify::plugin::{self, Others};
use crate::config::written::{EXPECTED, Environment, SECRET};
use crate::ingress::NamedStep;
use crate::secret::Secret;

/// A step as written: its name, or its name with settings. One that was refused has become empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Raw {
    Name(String),
    With(Others),
}

/// As for verifiers, no value in it is shown.
impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "minProperties": 1,
            "maxProperties": 1,
            EXPECTED: "the name of a step, or one name with its settings",
            SECRET: true,
        })
    }
}

impl Raw {
    /// Its name and its settings, unless it was refused.
    fn parts(&self) -> Option<(&str, &Value)> {
        match self {
            Self::Name(name) => Some((name, &Value::Null)),
            Self::With(others) => {
                others.0.first_key_value().map(|(name, settings)| (name.as_str(), settings))
            }
        }
    }

    pub(super) fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        let found = self.parts().map(|(name, settings)| plugin::sources(name, settings)).unwrap_or_default();
        found.iter().filter_map(|(_, source)| source.path(environment)).collect()
    }

    pub(super) fn secrets(&self, path: &str, environment: &Environment<'_>) -> Vec<(String, Secret)> {
        let Some((name, settings)) = self.parts() else { return Vec::new() };
        let path = member(path, name);
        let resolved = plugin::sources(&path, settings)
            .into_iter()
            .filter_map(|(key, source)| Some((key, source.resolve(environment).ok()?)));
        let whole = (path.clone(), Secret::new(settings.to_string().into_bytes()));
        resolved.chain([whole]).collect()
    }
}

impl Source {
    /// None when one of them is wrong, which has been reported.
    pub(super) fn steps(&self, at: &mut At<'_, '_, '_>) -> Option<Vec<NamedStep>> {
        let built: Vec<_> =
            self.steps.iter().enumerate().map(|(index, raw)| step(raw, &item("steps", index), at)).collect();
        built.into_iter().collect()
    }
}

fn step(raw: &Raw, key: &str, at: &mut At<'_, '_, '_>) -> Option<NamedStep> {
    let (name, settings) = raw.parts()?;
    if !at.registry.step_names().any(|known| known == name) {
        let known: Vec<&str> = at.registry.step_names().collect();
        let known = if known.is_empty() {
            "this program brings none along".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        at.refuse(key, format!("unknown step; {known}"));
        return None;
    }
    let path = member(&at.key(key), name);
    let (check, environment) = (&mut *at.check, at.environment);
    let settings = plugin::resolve(&path, settings, &mut |path, source| {
        let secret = source.fetch(path, check, environment)?;
        let text = String::from_utf8(secret.expose().to_vec());
        text.map_err(|_| check.refuse(path, "expected a secret in UTF-8")).ok()
    })?;
    at.registry.build_step(name, &settings)?.map_err(|why| at.refuse(key, why)).ok()
}
