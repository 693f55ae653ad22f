//! What makes a token good.

use std::time::Duration;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::{Claims, time};
use super::keys::Keys;
use super::token::Token;
use crate::event::Millis;

/// Keys that are tried for one token. One that names its key is tried with one or two; this bounds what one that names
/// none may cost.
const MAX_TRIED: usize = 16;

/// What is asked of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How it may be signed. Empty: no token is good.
    pub algorithms: Vec<Algorithm>,
    /// Whose it may be (`iss`). Empty: anybody's that the keys are of; else it must say so.
    pub issuers: Vec<String>,
    /// Whom it may be for (`aud`). Empty: only tokens without `aud` are good; else it must name one of these.
    pub audiences: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// Whether it must end.
    pub expiry: Expiry,
    /// What it must say beside that.
    pub required: Vec<Required>,
}

/// Whether a token must say when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Without `exp` it is refused.
    Required,
    /// Without `exp` it is good for ever: who has stolen one keeps it until the key changes.
    Optional,
}

/// A claim that a token must have, with one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The claim's name.
    pub claim: String,
    /// The values of which it must be one.
    pub values: Vec<Value>,
}

/// Why a token is not good. Holds nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`super::MAX_TOKEN`].
    #[error("the token is larger than 16 KiB")]
    TooLarge,
    /// It is not three parts of base64url, or a part is not a JSON object with each name once.
    #[error("the token is malformed")]
    Malformed,
    /// It needs something understood that is not (`crit`).
    #[error("the token has critical header parameters")]
    Critical,
    /// Its `alg` is not allowed, or does not fit the key that it names.
    #[error("the token's alg is not allowed, or not for its key")]
    Algorithm,
    /// The keys have not been fetched yet.
    #[error("the keys have not been fetched yet")]
    NoKeys,
    /// No key has its `kid`, or without one: none is of its kind.
    #[error("no known key could have signed the token")]
    UnknownKey,
    /// It names no key, and too many could have signed it.
    #[error("the token has no kid, and more than {MAX_TRIED} keys could have signed it")]
    Ambiguous,
    /// The signature is not that of the key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is not of the kind that it must be.
    #[error("the token's claim {0} is malformed")]
    MalformedClaim(&'static str),
    /// It does not say when it ends.
    #[error("the token has no exp")]
    NoExpiry,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It has not begun, or was made in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its `iss` is not one of those configured.
    #[error("the token is of another issuer")]
    Issuer,
    /// Its `aud` holds none of those configured.
    #[error("the token is for another audience")]
    Audience,
    /// A claim that is required is not there, or has another value.
    #[error("the token's claim {0} is not what is required")]
    Required(String),
}

impl TokenError {
    /// A word for it that labels metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed | Self::MalformedClaim(_) => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::NoKeys => "no_keys",
            Self::UnknownKey | Self::Ambiguous => "unknown_key",
            Self::Signature => "signature",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Required(_) => "claim",
        }
    }

    /// Whether newer keys could make the same token good.
    pub(super) fn doubts_keys(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::Signature)
    }
}

impl Policy {
    /// For tokens signed so, and nothing else asked of them but that they end.
    #[must_use]
    pub fn new(algorithms: Vec<Algorithm>) -> Self {
        Self {
            algorithms,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Self::LEEWAY,
            expiry: Expiry::Required,
            required: Vec::new(),
        }
    }

    /// By how much clocks differ usually.
    pub const LEEWAY: Duration = Duration::from_secs(30);

    /// Believes the token, or says why not.
    ///
    /// # Errors
    /// [`TokenError`]; the first of what is wrong, in the order of the module's first lines.
    pub fn check(&self, keys: &Keys, token: &str, now: Millis) -> Result<Claims, TokenError> {
        self.check_with(&[keys], token, now)
    }

    /// The same with several sets, in order.
    pub(super) fn check_with(&self, sets: &[&Keys], token: &str, now: Millis) -> Result<Claims, TokenError> {
        let token = Token::read(token)?;
        if !self.algorithms.contains(&token.algorithm) {
            return Err(TokenError::Algorithm);
        }
        verify(sets, &token)?;
        self.judge(token.claims()?, now)
    }

    fn judge(&self, claims: Map<String, Value>, now: Millis) -> Result<Claims, TokenError> {
        self.judge_time(&claims, now)?;
        if !self.issuers.is_empty() {
            let issuer = claims.get("iss").and_then(Value::as_str).ok_or(TokenError::Issuer)?;
            if !self.issuers.iter().any(|known| known == issuer) {
                return Err(TokenError::Issuer);
            }
        }
        self.judge_audience(claims.get("aud"))?;
        for required in &self.required {
            if !claims.get(&required.claim).is_some_and(|value| required.values.contains(value)) {
                return Err(TokenError::Required(required.claim.clone()));
            }
        }
        Claims::new(claims)
    }

    /// RFC 7519, sections 4.1.4 to 4.1.6.
    fn judge_time(&self, claims: &Map<String, Value>, now: Millis) -> Result<(), TokenError> {
        let leeway = u64::try_from(self.leeway.as_millis()).unwrap_or(u64::MAX);
        let (early, late) = (now.0.saturating_sub(leeway), now.0.saturating_add(leeway));
        match time(claims, "exp")? {
            Some(exp) if early >= exp.0 => return Err(TokenError::Expired),
            None if self.expiry == Expiry::Required => return Err(TokenError::NoExpiry),
            _ => {}
        }
        for name in ["nbf", "iat"] {
            if time(claims, name)?.is_some_and(|from| late < from.0) {
                return Err(TokenError::NotYet);
            }
        }
        Ok(())
    }

    /// "If the principal processing the claim does not identify itself with a value in the `aud` claim when this claim is
    /// present, then the JWT MUST be rejected." (RFC 7519, section 4.1.3)
    fn judge_audience(&self, aud: Option<&Value>) -> Result<(), TokenError> {
        let ours = |text: &str| self.audiences.iter().any(|audience| audience == text);
        let meant = match aud {
            None => self.audiences.is_empty(),
            Some(Value::String(text)) => ours(text),
            Some(Value::Array(several)) => {
                let mut meant = false;
                for one in several {
                    meant |= ours(one.as_str().ok_or(TokenError::MalformedClaim("aud"))?);
                }
                meant
            }
            Some(_) => return Err(TokenError::MalformedClaim("aud")),
        };
        if meant { Ok(()) } else { Err(TokenError::Audience) }
    }
}

/// Whether one of the keys that the token may mean has signed it: those of its `kid` first, then those without one.
fn verify(sets: &[&Keys], token: &Token<'_>) -> Result<(), TokenError> {
    let all = || sets.iter().flat_map(|keys| &keys.0);
    let meant = all().filter(|key| token.kid.is_none() || key.kid == token.kid);
    let nameless = all().filter(|key| token.kid.is_some() && key.kid.is_none());
    let mut tried = 0;
    for key in meant.chain(nameless).filter(|key| key.fits(token.algorithm)) {
        if tried == MAX_TRIED {
            return Err(TokenError::Ambiguous);
        }
        tried += 1;
        if key.verifies(token.algorithm, token.signed, token.signature) {
            return Ok(());
        }
    }
    let known = match &token.kid {
        Some(_) => all().any(|key| key.kid == token.kid),
        None => tried > 0,
    };
    Err(match (known, tried) {
        (false, _) => TokenError::UnknownKey,
        (true, 0) => TokenError::Algorithm,
        (true, _) => TokenError::Signature,
    })
}
