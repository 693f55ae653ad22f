//! Every verifier's settings, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::section::jwt;
use crate::config::written::{HeaderField, Span, Text};

use super::hmac::{Algorithm, Hmac};
use super::plugin::Others;
use super::secrets::Secrets;

/// The verifiers by name, of which one is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Presets {
    /// Standard Webhooks: secrets `whsec_…`, or public keys `whpk_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<Timed>,
    /// Svix: secrets `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svix: Option<Timed>,
    /// GitHub. Only the body is signed: a captured one can be sent again, as another event too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<Untimed>,
    /// Gitea. Only the body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gitea: Option<Untimed>,
    /// Forgejo. Only the body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgejo: Option<Untimed>,
    /// GitLab: `signed` or `token`, whichever is required; the other is not believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<Gitlab>,
    /// Stripe: secrets `whsec_…`, one for each endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripe: Option<Timed>,
    /// Slack: the app's signing secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Timed>,
    /// Shopify: the app's client secret. Only the body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shopify: Option<Untimed>,
    /// Twilio: the account's auth token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twilio: Option<Twilio>,
    /// Discord: the application's public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discord: Option<Discord>,
    /// Meta (Facebook, Instagram, WhatsApp, Threads): the app's secret. Only the body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Untimed>,
    /// WebSub: the secret that was given to the hub. Only the body is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websub: Option<Websub>,
    /// Grafana's alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grafana: Option<Grafana>,
    /// HMAC signatures of one's own making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<Hmac>,
    /// `Authorization: Bearer` with a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<Untimed>,
    /// `Authorization: Basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// A header field that holds a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// A parameter of the query that holds a secret: for senders that can be told an address and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// A token of the sender's identity provider in `Authorization: Bearer`, as Google Pub/Sub and Knative send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<jwt::Raw>,
    /// Verifiers that the program brings along.
    #[serde(flatten)]
    pub others: Others,
}

/// A verifier that knows no time of signing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true))]
pub(in crate::config) struct Untimed {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
}

/// A verifier whose senders sign the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secret" = true))]
pub(in crate::config) struct Timed {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
    /// How far the time of signing may be off, before and after.
    #[serde(default = "tolerance")]
    pub tolerance: Text<Span>,
}

/// What is required of GitLab: one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "maxProperties" = 1,
    "x-expected" = "signed or token, whichever is required, as in { signed: { secrets: [ { env: NAME } ] } }"
))]
pub(in crate::config) struct Gitlab {
    /// A signature, by a secret `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Timed>,
    /// The secret itself, sent along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Untimed>,
}

/// Twilio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Twilio {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
    /// The URL that Twilio was told, without its query. It is signed; what a request says of its host is not believed.
    #[schemars(required, extend("x-expected" = "the URL that Twilio was told, such as https://hooks.example/webhooks/twilio"))]
    pub public_url: Option<String>,
}

/// Discord.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Discord {
    /// The public keys in hexadecimal, of which any may match.
    #[schemars(required)]
    pub public_keys: Option<Secrets>,
    /// How far the time of signing may be off, before and after.
    #[serde(default = "tolerance")]
    pub tolerance: Text<Span>,
}

/// WebSub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Websub {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
    /// The hash functions that are believed.
    #[serde(default = "every_algorithm")]
    #[schemars(length(min = 1, max = 4), extend("x-expected" = "a list of sha1, sha256, sha384 and sha512"))]
    pub algorithms: Vec<AlgorithmItem>,
}

/// An item of a list of hash functions. One that was refused has become empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum AlgorithmItem {
    Written(Algorithm),
    Refused {},
}

impl JsonSchema for AlgorithmItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Algorithm::json_schema(generator)
    }
}

/// Grafana.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Grafana {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
    /// The header field of the signature, as it is named in Grafana.
    #[serde(default = "grafana_header")]
    pub header: Text<HeaderField>,
    /// The header field of the time, if one is named in Grafana. Without it a captured alert can be sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<Text<HeaderField>>,
    /// How far the time of signing may be off, before and after.
    #[serde(default = "tolerance")]
    pub tolerance: Text<Span>,
}

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Basic {
    /// The user's name, without a colon.
    #[schemars(required, length(min = 1, max = 256), extend("x-expected" = "a user's name of 1 to 256 characters"))]
    pub user: Option<String>,
    /// The passwords, of which any may match.
    #[schemars(required)]
    pub passwords: Option<Secrets>,
}

/// A header field that holds a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Header {
    /// Its name.
    #[schemars(required)]
    pub name: Option<Text<HeaderField>>,
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
}

/// A parameter of the query that holds a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Query {
    /// Its name.
    #[schemars(required, length(min = 1, max = 64), extend("x-expected" = "a parameter's name of 1 to 64 characters"))]
    pub parameter: Option<String>,
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
}

/// As [`crate::verify::limits::TOLERANCE`].
pub(super) fn tolerance() -> Text<Span> {
    Text(Span(crate::verify::limits::TOLERANCE))
}

fn grafana_header() -> Text<HeaderField> {
    Text(HeaderField(crate::verify::preset::GrafanaHeaders::default().signature))
}

/// The strongest that hubs use first: it is what a dry run signs by.
fn every_algorithm() -> Vec<AlgorithmItem> {
    [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha384, Algorithm::Sha1]
        .map(AlgorithmItem::Written)
        .into()
}
