//! Handshakes: requests by which a sender asks whether its webhooks are wanted. None of them becomes an event.
//!
//! Pure decisions over method, header fields, query and, by POST, the verified body:
//!
//! | sender | request | granted by | answer |
//! |---|---|---|---|
//! | CloudEvents, Event Grid (its CloudEvents schema) | OPTIONS, `WebHook-Request-Origin` | [`Settings::origins`] | `WebHook-Allowed-Origin`, `-Rate` |
//! | Meta | GET, `hub.verify_token` | [`Settings::verify_tokens`] | the challenge, else 403 |
//! | `WebSub` | GET, `hub.topic` | [`Settings::topics`] | the challenge, else 404 |
//! | Slack | POST, `/type` is `url_verification` | the signature | the challenge |
//! | Discord | POST, `/type` is 1 (interactions) or 0 (events) | the signature | `{"type":1}`, or 204 |
//! | Event Grid (its own schema) | POST, `aeg-event-type: SubscriptionValidation` | [`EventGrid`] | `{"validationResponse":"…"}` |
//!
//! Nothing is ever fetched for a handshake: Event Grid's `validationUrl` and `WebHook-Request-Callback` are addresses that a
//! stranger chose. What is echoed is at most [`ECHO_BYTES`], and plain text that no browser takes for anything else.

mod get;
mod options;
mod post;

use std::num::NonZeroU32;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};

pub use get::get;
pub use options::options;
pub use post::{Greeting, post};

use super::form::{Field, FormError, fields};
use super::limits::ECHO_BYTES;
use crate::secret::Secret;

/// Which handshakes a source grants. The default grants none by GET and OPTIONS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who may ask by OPTIONS, as DNS names (`eventgrid.azure.net`), without regard to case; `*` is everybody. Empty: OPTIONS
    /// is not taken.
    pub origins: Vec<Box<str>>,
    /// Requests per minute that are granted at most; none: as many as are asked for, or any number.
    pub rate: Option<NonZeroU32>,
    /// Any of these is Meta's `hub.verify_token`. Empty: it is not asked for, and Meta's handshake is not taken.
    pub verify_tokens: Vec<Secret>,
    /// Topics that `WebSub` hubs may confirm subscriptions to, exactly as in `hub.topic`. Empty: the handshake is not taken.
    pub topics: Vec<Box<str>>,
    /// Whether and how Event Grid's own schema is greeted.
    pub event_grid: EventGrid,
}

/// How `SubscriptionValidation` is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EventGrid {
    /// Not at all: it is an event like another, if its source takes it.
    #[default]
    Off,
    /// As it comes: its source has verified it.
    Verified,
    /// With a secret in the query, as Microsoft advises for what can't send a header of its own.
    Query {
        /// The parameter's name, such as `token`.
        parameter: Box<str>,
        /// Any of these is its value.
        secrets: Vec<Secret>,
    },
}

/// An answer to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status, 200 or 204.
    pub status: StatusCode,
    /// Its header fields, but for the length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body, maybe empty.
    pub body: Bytes,
}

/// Why a handshake was not granted. The text is shown to whoever asked, and holds nothing of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// OPTIONS without either of the headers that mean something, or from an origin where none is granted.
    #[error("OPTIONS is not taken here")]
    Method,
    /// A browser asks before a request of another origin (Fetch, "CORS-preflight request"). No page posts webhooks.
    #[error("webhooks are not taken from pages in a browser")]
    Cors,
    /// Its origin is none of those granted.
    #[error("webhooks of this origin are not expected here")]
    Origin,
    /// Its token is none of those configured.
    #[error("the token is not the one expected")]
    Token,
    /// Its topic is none of those expected, or is not to be unsubscribed from.
    #[error("nothing is known here of this topic")]
    Topic,
    /// It is not what its sender's documents say.
    #[error("the handshake is malformed: {0}")]
    Malformed(&'static str),
}

impl Refused {
    /// What the sender is answered with; 405 with `Allow: POST`.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Cors | Self::Origin | Self::Token => StatusCode::FORBIDDEN,
            Self::Topic => StatusCode::NOT_FOUND,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Reply {
    /// 200 with a text of the sender's own choosing.
    fn echo(text: &str) -> Result<Self, Refused> {
        if text.is_empty() {
            return Err(Refused::Malformed("there is nothing to echo"));
        }
        if text.len() > ECHO_BYTES {
            return Err(Refused::Malformed("what is to be echoed is longer than 1024 bytes"));
        }
        Ok(Self::of(StatusCode::OK, "text/plain; charset=utf-8", text.to_owned().into()))
    }

    fn json(body: String) -> Self {
        Self::of(StatusCode::OK, "application/json", body.into())
    }

    fn of(status: StatusCode, media_type: &'static str, body: Bytes) -> Self {
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        Self { status, headers, body }
    }

    /// Without a body.
    fn empty(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { status, headers, body: Bytes::new() }
    }
}

/// Whether a value is any of these secrets. The time depends on the lengths alone, and not on which one it is.
fn is_any(secrets: &[Secret], value: &str) -> bool {
    secrets.iter().fold(false, |found, secret| found | secret.matches(value.as_bytes()))
}

/// A query, of which a parameter counts only if it is there once.
struct Query<'a>(Vec<Field<'a>>);

impl<'a> Query<'a> {
    fn read(query: &'a str) -> Result<Self, Refused> {
        fields(query.as_bytes()).map(Self).map_err(|error| match error {
            FormError::NotUtf8(_) => Refused::Malformed("the query is not UTF-8"),
            _ => Refused::Malformed("the query has too many parameters"),
        })
    }

    fn get(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut found = self.0.iter().filter(|field| field.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refused::Malformed("a parameter is there more than once")),
            (field, None) => Ok(field.map(|field| &*field.value)),
        }
    }
}

#[cfg(test)]
mod tests;
