//! Stripe. <https://docs.stripe.com/webhooks#verify-manually>
//!
//! The whole `whsec_…` is the key, as text. Stripe's libraries refuse old timestamps alone; here, also those from the
//! future. `v0` is sent for test events and is no signature.

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part, Timestamp, TimestampAt};
use crate::verify::{Algorithm, Encoding, Facts, IdRule, KeyForm, Locator, Refused, Scheme, Tolerance, Unit};

use super::{name, scheme};

/// Stripe.
///
/// # Errors
/// As [`super::hmac`].
pub fn stripe(secrets: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    let parameters = Parameters {
        fields: vec![Fields::signature(name("stripe-signature"))],
        separator: Some(b','),
        forms: vec![Form::new("v1=", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::HexLower,
        signed: vec![Part::Timestamp, Part::literal("."), Part::Body],
        timestamp: Some(Timestamp {
            at: TimestampAt::Item("t=".into()),
            unit: Unit::Seconds,
            tolerance: Tolerance(tolerance),
        }),
        key: KeyForm::Text,
    };
    let facts = Facts {
        id: IdRule::First(vec![Locator::Body("/id")]),
        kind: Some(Locator::Body("/type")),
        ..Facts::default()
    };
    scheme("stripe", parameters, facts, secrets)
}
