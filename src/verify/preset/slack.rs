//! Slack. <https://docs.slack.dev/authentication/verifying-requests-from-slack>
//!
//! Not all of Slack's libraries refuse timestamps from the future; here they are refused.

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, Handshake, IdRule, KeyForm, Locator, Refused, Scheme};

use super::{name, scheme, seconds};

/// Slack; the secret is the app's signing secret.
///
/// # Errors
/// As [`super::hmac`].
pub fn slack(secrets: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    let parameters = Parameters {
        fields: vec![Fields {
            signature: name("x-slack-signature"),
            id: None,
            timestamp: Some(name("x-slack-request-timestamp")),
        }],
        separator: None,
        forms: vec![Form::new("v0=", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::HexLower,
        signed: vec![Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body],
        timestamp: Some(seconds(tolerance)),
        key: KeyForm::Text,
    };
    let facts = Facts {
        id: IdRule::First(vec![Locator::Body("/event_id")]),
        kind: Some(Locator::Body("/event/type")),
        handshake: Some(Handshake::Slack),
        patience: Some(Duration::from_secs(3)),
        ..Facts::default()
    };
    scheme("slack", parameters, facts, secrets)
}
