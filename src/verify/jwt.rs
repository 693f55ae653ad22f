//! `jwt`: a token of the sender's identity provider in `Authorization: Bearer` (RFC 6750, section 2.1), as Google Pub/Sub
//! push and Knative send it (OpenID Connect).
//!
//! The token says who sends, and nothing of what is sent: a captured one can be used with any body until it expires. So
//! the audience is what keeps it from being used elsewhere, and TLS on the way is what keeps it from being captured.
//!
//! Keys are never waited for. Before a key set was fetched once, and with a token of a key that is newer than it, the
//! request is refused; the set is being fetched then, and a sender that tries again is believed.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::request::{Request, Unverified, Verified, Verifier};
use crate::jwt::Checker;

/// How long a token lasts that is signed for a dry run, seconds.
const DRY_RUN_SECONDS: u64 = 300;

/// Believes requests that carry a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    checker: Checker,
}

impl Jwt {
    /// With what makes a token good.
    #[must_use]
    pub fn new(checker: Checker) -> Self {
        Self { checker }
    }

    /// What makes a token good.
    #[must_use]
    pub fn checker(&self) -> &Checker {
        &self.checker
    }
}

impl Verifier for Jwt {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        self.checker.check(bearer(request)?, request.received)?;
        Ok(Verified { secret: None })
    }

    fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let policy = self.checker.policy();
        let mut claims = Map::new();
        for required in &policy.required {
            claims.insert(required.claim.clone(), required.values.first()?.clone());
        }
        let texts = [("iss", policy.issuers.first()), ("aud", policy.audiences.first())];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            claims.insert(name.to_owned(), Value::from(text.as_str()));
        }
        let now = request.received.0 / 1000;
        claims.insert("iat".to_owned(), Value::from(now));
        claims.insert("exp".to_owned(), Value::from(now.saturating_add(DRY_RUN_SECONDS)));
        let value = HeaderValue::try_from(format!("Bearer {}", self.checker.sign(&claims)?)).ok()?;
        Some(vec![(AUTHORIZATION, value)])
    }
}

/// The token of the one `Authorization` field.
fn bearer<'a>(request: &Request<'a>) -> Result<&'a str, Unverified> {
    let mut fields = request.headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Unverified::Missing(AUTHORIZATION))?;
    if fields.next().is_some() {
        return Err(Unverified::Twice(AUTHORIZATION));
    }
    let text = field.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(Unverified::Malformed(AUTHORIZATION, "expected Bearer and a token")),
    }
}
