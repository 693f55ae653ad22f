//! Grafana's alerts.
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/#hmac-signature>
//!
//! The name of the signature's field can be changed there, and a field for the time can be named; only then is the time
//! signed. Both have to be named here as they are named there.

use std::time::Duration;

use http::HeaderName;

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Method, Parameters, Part};
use crate::verify::{Algorithm, Encoding, Facts, KeyForm, Locator, Refused, Scheme};

use super::{name, scheme, seconds};

/// The header fields as they are named in Grafana.
#[derive(Clone, Debug)]
pub struct Header {
    /// The signature's.
    pub signature: HeaderName,
    /// The timestamp's, if one is named.
    pub timestamp: Option<HeaderName>,
}

impl Default for Header {
    fn default() -> Self {
        Self { signature: name("x-grafana-alerting-signature"), timestamp: None }
    }
}

/// Grafana. `tolerance` counts where a timestamp's field is named.
///
/// # Errors
/// As [`super::hmac`].
pub fn grafana(secrets: &[Secret], headers: Header, tolerance: Duration) -> Result<Scheme, Refused> {
    let (signed, timestamp) = match headers.timestamp {
        Some(_) => (vec![Part::Timestamp, Part::literal(":"), Part::Body], Some(seconds(tolerance))),
        None => (vec![Part::Body], None),
    };
    let parameters = Parameters {
        fields: vec![Fields { signature: headers.signature, id: None, timestamp: headers.timestamp }],
        separator: None,
        forms: vec![Form::new("", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::HexLower,
        signed,
        timestamp,
        key: KeyForm::Text,
    };
    let facts = Facts { kind: Some(Locator::Body("/status")), ..Facts::default() };
    scheme("grafana", parameters, facts, secrets)
}
