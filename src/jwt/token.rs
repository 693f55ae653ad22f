//! A token's form: three parts, and JSON that can mean one thing only (RFC 7515, section 7.1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::MAX_TOKEN;
use super::algorithm::Algorithm;
use super::policy::TokenError;

/// A token whose header has been read. Nothing of it is believed.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    /// What the signature is over.
    pub signed: &'a str,
    pub signature: &'a str,
    payload: &'a str,
}

impl<'a> Token<'a> {
    pub fn read(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = object(header)?;
        // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the
        // JWS is invalid." (RFC 7515, section 4.1.11); none is.
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let Some(Value::String(algorithm)) = header.get("alg") else { return Err(TokenError::Malformed) };
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Malformed),
        };
        let algorithm = Algorithm::parse(algorithm).ok_or(TokenError::Algorithm)?;
        Ok(Self { algorithm, kid, signed, signature, payload })
    }

    /// Its claims. To be asked for when the signature is known to be good, and not before.
    pub fn claims(&self) -> Result<Map<String, Value>, TokenError> {
        object(self.payload)
    }
}

/// A part that is a JSON object.
fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    let Unique(object) = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
    Ok(object)
}

/// An object in which no name comes twice: whoever else reads the token might take the other one (RFC 7519, section 4).
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(Unique(object))
    }
}
