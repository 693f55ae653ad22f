//! Algorithms of tokens, and where keys are published.

use std::fmt;

use crate::jwt::{Algorithm, JwksUrl};

use super::{Misread, Written};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenAlgorithm(pub Algorithm);

impl Written for TokenAlgorithm {
    const FORMAT: &'static str = "sidestream-token-algorithm";
    const EXPECTED: &'static str =
        "one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA";
    const PATTERN: Option<&'static str> = Some("^([HRP]S(256|384|512)|ES(256|384)|EdDSA)$");

    fn read(text: &str) -> Result<Self, Misread> {
        match Algorithm::parse(text).filter(|algorithm| algorithm.name() == text) {
            Some(algorithm) => Ok(Self(algorithm)),
            None if text.eq_ignore_ascii_case("none") => {
                Err(Misread::Because("a token that is not signed is never believed".into()))
            }
            None => Err(Misread::Form),
        }
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The URL of a key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySetUrl(pub JwksUrl);

impl Written for KeySetUrl {
    const FORMAT: &'static str = "sidestream-key-set-url";
    const EXPECTED: &'static str = "a URL such as https://id.example/.well-known/jwks.json";

    fn read(text: &str) -> Result<Self, Misread> {
        use crate::jwt::UrlError;
        text.parse().map(Self).map_err(|why| match why {
            UrlError::Form => Misread::Form,
            why => Misread::Because(why.to_string().into()),
        })
    }
}

/// As it is written, so that a change of its query is a change.
impl fmt::Display for KeySetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_by_their_names_alone() {
        for algorithm in Algorithm::ALL {
            assert_eq!(TokenAlgorithm::read(algorithm.name()), Ok(TokenAlgorithm(algorithm)));
            assert!(TokenAlgorithm::EXPECTED.contains(algorithm.name()), "{algorithm}");
        }
        for text in ["", "rs256", "ES512", "Ed25519", "HS256 "] {
            assert_eq!(TokenAlgorithm::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in ["none", "None"] {
            assert!(matches!(TokenAlgorithm::read(text), Err(Misread::Because(_))), "{text:?}");
        }
    }

    #[test]
    fn urls() {
        let url = "https://id.example/jwks?a=b";
        assert_eq!(KeySetUrl::read(url).unwrap().to_string(), url);
        assert_eq!(KeySetUrl::read("id.example/jwks"), Err(Misread::Form));
        assert!(matches!(KeySetUrl::read("https://u:p@a/"), Err(Misread::Because(_))));
    }
}
