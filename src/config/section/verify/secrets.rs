//! Lists of secrets.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::written::{EXPECTED, SECRET, SecretSource};
use crate::verify::limits;

/// Secrets of which any may match. Where they are rotated there are two for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::config) struct Secrets(pub Vec<Item>);

/// One of them. One that was refused has become empty, so that the paths of those behind it stay right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Item {
    Written(SecretSource),
    Refused {},
}

impl Secrets {
    /// Those that were not refused, with their place in the list.
    pub fn written(&self) -> impl Iterator<Item = (usize, &SecretSource)> {
        self.0.iter().enumerate().filter_map(|(index, item)| match item {
            Item::Written(source) => Some((index, source)),
            Item::Refused {} => None,
        })
    }
}

impl JsonSchema for Secrets {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": SecretSource::json_schema(generator),
            "minItems": 1,
            "maxItems": limits::SECRETS,
            EXPECTED: "a list of 1 to 16 secrets, each {env: NAME}, {file: PATH} or the secret itself as text",
            SECRET: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expectation_names_the_limit() {
        let schema = Value::from(Secrets::json_schema(&mut SchemaGenerator::default()));
        assert!(schema[EXPECTED].as_str().unwrap().contains(&limits::SECRETS.to_string()));
    }

    use serde_json::Value;
}
