//! Key sets in JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
//!
//! What a set holds beside keys that tokens are signed with is passed over, as the specification asks for (RFC 7517,
//! section 5), and told. Only a text that is no set at all is an error.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::keys::{Key, KeyError, Keys};
use super::spki::{P256_POINT, P384_POINT, PublicKey};

/// Bytes of a key set. The largest of the well-known providers' are a tenth of it.
pub const MAX_JWKS: usize = 256 * 1024;

/// Keys in a set. A rotation needs two or three; some providers publish one per tenant.
const MAX_KEYS: usize = 128;

/// Where a set is from, which decides what is believed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator's own file: it may hold secrets (`oct`).
    File,
    /// Somebody's URL: what is published to all is no secret, so a secret in it is passed over.
    Url,
}

/// A set that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// The keys that tokens may be signed with, in the order of the set.
    pub keys: Keys,
    /// What was passed over: its place in the set from 0, and why.
    pub skipped: Vec<(usize, Skipped)>,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// Its `use` or `key_ops` say that it is for something else.
    #[error("it is not for checking signatures")]
    OtherUse,
    /// Its `kty`, `crv` or `alg` is not one that tokens are signed with here.
    #[error("its kty, crv or alg is not supported")]
    Unsupported,
    /// It is a private key. Whoever could read it can sign.
    #[error("it is a private key; expected the public one")]
    Private,
    /// It is a secret, and published.
    #[error("a secret (kty oct) from a URL is not believed")]
    PublishedSecret,
    /// A member is missing or not what it must be.
    #[error("a member is missing or malformed")]
    Malformed,
    /// It is an RSA key outside of the sizes.
    #[error("an RSA key of {0} bits; expected 2048 to 8192")]
    RsaBits(usize),
}

/// Why a text is no key set. Never shows any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More bytes than [`MAX_JWKS`].
    #[error("larger than 256 KiB")]
    TooLarge,
    /// Not JSON with a list `keys`.
    #[error("no JSON object with a list `keys` (RFC 7517, section 5)")]
    NotASet,
    /// More keys than are looked through.
    #[error("{0} keys; expected at most {MAX_KEYS}")]
    TooMany(usize),
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<Value>,
}

impl Jwks {
    /// Reads a set of at most [`MAX_JWKS`] bytes.
    ///
    /// # Errors
    /// [`JwksError`], when it is no set. Keys that can't be used are no error: see [`Jwks::skipped`].
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, JwksError> {
        if text.len() > MAX_JWKS {
            return Err(JwksError::TooLarge);
        }
        let Written { keys } = serde_json::from_slice(text).map_err(|_| JwksError::NotASet)?;
        if keys.len() > MAX_KEYS {
            return Err(JwksError::TooMany(keys.len()));
        }
        let mut set = Self { keys: Keys::default(), skipped: Vec::new() };
        for (index, key) in keys.iter().enumerate() {
            match read(key, origin) {
                Ok(key) => set.keys.0.push(key),
                Err(why) => set.skipped.push((index, why)),
            }
        }
        Ok(set)
    }
}

fn read(key: &Value, origin: Origin) -> Result<Key, Skipped> {
    let key = Members(key.as_object().ok_or(Skipped::Malformed)?);
    let only = usable(&key)?;
    let kid = key.text("kid")?.map(str::to_owned);
    let kty = key.text("kty")?.ok_or(Skipped::Malformed)?;
    if kty != "oct" && key.0.contains_key("d") {
        return Err(Skipped::Private);
    }
    let made = match (kty, key.text("crv")?) {
        ("oct", _) if origin == Origin::Url => return Err(Skipped::PublishedSecret),
        ("oct", _) => Ok(Key::secret(&key.bytes("k")?)),
        ("RSA", _) => Key::public(PublicKey::Rsa { n: &key.bytes("n")?, e: &key.bytes("e")? }),
        ("EC", Some("P-256")) => Key::public(PublicKey::P256(&key.point(P256_POINT)?)),
        ("EC", Some("P-384")) => Key::public(PublicKey::P384(&key.point(P384_POINT)?)),
        ("OKP", Some("Ed25519")) => {
            let x = key.bytes("x")?;
            if x.len() != 32 {
                return Err(Skipped::Malformed);
            }
            Key::public(PublicKey::Ed25519(&x))
        }
        _ => return Err(Skipped::Unsupported),
    };
    let made = made.map_err(|why| match why {
        KeyError::RsaBits(bits) => Skipped::RsaBits(bits),
        _ => Skipped::Malformed,
    })?;
    let key = made.only(only).named(kid);
    // Such as an RSA key that says it is for ES256.
    if only.is_some_and(|only| !key.fits(only)) { Err(Skipped::Unsupported) } else { Ok(key) }
}

/// Whether the key is for checking signatures at all, and for which algorithm if it says so.
fn usable(key: &Members<'_>) -> Result<Option<Algorithm>, Skipped> {
    if key.text("use")?.is_some_and(|r#use| r#use != "sig") {
        return Err(Skipped::OtherUse);
    }
    match key.0.get("key_ops") {
        None => {}
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => {}
        Some(Value::Array(_)) => return Err(Skipped::OtherUse),
        Some(_) => return Err(Skipped::Malformed),
    }
    match key.text("alg")? {
        None => Ok(None),
        Some(name) => Algorithm::parse(name).map(Some).ok_or(Skipped::Unsupported),
    }
}

/// A key's members.
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, Skipped> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Skipped::Malformed),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Skipped> {
        let text = self.text(name)?.ok_or(Skipped::Malformed)?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| Skipped::Malformed)
    }

    /// Both coordinates, each as long as the curve's field (RFC 7518, section 6.2.1.2), behind the 4 of an uncompressed
    /// point.
    fn point(&self, length: usize) -> Result<Vec<u8>, Skipped> {
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        if x.len() != length / 2 || y.len() != length / 2 {
            return Err(Skipped::Malformed);
        }
        Ok([&[4], &x[..], &y[..]].concat())
    }
}
