//! `jwt`: a token of the sender's identity provider in `Authorization: Bearer` (RFC 6750, section 2.1), as Google Pub/Sub
//! push and Knative send it (`OpenID` Connect).
//!
//! The token says who sends, and nothing of what is sent: a captured one can be used with any body until it expires. So
//! the audience is what keeps it from being used elsewhere, and TLS on the way is what keeps it from being captured.
//!
//! Keys are never waited for. Before a key set was fetched once, and with a token of a key that is newer than it, the
//! request is refused; the set is being fetched then, and a sender that tries again is believed.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::header::{self, malformed, sensitive};
use super::request::{Request, Unverified, Verified, Verifier};
use crate::jwt::{Checker, MAX_TOKEN, Remote};

/// What stands before the token; its name has no case (RFC 9110, section 11.1).
const SCHEME: &str = "Bearer ";

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
        let value = format!("{SCHEME}{}", self.checker.sign(&claims)?);
        Some(vec![(AUTHORIZATION, sensitive(value.as_bytes())?)])
    }

    fn remote(&self) -> Option<&Arc<Remote>> {
        self.checker.remote()
    }
}

/// The token of the one `Authorization` field.
fn bearer<'a>(request: &Request<'a>) -> Result<&'a str, Unverified> {
    let value = header::one(request.headers, &AUTHORIZATION, SCHEME.len() + MAX_TOKEN)?;
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_char_boundary(SCHEME.len()));
    match text.map(|text| text.split_at(SCHEME.len())) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => Ok(token.trim_start_matches(' ')),
        _ => Err(malformed(&AUTHORIZATION, "it is for another scheme")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use serde_json::json;

    use super::*;
    use crate::event::Millis;
    use crate::jwt::{Algorithm, Feed, Jwks, JwksUrl, Keys, Origin, Policy, Required, TokenError};
    use crate::secret::Secret;

    const JWKS: &str = include_str!("../../tests/data/jwt/jwks.json");
    const TOKENS: &str = include_str!("../../tests/data/jwt/tokens.txt");
    const NOW: Millis = Millis(1_700_000_060_000);

    fn token() -> &'static str {
        TOKENS.lines().next().unwrap().rsplit(' ').next().unwrap()
    }

    /// As for Pub/Sub: issuer, audience, and whose account pushes.
    fn policy() -> Policy {
        let required = |claim: &str, value| Required { claim: claim.into(), values: vec![value] };
        Policy {
            issuers: vec!["https://id.example/".into()],
            audiences: vec!["sidestream".into()],
            required: vec![
                required("email", json!("push@project.example")),
                required("email_verified", json!(true)),
            ],
            ..Policy::new(vec![Algorithm::Rs256, Algorithm::Hs256])
        }
    }

    fn fetched() -> Jwt {
        let url: JwksUrl = "https://id.example/jwks".parse().unwrap();
        let remote = Arc::new(Remote::new(url));
        Jwt::new(Checker::new(policy(), Keys::default(), Some(remote)))
    }

    fn verify(verifier: &Jwt, values: &[&str], received: Millis) -> Result<Verified, Unverified> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        verifier.verify(&request(&headers, received))
    }

    fn request(headers: &HeaderMap, received: Millis) -> Request<'_> {
        Request { method: &Method::POST, target: "/webhooks/pubsub", headers, body: b"{}", received }
    }

    #[test]
    fn refused_until_there_are_keys_and_believed_from_then_on() {
        let verifier = fetched();
        let bearer = format!("Bearer {}", token());
        assert_eq!(verify(&verifier, &[&bearer], NOW), Err(Unverified::Token(TokenError::NoKeys)));
        let feed = Arc::new(Feed::default());
        verifier.remote().unwrap().bind(Arc::clone(&feed));
        assert_eq!(verify(&verifier, &[&bearer], NOW), Err(Unverified::Token(TokenError::NoKeys)));
        feed.store(Keys::default());
        assert_eq!(verify(&verifier, &[&bearer], NOW), Err(Unverified::Token(TokenError::UnknownKey)));
        feed.store(Jwks::parse(JWKS.as_bytes(), Origin::Url).unwrap().keys);
        for scheme in ["Bearer ", "bearer ", "BEARER   "] {
            let good = format!("{scheme}{}", token());
            assert_eq!(verify(&verifier, &[&good], NOW), Ok(Verified { secret: None }));
        }
        let later = Millis(NOW.0 + 3_600_000);
        assert_eq!(verify(&verifier, &[&bearer], later), Err(Unverified::Token(TokenError::Expired)));
        assert_eq!(verifier.sign(&request(&HeaderMap::new(), NOW)), None, "nobody has the private key");
    }

    #[test]
    fn exactly_one_bearer_token() {
        let verifier = fetched();
        let bearer = format!("Bearer {}", token());
        assert_eq!(verify(&verifier, &[], NOW), Err(Unverified::Missing(AUTHORIZATION)));
        assert_eq!(verify(&verifier, &[&bearer, &bearer], NOW), Err(Unverified::Twice(AUTHORIZATION)));
        for odd in ["", "Bearer", "Basic YTpi", "Bearer\u{e9}", token(), &format!("Bearer\t{}", token())] {
            let why = verify(&verifier, &[odd], NOW);
            assert!(matches!(why, Err(Unverified::Malformed(..))), "{odd:?}: {why:?}");
        }
        for odd in ["Bearer ", "Bearer a", &format!("{bearer} {}", token()), &format!("{bearer}, {bearer}")] {
            let why = verify(&verifier, &[odd], NOW);
            assert!(matches!(why, Err(Unverified::Token(_))), "{odd:?}: {why:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert!(matches!(verify(&verifier, &[&long], NOW), Err(Unverified::Malformed(..))));
    }

    #[test]
    fn a_sender_is_played_with_a_secret() {
        let keys = Keys::secret(&Secret::new([7; 32]), None);
        let verifier = Jwt::new(Checker::new(policy(), keys, None));
        let signed = verifier.sign(&request(&HeaderMap::new(), NOW)).unwrap();
        let headers: HeaderMap = signed.into_iter().collect();
        assert_eq!(verifier.verify(&request(&headers, NOW)), Ok(Verified { secret: None }));
        assert!(!format!("{headers:?}").contains("eyJ"), "a token is not shown");
    }
}
