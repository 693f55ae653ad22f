//! Tokens made by hand: header and claims are whatever a test wants them to be.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// The secret of the tests' configurations.
pub const SECRET: &str = "a secret of the tests, long enough for HS256";

/// `auth` with [`SECRET`], for the audience that [`bearer`] names; `more` stands beside `jwt`.
pub fn auth(more: &str) -> String {
    format!(
        "auth: {{ jwt: {{ algorithms: [HS256], audience: sidestream, keys: [ {{ secret: \"{SECRET}\" }} ] }}{more} }}"
    )
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A good token for these topics, for an hour.
pub fn bearer(topics: &[&str]) -> String {
    signed(&json!({ "alg": "HS256" }), &claims(topics), SECRET.as_bytes())
}

/// What a good token says.
pub fn claims(topics: &[&str]) -> Value {
    json!({ "sub": "42", "aud": "sidestream", "exp": now() + 3600, "topics": topics })
}

/// The claims with another value for one of them, or without it.
pub fn but(mut claims: Value, name: &str, value: Option<Value>) -> Value {
    let all = claims.as_object_mut().unwrap();
    match value {
        Some(value) => all.insert(name.to_owned(), value),
        None => all.remove(name),
    };
    claims
}

/// Signed with HMAC-SHA-256, whatever the header says.
pub fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed_text(&header.to_string(), &claims.to_string(), secret)
}

/// As [`signed`], of texts that need not be JSON.
pub fn signed_text(header: &str, claims: &str, secret: &[u8]) -> String {
    let input = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(input.as_bytes()).finalize();
    format!("{input}.{}", base64(&mac.into_bytes()))
}

/// A pair of keys for `EdDSA`.
pub struct Pair(SigningKey);

impl Pair {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    /// Its public half as a JWK.
    pub fn jwk(&self, kid: &str) -> Value {
        let x = base64(self.0.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x })
    }

    /// A token signed by it.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": kid });
        let input =
            format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = self.0.sign(input.as_bytes()).to_bytes();
        format!("{input}.{}", base64(&signature))
    }
}

/// base64url without padding (RFC 4648, section 5).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().chain([0, 0].iter()).take(3).fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        for digit in 0..=group.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
