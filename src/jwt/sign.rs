//! Making tokens, with secrets alone: for development, a dry run, and tests.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};

use super::Checker;
use super::algorithm::Algorithm;
use super::keys::KeyError;
use crate::secret::Secret;

/// A token that says `claims`.
///
/// # Errors
/// [`KeyError`] where the algorithm is not signed with a secret, or the secret is too short for it.
pub fn sign(
    algorithm: Algorithm,
    secret: &Secret,
    kid: Option<&str>,
    claims: &Map<String, Value>,
) -> Result<String, KeyError> {
    let needed = algorithm.secret_bytes().ok_or(KeyError::NotSymmetric(algorithm))?;
    let got = secret.expose().len();
    if got < needed {
        return Err(KeyError::Short { got, algorithm, needed });
    }
    Ok(encode(algorithm, secret.expose(), kid, claims))
}

fn encode(algorithm: Algorithm, secret: &[u8], kid: Option<&str>, claims: &Map<String, Value>) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm.library()) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))
        .expect("a map of JSON values, and an algorithm of the key's family")
}

impl Checker {
    /// A token that says `claims`, signed with the first of the configured secrets that may be used. None where there is
    /// none: who checks with public keys can't sign.
    #[must_use]
    pub fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        let (key, algorithm) = self.keys().signing(&self.policy().algorithms)?;
        Some(encode(algorithm, key.secret_bytes()?, key.kid.as_deref(), claims))
    }
}
