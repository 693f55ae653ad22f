//! GitHub. <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>
//!
//! Only the body is signed: a captured one can be sent again under another delivery id, and as another event.
//! `X-Hub-Signature`, with SHA-1, is sent beside it for old receivers and not looked at.

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, IdRule, KeyForm, Refused, Scheme};

use super::{in_header, name, scheme};

/// GitHub.
///
/// # Errors
/// As [`super::hmac`].
pub fn github(secrets: &[Secret]) -> Result<Scheme, Refused> {
    let facts = Facts {
        id: IdRule::First(vec![in_header("x-github-delivery")]),
        kind: Some(in_header("x-github-event")),
        ..Facts::default()
    };
    scheme("github", hub_signature_256(), facts, secrets)
}

/// The body, in `X-Hub-Signature-256: sha256=<hex>`.
pub(super) fn hub_signature_256() -> Parameters {
    Parameters {
        fields: vec![Fields::signature(name("x-hub-signature-256"))],
        separator: None,
        forms: vec![Form::new("sha256=", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::HexLower,
        signed: vec![Part::Body],
        timestamp: None,
        key: KeyForm::Text,
    }
}
