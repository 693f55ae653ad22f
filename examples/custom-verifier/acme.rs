//! Acme signs method, target, time and the body's digest, which the verifier `hmac` can't be told: HMAC-SHA256 in base64.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use sidestream::verify::{Facts, IdRule, Locator, Request, Scheme, Unverified, Verified, Verifier};

const TIME: HeaderName = HeaderName::from_static("acme-time");
const SIGNATURE: HeaderName = HeaderName::from_static("acme-signature");

/// Its secrets: any of them is believed.
struct Acme(Vec<Hmac<Sha256>>);

/// `verify: { acme: { secrets: [ … ] } }`. What is wrong is said without a value: it could be a secret.
pub fn scheme(settings: &serde_json::Value) -> Result<Scheme, String> {
    let secrets = settings["secrets"].as_array().into_iter().flatten();
    let secrets = secrets.map(|secret| secret.as_str().filter(|secret| !secret.is_empty()));
    let keys =
        secrets.map(|secret| Hmac::new_from_slice(secret?.as_bytes()).ok()).collect::<Option<Vec<_>>>();
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or("expected { secrets: [ { env: NAME } ] }")?;
    let (id, kind) = (IdRule::First(vec![Locator::Body("/order")]), Some(Locator::Body("/event")));
    Ok(Scheme::new("acme", Acme(keys), Facts { id, kind, ..Facts::default() }))
}

impl Verifier for Acme {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        let (time, signature) =
            (request.signed_at(&TIME, Duration::from_mins(1))?, request.only(&SIGNATURE)?);
        let signature =
            STANDARD.decode(signature).map_err(|_| Unverified::Malformed(SIGNATURE, "not base64"))?;
        // `verify_slice` takes the same time whatever it compares; `==` would not.
        let secret = self.0.iter().position(|key| mac(key, request, time).verify_slice(&signature).is_ok());
        secret.map(|index| Verified { secret: Some(index) }).ok_or(Unverified::Mismatch)
    }

    fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let time = (request.received.0 / 1000).to_string();
        let signature = STANDARD.encode(mac(self.0.first()?, request, &time).finalize().into_bytes());
        Some(vec![(TIME, time.try_into().ok()?), (SIGNATURE, signature.try_into().ok()?)])
    }
}

fn mac(key: &Hmac<Sha256>, request: &Request<'_>, time: &str) -> Hmac<Sha256> {
    let head = format!("{} {}\n{time}\n", request.method, request.target);
    key.clone().chain_update(head).chain_update(Sha256::digest(request.body))
}
