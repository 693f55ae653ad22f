//! Nobody is believed who does not know the secret, whatever the header fields hold. Lines: the method's target, the
//! values of up to three fields that the scheme reads, and the body.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use sidestream::event::Millis;
use sidestream::secret::Secret;
use sidestream::verify::engine::{self, Fields, Form, Parameters, Part, Timestamp, TimestampAt};
use sidestream::verify::{Algorithm, Encoding, KeyForm, Request, Scheme, Tolerance, Unit, limits, preset};

const RECEIVED: Millis = Millis(1_700_000_000_000);

/// Every scheme, with the fields that it reads.
static SCHEMES: LazyLock<Vec<(Scheme, Vec<HeaderName>)>> = LazyLock::new(|| {
    let text = vec![Secret::new(*b"not in any corpus")];
    let keys = [
        Secret::new(*b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Secret::new(*b"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="),
    ];
    let public = [Secret::new(*b"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")];
    let time = limits::TOLERANCE;
    let headers = preset::GrafanaHeaders {
        timestamp: Some(HeaderName::from_static("x-time")),
        ..preset::GrafanaHeaders::default()
    };
    let algorithms = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
    let schemes = [
        preset::standard(&keys, time),
        preset::svix(&keys, time),
        preset::github(&text),
        preset::stripe(&text, time),
        preset::slack(&text, time),
        preset::shopify(&text),
        preset::websub(&text, &algorithms),
        preset::grafana(&text, headers, time),
        preset::twilio(&text, "https://hooks.example/webhooks/twilio"),
        preset::bearer(text.clone()),
        preset::basic("user", &text),
        preset::discord(&public, time),
        preset::gitea(&text),
        preset::forgejo(&text),
        preset::gitlab_signed(&keys[..1], time),
        preset::gitlab_token(text.clone()),
        preset::meta(&text),
        preset::header(HeaderName::from_static("x-key"), text.clone()),
        preset::query("key", text.clone()),
        preset::hmac(hmac(), &text),
    ];
    schemes.map(|scheme| with_fields(scheme.expect("its settings are good"))).into()
});

/// As much as can be configured.
fn hmac() -> Parameters {
    Parameters {
        fields: vec![Fields::signature(HeaderName::from_static("x-mine"))],
        separator: Some(b','),
        forms: vec![Form::new("v1=", engine::Method::Hmac(Algorithm::Sha512))],
        encoding: Encoding::Base64,
        signed: vec![
            Part::Method,
            Part::literal(" "),
            Part::Target,
            Part::literal("\n"),
            Part::Timestamp,
            Part::literal("."),
            Part::Body,
        ],
        timestamp: Some(Timestamp {
            at: TimestampAt::Item("t=".into()),
            unit: Unit::Milliseconds,
            tolerance: Tolerance(limits::TOLERANCE),
        }),
        key: KeyForm::Text,
    }
}

fn with_fields(scheme: Scheme) -> (Scheme, Vec<HeaderName>) {
    let empty = HeaderMap::new();
    let request =
        Request { method: &Method::POST, target: "/", headers: &empty, body: b"", received: RECEIVED };
    let names = scheme.sign(&request).map(|fields| fields.into_iter().map(|(name, _)| name).collect());
    let discord = ["x-signature-timestamp", "x-signature-ed25519"].map(HeaderName::from_static);
    let none = if scheme.name() == "discord" { discord.into() } else { Vec::new() };
    (scheme, names.unwrap_or(none))
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(5, |&b| b == b'\n');
    let target = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or("/");
    let values: Vec<_> =
        lines.by_ref().take(3).filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let body = lines.next().unwrap_or_default();
    for (scheme, names) in &*SCHEMES {
        let mut headers: HeaderMap = names.iter().cloned().zip(values.iter().cloned()).collect();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(http::header::CONTENT_TYPE, form);
        let request = Request { method: &Method::POST, target, headers: &headers, body, received: RECEIVED };
        let why = scheme.verify(&request).expect_err("nobody knows the secret");
        assert!(why.to_string().len() < 256);
        // What is asked of those that were believed is asked of none here, and comes to something all the same.
        let _ = (scheme.signed_bytes(&request), scheme.signed_body(&request));
    }
});
