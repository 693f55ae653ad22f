//! WebSub, W3C. <https://www.w3.org/TR/websub/#signing-content>: "`X-Hub-Signature: method=signature`", with the
//! method one of "sha1", "sha256", "sha384" or "sha512" and the signature in hexadecimal, in whichever case.
//!
//! A hub chooses the method. SHA-1 is among those believed unless the configuration leaves it out: most hubs use it, and
//! for HMAC it has not been broken.

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, Handshake, IdRule, KeyForm, Refused, Scheme};

use super::{name, scheme};

/// WebSub; a hub's signatures are believed by any of `algorithms`.
///
/// # Errors
/// As [`super::hmac`].
pub fn websub(secrets: &[Secret], algorithms: &[Algorithm]) -> Result<Scheme, Refused> {
    let form = |algorithm: &Algorithm| {
        let prefix = match algorithm {
            Algorithm::Sha1 => "sha1=",
            Algorithm::Sha256 => "sha256=",
            Algorithm::Sha384 => "sha384=",
            Algorithm::Sha512 => "sha512=",
        };
        Form::new(prefix, Method::Hmac(*algorithm))
    };
    let parameters = Parameters {
        fields: vec![Fields::signature(name("x-hub-signature"))],
        separator: None,
        forms: algorithms.iter().map(form).collect(),
        encoding: Encoding::Hex,
        signed: vec![Part::Body],
        timestamp: None,
        key: KeyForm::Text,
    };
    // What a hub distributes is known by `Link`, which holds URLs and is no type.
    let facts = Facts { id: IdRule::Body, handshake: Some(Handshake::WebSub), ..Facts::default() };
    scheme("websub", parameters, facts, secrets)
}
