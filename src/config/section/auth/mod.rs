//! `auth`: who may listen, beside what rules of `topics` say.

mod build;
#[cfg(test)]
mod tests;
mod tokens;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::written::{Age, AskUrl, CookieName, Environment, SecretSource, Span, Text};
use crate::secret::Secret;

pub(super) use build::{Has, build};

/// The section as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// What makes a token good, and what it grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<tokens::Raw>,
    /// The cookie that may hold a token, for browsers whose EventSource sends no header. A token in a header or in the
    /// query comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<Text<CookieName>>,
    /// How the app is asked, for topics with `access: forward`.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<RawForward>,
}

/// `auth.forward` as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawForward {
    /// Where it is asked: `http://host:port/path`, `https://host:port/path` or `unix:/socket:/path`.
    #[schemars(required, extend("x-secret" = true))]
    url: Option<Text<AskUrl>>,
    /// How long it may take. After it, the subscriber gets the overload answer.
    #[serde(default = "timeout")]
    timeout: Text<Span>,
    /// How long an answer counts for the same credentials, or off.
    #[serde(default = "cache")]
    cache: Text<Age>,
}

fn timeout() -> Text<Span> {
    Text::of("2s")
}

fn cache() -> Text<Age> {
    Text::of("off")
}

/// Where keys are, by their keys in the configuration.
fn sources(raw: Option<&Raw>) -> Vec<(String, SecretSource)> {
    raw.and_then(|raw| raw.jwt.as_ref()).map(|jwt| jwt.checks.sources("auth.jwt")).unwrap_or_default()
}

/// The files that keys are in.
pub(super) fn secret_files(raw: Option<&Raw>, environment: &Environment<'_>) -> Vec<PathBuf> {
    sources(raw).iter().filter_map(|(_, source)| source.path(environment)).collect()
}

/// What must not be shown but may change, by its key.
pub(in crate::config) fn secrets(raw: Option<&Raw>, environment: &Environment<'_>) -> Vec<(String, Secret)> {
    let resolve = |(key, source): (String, SecretSource)| Some((key, source.resolve(environment).ok()?));
    sources(raw).into_iter().filter_map(resolve).collect()
}
