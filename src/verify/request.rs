//! What a verifier is given, and what it says.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{header, time};
use crate::event::Millis;
use crate::jwt::{Remote, TokenError};

/// A request as it came: nothing of it is decoded, unpacked or parsed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query as in the request line, still encoded.
    pub target: &'a str,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body, before any decompression.
    pub body: &'a [u8],
    /// When its head had arrived. Ages are judged by this, never by the clock on the wall.
    pub received: Millis,
}

/// Bytes of a header field at most that [`Request::only`] reads.
const FIELD: usize = 4096;

impl<'a> Request<'a> {
    /// The only value of a header field, of 1 to 4096 bytes of visible ASCII: which of two counts would be a guess.
    ///
    /// # Errors
    /// [`Unverified`], which names the field and not its value.
    pub fn only(&self, name: &HeaderName) -> Result<&'a str, Unverified> {
        let value = header::one(self.headers, name, FIELD)?;
        let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
        text.ok_or_else(|| header::malformed(name, "expected visible ASCII"))
    }

    /// As [`Request::only`], for a time in seconds since 1970 that is at most `tolerance` off, before or after, from when the
    /// request was received.
    ///
    /// # Errors
    /// Those of [`Request::only`], and by how much it is off.
    pub fn signed_at(&self, name: &HeaderName, tolerance: Duration) -> Result<&'a str, Unverified> {
        let text = self.only(name)?;
        let seconds = time::parse(text.as_bytes(), time::Unit::Seconds);
        let seconds = seconds.ok_or_else(|| header::malformed(name, "expected seconds since 1970"))?;
        time::Tolerance(tolerance).admits(seconds, self.received).map(|()| text)
    }
}

/// One way to tell a sender from everybody else. A company's own scheme implements this.
///
/// Must not block: it is called on the threads that serve the listener.
pub trait Verifier: Send + Sync + 'static {
    /// Believes the request, or says why not. In doubt it refuses.
    ///
    /// # Errors
    /// [`Unverified`]; the sender is told nothing of it but 401.
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified>;

    /// The header fields with which a sender would send `request`, made with the first secret. For a dry run and tests.
    /// None where a sender can't be played, as with public keys.
    fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let _ = request;
        None
    }

    /// Everything of a request that it has believed that is signed, in one form however it was written: two requests of
    /// which this is the same are one that was sent twice. None where the scheme does not say.
    fn signed_bytes(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let _ = request;
        None
    }

    /// The body of a request that it has believed as it is signed, where that is something else than its bytes.
    fn signed_body(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let _ = request;
        None
    }

    /// Where keys are published that it needs. Whoever runs it has them fetched (`crate::jwks`).
    fn remote(&self) -> Option<&Arc<Remote>> {
        None
    }
}

/// A request that is from whom it must be from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the configured secrets it was, from 0. None where the scheme knows no secrets.
    pub secret: Option<usize>,
}

/// Why a request was not believed. For logs, the admin API and the dry run; never for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// A header field that the scheme needs is not there.
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    /// It is there more than once, so that it could be read in two ways.
    #[error("the header {0} is there more than once")]
    Twice(HeaderName),
    /// It is not what the scheme puts there.
    #[error("the header {0} is malformed: {1}")]
    Malformed(HeaderName, &'static str),
    /// It was signed too long ago.
    #[error("it was signed {0} seconds ago; at most {1} are allowed")]
    Old(u64, u64),
    /// It was signed in the future.
    #[error("it was signed {0} seconds in the future; at most {1} are allowed")]
    Future(u64, u64),
    /// No secret makes any of its signatures, or it is not the credential.
    #[error("no configured secret matches")]
    Mismatch,
    /// Its token is not good. [`TokenError::NoKeys`] is no fault of the sender's: nothing can be said yet.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What else a scheme has to say.
    #[error("{0}")]
    Other(&'static str),
}

impl Unverified {
    /// Whether nothing can be said of the request yet: the same one may be believed when it comes again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Token(TokenError::NoKeys))
    }
}

/// Where in a verified request a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// A header field.
    Header(HeaderName),
    /// A place in the JSON body: a pointer as in RFC 6901, such as `/event/type`.
    Body(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_once_and_a_time_is_near() {
        const NAME: HeaderName = HeaderName::from_static("x");
        let read = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (NAME, HeaderValue::from_static(value))).collect();
            let request = Request {
                method: &Method::POST,
                target: "/",
                headers: &headers,
                body: b"",
                received: Millis(1_700_000_000_000),
            };
            let at = request.signed_at(&NAME, Duration::from_mins(1)).map(str::to_owned);
            (request.only(&NAME).map(str::to_owned), at)
        };
        let now = "1700000000".to_owned();
        assert_eq!(read(&["1700000000"]), (Ok(now.clone()), Ok(now)));
        assert_eq!(read(&["1699999940"]).1, Ok("1699999940".to_owned()));
        assert_eq!(read(&["1699999939"]).1, Err(Unverified::Old(61, 60)));
        assert_eq!(read(&["1700000061"]).1, Err(Unverified::Future(61, 60)));
        assert_eq!(read(&[]).0, Err(Unverified::Missing(NAME)));
        assert_eq!(read(&["a", "a"]).0, Err(Unverified::Twice(NAME)));
        for odd in ["", "a b", "\t"] {
            assert!(matches!(read(&[odd]).0, Err(Unverified::Malformed(..))), "{odd:?}");
        }
        assert!(matches!(read(&["now"]).1, Err(Unverified::Malformed(_, "expected seconds since 1970"))));
    }
}
