//! Discord, interactions and webhook events.
//! <https://discord.com/developers/docs/interactions/overview#validating-security-request-headers>
//!
//! Interactions have an id. Webhook events have none, and what is in them may be the same twice: nothing tells a second
//! sending from a second event but their time, which is why the source decides (`replay_guard: body`) and not this.
//!
//! Nothing stands between timestamp and body. Nothing has to: a digit moved from one to the other makes a time that is
//! centuries off.

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Encoding, Facts, Handshake, IdRule, KeyForm, Locator, Refused, Scheme};

use super::{name, scheme, seconds};

/// Discord; the keys are the application's public ones, in hexadecimal.
///
/// # Errors
/// As [`super::hmac`].
pub fn discord(public_keys: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    let parameters = Parameters {
        fields: vec![Fields {
            signature: name("x-signature-ed25519"),
            id: None,
            timestamp: Some(name("x-signature-timestamp")),
        }],
        separator: None,
        forms: vec![Form::new("", Method::Ed25519)],
        // All of Discord's libraries decode it.
        encoding: Encoding::Hex,
        signed: vec![Part::Timestamp, Part::Body],
        timestamp: Some(seconds(tolerance)),
        key: KeyForm::PublicHex,
    };
    let facts = Facts {
        id: IdRule::First(vec![Locator::Body("/id")]),
        kind: Some(Locator::Body("/event/type")),
        handshake: Some(Handshake::Discord),
        patience: Some(Duration::from_secs(3)),
        ..Facts::default()
    };
    scheme("discord", parameters, facts, public_keys)
}
