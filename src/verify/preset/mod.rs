//! What is known of each provider: a page of constants over the one engine.
//!
//! Every function builds a [`Scheme`] from secrets, and refuses those that are none for the provider.

mod discord;
mod forge;
mod github;
mod gitlab;
mod grafana;
mod meta;
mod shopify;
mod slack;
mod standard;
mod stripe;
pub mod twilio;
mod websub;

use std::time::Duration;

use http::HeaderName;

use crate::jwt::Checker;
use crate::secret::Secret;

use super::credential::Credential;
use super::engine::{Engine, Parameters, Part, Timestamp, TimestampAt};
use super::jwt::Jwt;
use super::request::Locator;
use super::scheme::{Facts, Proof, Refused, Scheme, Target};
use super::time::{Tolerance, Unit};

pub use discord::discord;
pub use forge::{forgejo, gitea};
pub use github::github;
pub use gitlab::{gitlab_signed, gitlab_token};
pub use grafana::{Header as GrafanaHeaders, grafana};
pub use meta::meta;
pub use shopify::shopify;
pub use slack::slack;
pub use standard::{standard, svix};
pub use stripe::stripe;
pub use twilio::twilio;
pub use websub::websub;

/// Every name that sidestream knows itself, in the order of the documents.
pub const NAMES: [&str; 21] = [
    "standard", "svix", "github", "gitea", "forgejo", "gitlab", "stripe", "slack", "shopify", "twilio",
    "discord", "meta", "websub", "grafana", "hmac", "bearer", "basic", "header", "query", "jwt", "none",
];

/// The engine with parameters of one's own. What else its senders do is not known.
///
/// # Errors
/// As [`Engine::new`].
pub fn hmac(parameters: Parameters, secrets: &[Secret]) -> Result<Scheme, Refused> {
    let signed = parameters.signed.contains(&Part::Target);
    let target = if signed { Target::Signed } else { Target::Unsigned };
    scheme("hmac", parameters, Facts { target, ..Facts::default() }, secrets)
}

/// A bearer token.
///
/// # Errors
/// As [`Credential::bearer`].
pub fn bearer(tokens: Vec<Secret>) -> Result<Scheme, Refused> {
    Credential::bearer(tokens).map(|verifier| Scheme::new("bearer", verifier, Facts::default()))
}

/// A user and any of several passwords.
///
/// # Errors
/// As [`Credential::basic`].
pub fn basic(user: &str, passwords: &[Secret]) -> Result<Scheme, Refused> {
    Credential::basic(user, passwords).map(|verifier| Scheme::new("basic", verifier, Facts::default()))
}

/// A token of the sender's identity provider. It signs nothing of the request, so a captured one is good until it ends.
#[must_use]
pub fn jwt(checker: Checker) -> Scheme {
    Scheme::new("jwt", Jwt::new(checker), Facts::default())
}

/// A header field's whole value.
///
/// # Errors
/// As [`Credential::header`].
pub fn header(name: HeaderName, values: Vec<Secret>) -> Result<Scheme, Refused> {
    let facts = Facts { proofs: vec![Proof::Header(name.clone())], ..Facts::default() };
    Credential::header(name, values).map(|verifier| Scheme::new("header", verifier, facts))
}

/// A parameter of the query.
///
/// # Errors
/// As [`Credential::query`].
pub fn query(parameter: &str, values: Vec<Secret>) -> Result<Scheme, Refused> {
    let facts = Facts { proofs: vec![Proof::Query(parameter.into())], ..Facts::default() };
    Credential::query(parameter, values).map(|verifier| Scheme::new("query", verifier, facts))
}

/// The engine under a preset's name.
fn scheme(name: &str, parameters: Parameters, facts: Facts, secrets: &[Secret]) -> Result<Scheme, Refused> {
    let proofs = parameters.fields.iter().map(|fields| Proof::Header(fields.signature.clone())).collect();
    let engine = Engine::new(parameters, secrets)?;
    let freshness = engine.freshness();
    Ok(Scheme::new(name, engine, Facts { freshness, proofs, ..facts }))
}

/// A name in lower case, known to be one.
fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

fn in_header(text: &'static str) -> Locator {
    Locator::Header(name(text))
}

/// Seconds in a header field of their own.
fn seconds(tolerance: Duration) -> Timestamp {
    Timestamp { at: TimestampAt::Field, unit: Unit::Seconds, tolerance: Tolerance(tolerance) }
}
