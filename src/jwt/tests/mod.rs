//! What a token must be, with vectors of specifications and of another implementation.
//!
//! `tests/data/jwt` holds keys, and tokens that `PyJWT` signed with them: `make.py` there says how.

mod attacks;
mod claims;
mod keys;
mod remote;
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;

use serde_json::Value;

use super::{Algorithm, Checker, Jwks, Keys, Origin, Policy};
use crate::event::Millis;
use crate::secret::Secret;

/// When the fixtures' tokens begin and end, seconds.
const BEGIN: u64 = 1_700_000_000;
const END: u64 = BEGIN + 3600;
/// In between.
const NOW: Millis = Millis((BEGIN + 60) * 1000);

/// The secret of the fixtures' HMAC tokens.
const SECRET: &[u8] = b"a secret of 64 bytes, which is what an HS512 signature asks for!";

const JWKS: &str = include_str!("../../../tests/data/jwt/jwks.json");
const TOKENS: &str = include_str!("../../../tests/data/jwt/tokens.txt");

fn secret() -> Keys {
    Keys::secret(&Secret::new(SECRET), None)
}

/// The fixtures' public keys.
fn published() -> Keys {
    Jwks::parse(JWKS.as_bytes(), Origin::Url).unwrap().keys
}

/// The fixture's token of this key, signed so.
fn token(kid: &str, algorithm: &str) -> &'static str {
    let of = |line: &&str| line.starts_with(&format!("{kid} {algorithm} "));
    TOKENS.lines().find(of).unwrap().rsplit(' ').next().unwrap()
}

/// For the audience of the fixtures.
fn policy(algorithms: &[Algorithm]) -> Policy {
    Policy { audiences: vec!["sidestream".into()], ..Policy::new(algorithms.to_vec()) }
}

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with exactly this header and these claims, signed by HMAC-SHA-256 whatever the header says.
fn forged(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

/// A good token with these claims.
fn signed(claims: &Value) -> String {
    forged(r#"{"alg":"HS256"}"#, &claims.to_string(), SECRET)
}

fn checker(policy: Policy) -> Checker {
    Checker::new(policy, secret(), None)
}
