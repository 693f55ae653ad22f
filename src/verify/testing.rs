//! A request to be verified, put together in a test.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::event::Millis;
use crate::jwt::{Algorithm, Checker, Feed, Jwks, Keys, Origin, Policy, Remote};
use crate::secret::Secret;

use super::{Request, Scheme, Unverified, Verified, preset};

/// The time of a test, in seconds, where a vector brings none.
pub(super) const NOW: u64 = 1_700_000_000;

/// A body of JSON.
pub(super) const PING: &str = r#"{"id":"evt_1","type":"ping"}"#;

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub received: Millis,
}

impl Sent {
    /// A POST of `body`, received at [`NOW`].
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        let (headers, received) = (HeaderMap::new(), Millis(NOW * 1000));
        Self { method: Method::POST, target: "/webhooks/x".into(), headers, body: body.into(), received }
    }

    pub fn at(self, seconds: u64) -> Self {
        Self { received: Millis(seconds * 1000), ..self }
    }

    pub fn to(self, target: &str) -> Self {
        Self { target: target.into(), ..self }
    }

    /// With one more header field.
    pub fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// With these instead of fields of the same names.
    pub fn set(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        for (name, value) in headers {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        assert!(self.headers.remove(name).is_some(), "{name} was not there");
        self
    }

    /// Signed as its sender would.
    pub fn signed(self, scheme: &Scheme) -> Self {
        let headers = scheme.sign(&self.request()).expect("its sender can be played");
        self.set(headers)
    }

    pub fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
            received: self.received,
        }
    }

    pub fn judged(&self, scheme: &Scheme) -> Result<Verified, Unverified> {
        scheme.verify(&self.request())
    }

    #[track_caller]
    pub fn is_believed(&self, scheme: &Scheme) {
        assert_eq!(self.judged(scheme), Ok(Verified { secret: Some(0) }), "{scheme:?} {self:?}");
    }

    #[track_caller]
    pub fn is_mismatch(&self, scheme: &Scheme) {
        assert_eq!(self.judged(scheme), Err(Unverified::Mismatch), "{scheme:?} {self:?}");
    }

    #[track_caller]
    pub fn is_malformed(&self, scheme: &Scheme, name: &str, why: &'static str) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        assert_eq!(self.judged(scheme), Err(Unverified::Malformed(name, why)), "{scheme:?} {self:?}");
    }
}

pub(super) const NO_SIGNATURE: &str = "it holds no signature as the scheme writes them";

pub(super) fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(text.as_bytes())).collect()
}

/// Hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    crate::octets::write_hex(bytes, &mut text);
    text
}

/// The private key of Ed25519 in the vectors.
pub(super) fn private_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// What a sender with [`private_key`] signs, by its pieces.
pub(super) fn ed25519(pieces: &[&[u8]]) -> [u8; 64] {
    private_key().sign(&pieces.concat()).to_bytes()
}

/// A scheme that believes tokens by keys which have not been fetched, a token that is good by them, and what fetches them.
pub(crate) fn unfetched() -> (Scheme, &'static str, impl Fn()) {
    const JWKS: &str = include_str!("../../tests/data/jwt/jwks.json");
    const TOKENS: &str = include_str!("../../tests/data/jwt/tokens.txt");
    let policy = Policy {
        audiences: vec!["sidestream".into()],
        leeway: Duration::from_hours(1),
        ..Policy::new(vec![Algorithm::Rs256])
    };
    let remote = Arc::new(Remote::new("https://id.example/jwks".parse().unwrap()));
    let feed = Arc::new(Feed::default());
    remote.bind(Arc::clone(&feed));
    let fetch = move || feed.store(Jwks::parse(JWKS.as_bytes(), Origin::Url).unwrap().keys);
    let token = TOKENS.lines().next().unwrap().rsplit(' ').next().unwrap();
    (preset::jwt(Checker::new(policy, Keys::default(), Some(remote))), token, fetch)
}
