//! Meta: Facebook, Instagram, WhatsApp, Threads.
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads>
//!
//! The body's bytes are signed as they are sent, with the `\u` escapes that they hold. It takes no other id: what tells
//! changes apart stands in each `/entry`.

use crate::secret::Secret;
use crate::verify::{Facts, Handshake, Locator, Refused, Scheme};

use super::github::hub_signature_256;
use super::scheme;

/// Meta; the secret is the app's.
///
/// # Errors
/// As [`super::hmac`].
pub fn meta(secrets: &[Secret]) -> Result<Scheme, Refused> {
    let facts =
        Facts { kind: Some(Locator::Body("/object")), handshake: Some(Handshake::Meta), ..Facts::default() };
    scheme("meta", hub_signature_256(), facts, secrets)
}
