//! `auth.jwt`: what a section `jwt` says anywhere, and what a token grants.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::section::jwt;
use crate::config::written::{AllowTemplate, Item, Text, TopicsClaim};

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::config) struct Raw {
    #[serde(flatten)]
    pub checks: jwt::Raw,
    #[serde(flatten)]
    pub grants: Grants,
}

/// What of it is not for senders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(in crate::config) struct Grants {
    /// The claim that lists what the bearer may listen to: a name or pattern, or a list of these.
    #[serde(default = "topics_claim")]
    pub topics_claim: Text<TopicsClaim>,
    /// What else a bearer may listen to: patterns in which `{claim}` stands for a claim's value, as one token.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub allow: Vec<Item<AllowTemplate>>,
}

fn topics_claim() -> Text<TopicsClaim> {
    Text::of("topics")
}

/// The keys of both. Written out, since what is flattened loses that other keys are unknown.
impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tokens".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = jwt::Raw::json_schema(generator);
        let mut grants = json_schema!({});
        grants.clone_from(&Grants::json_schema(generator));
        let more = grants.get_mut("properties").and_then(|more| more.as_object_mut()).map(std::mem::take);
        if let Some(properties) =
            schema.get_mut("properties").and_then(|properties| properties.as_object_mut())
        {
            properties.extend(more.into_iter().flatten());
        }
        schema
    }
}
