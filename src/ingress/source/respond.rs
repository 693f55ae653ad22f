//! What a source's senders are answered when all is well.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::ingress::limits::APPEND_TIME;
use crate::net::http::Answer;

/// Bytes of a configured body: a provider wants a word or a small document.
const BODY_BYTES: usize = 64 << 10;

/// The answer to what was accepted, seen before or filtered out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// None for what became of the delivery, in JSON.
    body: Option<Bytes>,
    /// How long the log may take, from when the body was there.
    pub(in crate::ingress) deadline: Duration,
}

/// Why an answer can't be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// Not a success: senders would try again what was published, or, on 410, never again.
    #[error(
        "expected a status from 200 to 299: it is for what was accepted, and anything else says that it was not"
    )]
    Status,
    /// The name, or the value, is not one.
    #[error("expected a header field's name and a value without control characters")]
    Header,
    /// It is the server's own to say.
    #[error("the server says this itself")]
    Own,
    /// A body where there can be none.
    #[error("expected no body with a status of 204 or 205, which have none")]
    NoContent,
    /// Over [`BODY_BYTES`].
    #[error("expected a body of at most {BODY_BYTES} bytes")]
    TooLong,
}

/// As the contract says: 202, and where the event stands.
impl Default for Respond {
    fn default() -> Self {
        Self { status: StatusCode::ACCEPTED, headers: Vec::new(), body: None, deadline: APPEND_TIME }
    }
}

impl Respond {
    /// With this status.
    ///
    /// # Errors
    /// [`RespondError::Status`].
    pub fn status(mut self, status: u16) -> Result<Self, RespondError> {
        self.status = StatusCode::from_u16(status).map_err(|_| RespondError::Status)?;
        if self.status.is_success() { Ok(self) } else { Err(RespondError::Status) }
    }

    /// With this header field.
    ///
    /// # Errors
    /// [`RespondError::Header`], and [`RespondError::Own`] for framing and the connection.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RespondError> {
        /// What frames the answer or belongs to the connection.
        const OWN: [HeaderName; 7] =
            [CONNECTION, CONTENT_LENGTH, DATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| RespondError::Header)?;
        let value = HeaderValue::from_str(value).map_err(|_| RespondError::Header)?;
        if OWN.contains(&name) || name == "keep-alive" {
            return Err(RespondError::Own);
        }
        self.headers.push((name, value));
        Ok(self)
    }

    /// With this body instead of what became of the delivery. Call after [`Respond::status`].
    ///
    /// # Errors
    /// [`RespondError::NoContent`] and [`RespondError::TooLong`].
    pub fn body(mut self, body: impl Into<Bytes>) -> Result<Self, RespondError> {
        let body = body.into();
        if !self.has_content() && !body.is_empty() {
            return Err(RespondError::NoContent);
        }
        if body.len() > BODY_BYTES {
            return Err(RespondError::TooLong);
        }
        self.body = Some(body);
        Ok(self)
    }

    /// With this deadline for the log, counted from when the body was there.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the log has.
    #[must_use]
    pub fn append_time(&self) -> Duration {
        self.deadline
    }

    fn has_content(&self) -> bool {
        !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
    }

    /// The answer; `what` says what became of the delivery, as JSON.
    pub(in crate::ingress) fn answer(&self, what: impl FnOnce() -> String) -> Answer {
        let (media_type, body) = match &self.body {
            _ if !self.has_content() => ("text/plain; charset=utf-8", Bytes::new()),
            Some(body) => ("text/plain; charset=utf-8", body.clone()),
            None => ("application/json", what().into()),
        };
        if self.headers.is_empty() {
            return Answer::new(self.status, media_type, body);
        }
        let own = (CONTENT_TYPE, HeaderValue::from_static(media_type));
        let own = (!self.headers.iter().any(|(name, _)| name == CONTENT_TYPE)).then_some(own);
        Answer::passed_on(self.status, self.headers.iter().cloned().chain(own), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_an_answer_and_framing_is_ours() {
        for status in [100, 199, 300, 301, 410, 500, 999, 0] {
            assert_eq!(Respond::default().status(status), Err(RespondError::Status), "{status}");
        }
        for (name, value, error) in [
            ("Content-Length", "1", RespondError::Own),
            ("connection", "close", RespondError::Own),
            ("keep-alive", "1", RespondError::Own),
            ("a b", "1", RespondError::Header),
            ("", "1", RespondError::Header),
            ("x", "a\r\nb: c", RespondError::Header),
        ] {
            assert_eq!(Respond::default().header(name, value), Err(error), "{name}: {value}");
        }
        let empty = Respond::default().status(204).unwrap();
        assert_eq!(empty.clone().body("x"), Err(RespondError::NoContent));
        assert!(empty.body("").is_ok());
        let long = vec![b'x'; BODY_BYTES + 1];
        assert_eq!(Respond::default().body(long), Err(RespondError::TooLong));
    }
}
