//! sidestream with a verifier of one's own: everything else, the command line too, is sidestream's.

mod redact;

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sidestream::ingress::Registry;
use sidestream::verify::{Facts, IdRule, Locator, Request, Scheme, Unverified, Verified, Verifier};

const TIME: HeaderName = HeaderName::from_static("acme-time");
const SIGNATURE: HeaderName = HeaderName::from_static("acme-signature");
/// How far the time of signing may be off, before and after.
const TOLERANCE_SECONDS: u64 = 60;

fn main() -> ExitCode {
    let registry =
        Registry::new().verifier("acme", Acme::scheme).expect("a name that sidestream does not know");
    let registry = registry.step("redact", redact::Redact::new).expect("a name that is given once");
    sidestream::run_with(registry)
}

/// Acme signs method, target, time and the body's digest, which the verifier `hmac` can't be told: HMAC-SHA256 in base64.
struct Acme(Vec<Hmac<Sha256>>);

impl Acme {
    /// `verify: { acme: { secrets: [ … ] } }`. What is wrong is said without a value: it could be a secret.
    fn scheme(settings: &Value) -> Result<Scheme, String> {
        let secrets = settings["secrets"].as_array().into_iter().flatten().map(|secret| {
            let secret = secret.as_str().filter(|secret| !secret.is_empty())?;
            Hmac::new_from_slice(secret.as_bytes()).ok()
        });
        let keys = secrets.collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty());
        let acme = Acme(keys.ok_or("expected { secrets: [ { env: NAME } ] }")?);
        let id = IdRule::First(vec![Locator::Body("/order")]);
        Ok(Scheme::new("acme", acme, Facts { id, kind: Some(Locator::Body("/event")), ..Facts::default() }))
    }
}

impl Verifier for Acme {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        let (time, signature) = (only(request, TIME)?, only(request, SIGNATURE)?);
        let signed: u64 =
            time.parse().map_err(|_| Unverified::Malformed(TIME, "expected seconds since 1970"))?;
        let now = request.received.0 / 1000;
        match now.abs_diff(signed) {
            0..=TOLERANCE_SECONDS => {}
            off if signed < now => return Err(Unverified::Old(off, TOLERANCE_SECONDS)),
            off => return Err(Unverified::Future(off, TOLERANCE_SECONDS)),
        }
        let signature =
            STANDARD.decode(signature).map_err(|_| Unverified::Malformed(SIGNATURE, "expected base64"))?;
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
    let mut mac = key.clone();
    mac.update(format!("{} {}\n{time}\n", request.method, request.target).as_bytes());
    mac.update(&Sha256::digest(request.body));
    mac
}

/// A header field that must be there once: which of two counts would be a guess.
fn only<'a>(request: &Request<'a>, name: HeaderName) -> Result<&'a str, Unverified> {
    let mut values = request.headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Unverified::Missing(name)),
        (Some(_), Some(_)) => Err(Unverified::Twice(name)),
        (Some(value), None) => value.to_str().map_err(|_| Unverified::Malformed(name, "expected ASCII")),
    }
}
