//! `jwt`: what makes a token good. Written below `verify` for senders.

mod build;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::marks::item;
use crate::config::written::{EXPECTED, Item, KeySetUrl, SecretSource, Span, Text, TokenAlgorithm};

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Raw {
    /// How tokens may be signed. What is not in the list is refused, whatever keys there are.
    #[schemars(
        required,
        length(min = 1, max = 12),
        extend("x-expected" = "a list of algorithms, such as [RS256] or [ES256, EdDSA]")
    )]
    algorithms: Option<Vec<Item<TokenAlgorithm>>>,
    /// Where the issuer publishes its keys. They are fetched in the background and kept while it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_url: Option<Text<KeySetUrl>>,
    /// Keys that are known beforehand.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-secret" = true, "x-expected" = "a list of at most 64 keys, such as { pem: { file: PATH } }"))]
    keys: Vec<Key>,
    /// Whose tokens are good (`iss`), or a list of whose. Without it, anybody's that the keys are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<Texts>,
    /// Whom tokens must be for (`aud`), or a list of whom. Without it, only tokens that are for nobody in particular are
    /// good.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<Texts>,
    /// By how much the issuer's clock may differ.
    #[serde(default = "leeway")]
    leeway: Text<Span>,
    /// Whether a token must say when it ends. One that doesn't is good until the key changes.
    #[serde(default = "require_exp")]
    require_exp: bool,
    /// Claims that a token must have, each with a value or a list of which it must be one:
    /// `{ email: pusher@project.example, email_verified: true }`.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = true, "x-expected" = "a mapping of at most 32 claims to values"))]
    claims: BTreeMap<String, Value>,
}

fn leeway() -> Text<Span> {
    Text::of("30s")
}

fn require_exp() -> bool {
    true
}

/// A key: one of `pem`, `jwks` and `secret`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-secret" = true, "x-expected" = "one of { pem: … }, { jwks: … } and { secret: … }"))]
struct Key {
    /// A public key or a certificate in PEM form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<SecretSource>,
    /// A set of keys in JSON (RFC 7517).
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<SecretSource>,
    /// A secret for HS256, HS384 or HS512, of at least 32, 48 or 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretSource>,
    /// The key's name as in a token's `kid`. Without it, any token may mean it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    kid: Option<String>,
}

/// A text or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn all(texts: Option<&Self>) -> Vec<String> {
        match texts {
            None => Vec::new(),
            Some(Self::One(text)) => vec![text.clone()],
            Some(Self::Several(texts)) => texts.clone(),
        }
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = serde_json::json!({ "type": "string", "minLength": 1, "maxLength": 1024 });
        json_schema!({
            "anyOf": [text, { "type": "array", "items": text, "minItems": 1, "maxItems": 64 }],
            EXPECTED: "a text, or a list of 1 to 64 texts, each of at most 1024 characters",
        })
    }
}

impl Raw {
    /// Where keys are, with their keys in the configuration below `path`.
    pub fn sources(&self, path: &str) -> Vec<(String, SecretSource)> {
        let mut sources = Vec::new();
        for (index, Key { pem, jwks, secret, kid: _ }) in self.keys.iter().enumerate() {
            let path = item(&format!("{path}.keys"), index);
            for (name, source) in [("pem", pem), ("jwks", jwks), ("secret", secret)] {
                sources.extend(source.iter().map(|source| (format!("{path}.{name}"), source.clone())));
            }
        }
        sources
    }
}
