//! From a token to what it grants.

use std::sync::Arc;

use serde_json::Value;

use super::revoked::NAME_BYTES;
use super::{Bearer, Template};
use crate::event::{Millis, Pattern};
use crate::jwt::{Checker, Claims, TokenError};

/// Patterns in the claim at most. Each is held against each topic that is wanted; who needs more is better served by a
/// pattern, or a template.
pub const MAX_TOPICS: usize = 256;

/// `auth.jwt`: what makes a token good, and where in it is what it grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    checker: Checker,
    claim: Box<str>,
    allow: Box<[Template]>,
}

impl Tokens {
    /// Grants what the claim `claim` lists, and what the templates come to.
    #[must_use]
    pub fn new(checker: Checker, claim: &str, allow: Vec<Template>) -> Self {
        Self { checker, claim: claim.into(), allow: allow.into() }
    }

    /// What checks tokens.
    #[must_use]
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// The name of the claim that lists patterns.
    #[must_use]
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// Believes the token and says what it grants, or says why not.
    ///
    /// # Errors
    /// [`TokenError`]: [`TokenError::MalformedClaim`] also for a list of topics that holds anything but patterns, or more
    /// than [`MAX_TOPICS`], and for a `sub` or `jti` of more than 256 bytes. A part of it is never left out in silence.
    pub fn read(&self, token: &str, now: Millis) -> Result<Bearer, TokenError> {
        let claims = self.checker.check(token, now)?;
        let mut allowed = listed(claims.all.get(&*self.claim))?;
        allowed.extend(self.allow.iter().filter_map(|template| template.fill(&claims.all)));
        let leeway = u64::try_from(self.checker.policy().leeway.as_millis()).unwrap_or(u64::MAX);
        let Claims { sub, jti, exp, iat, all: _ } = claims;
        Ok(Bearer {
            subject: name("sub", sub)?,
            token_id: name("jti", jti)?,
            issued: iat,
            expires: exp.map(|exp| Millis(exp.0.saturating_add(leeway))),
            allowed: allowed.into(),
        })
    }
}

/// A subject or a token's id; none where it is empty, which names nobody. A longer one could not be revoked.
fn name(claim: &'static str, text: Option<String>) -> Result<Option<Arc<str>>, TokenError> {
    match text {
        Some(text) if text.len() > NAME_BYTES => Err(TokenError::MalformedClaim(claim)),
        text => Ok(text.filter(|text| !text.is_empty()).map(Arc::from)),
    }
}

/// The patterns that a claim lists: a text, or a list of texts.
fn listed(claim: Option<&Value>) -> Result<Vec<Pattern>, TokenError> {
    let malformed = || TokenError::MalformedClaim("that lists topics");
    let pattern = |text: &str| Pattern::parse(text).map_err(|_| malformed());
    match claim {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![pattern(text)?]),
        Some(Value::Array(texts)) if texts.len() <= MAX_TOPICS => {
            texts.iter().map(|text| pattern(text.as_str().ok_or_else(malformed)?)).collect()
        }
        Some(_) => Err(malformed()),
    }
}
