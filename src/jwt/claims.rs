//! What a good token says.

use std::fmt;

use serde_json::{Map, Value};

use super::policy::TokenError;
use crate::event::Millis;

/// The claims of a token that was believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whom it is about.
    pub sub: Option<String>,
    /// Its own id.
    pub jti: Option<String>,
    /// When it ends, without any leeway.
    pub exp: Option<Millis>,
    /// When it was made.
    pub iat: Option<Millis>,
    /// All of its claims, those above too.
    pub all: Map<String, Value>,
}

impl Claims {
    pub(super) fn new(all: Map<String, Value>) -> Result<Self, TokenError> {
        let text = |name: &'static str| match all.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::MalformedClaim(name)),
        };
        let (exp, iat) = (time(&all, "exp")?, time(&all, "iat")?);
        Ok(Self { sub: text("sub")?, jti: text("jti")?, exp, iat, all })
    }
}

/// The names alone: claims are somebody's personal data.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(&self.all.keys().collect::<Vec<_>>()).finish()
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds, which may have a fraction. One before 1970 is as good as 1970, one
/// beyond what can be counted as its end.
pub(super) fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Millis>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let malformed = TokenError::MalformedClaim(name);
    let Value::Number(number) = value else { return Err(malformed) };
    let millis = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => seconds.saturating_mul(1000),
        #[allow(clippy::cast_sign_loss, reason = "a cast of a float saturates at both ends")]
        (None, Some(seconds)) if seconds.is_finite() => (seconds * 1000.0) as u64,
        _ => return Err(malformed),
    };
    Ok(Some(Millis(millis)))
}
