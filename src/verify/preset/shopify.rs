//! Shopify. <https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook>
//!
//! Only the body is signed. An id may come once for each topic that a change belongs to, so both tell a delivery.

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, IdRule, KeyForm, Refused, Scheme};

use super::{in_header, name, scheme};

/// Shopify; the secret is the app's client secret.
///
/// # Errors
/// As [`super::hmac`].
pub fn shopify(secrets: &[Secret]) -> Result<Scheme, Refused> {
    let parameters = Parameters {
        fields: vec![Fields::signature(name("x-shopify-hmac-sha256"))],
        separator: None,
        forms: vec![Form::new("", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::Base64,
        signed: vec![Part::Body],
        timestamp: None,
        key: KeyForm::Text,
    };
    let facts = Facts {
        id: IdRule::Joined(vec![in_header("x-shopify-webhook-id"), in_header("x-shopify-topic")]),
        kind: Some(in_header("x-shopify-topic")),
        patience: Some(Duration::from_secs(5)),
        ..Facts::default()
    };
    scheme("shopify", parameters, facts, secrets)
}
