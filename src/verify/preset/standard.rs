//! Standard Webhooks, and Svix, of which it was made.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>: "The content to sign
//! is `msg_id.timestamp.payload`", "the signature header … is a space delimited list".

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, IdRule, KeyForm, Locator, Refused, Scheme};

use super::{in_header, name, scheme, seconds};

/// Standard Webhooks: `v1` with secrets `whsec_…`, `v1a` with public keys `whpk_…`.
///
/// # Errors
/// As [`super::hmac`].
pub fn standard(secrets: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    let parameters = Parameters {
        forms: vec![v1(), Form::new("v1a,", Method::Ed25519)],
        key: KeyForm::Standard,
        ..symmetric(tolerance)
    };
    scheme("standard", parameters, facts(vec![in_header("webhook-id")]), secrets)
}

/// Svix: the same under its own names. It may be told to use the standard's.
///
/// # Errors
/// As [`super::hmac`].
pub fn svix(secrets: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    let own = Fields {
        signature: name("svix-signature"),
        id: Some(name("svix-id")),
        timestamp: Some(name("svix-timestamp")),
    };
    let parameters = Parameters {
        fields: vec![own, fields()],
        forms: vec![v1(), Form::new("v1a,", Method::Ed25519)],
        key: KeyForm::Standard,
        ..symmetric(tolerance)
    };
    scheme("svix", parameters, facts(vec![in_header("svix-id"), in_header("webhook-id")]), secrets)
}

/// `v1` alone.
pub(super) fn symmetric(tolerance: Duration) -> Parameters {
    Parameters {
        fields: vec![fields()],
        separator: Some(b' '),
        forms: vec![v1()],
        encoding: Encoding::Base64,
        signed: vec![Part::Id, Part::literal("."), Part::Timestamp, Part::literal("."), Part::Body],
        timestamp: Some(seconds(tolerance)),
        key: KeyForm::Whsec,
    }
}

fn v1() -> Form {
    Form::new("v1,", Method::Hmac(Algorithm::Sha256))
}

fn fields() -> Fields {
    Fields {
        signature: name("webhook-signature"),
        id: Some(name("webhook-id")),
        timestamp: Some(name("webhook-timestamp")),
    }
}

fn facts(ids: Vec<Locator>) -> Facts {
    Facts { id: IdRule::First(ids), kind: Some(Locator::Body("/type")), ..Facts::default() }
}
