//! What became of a request: its answer and the outcome it is counted under, in one place.

use std::fmt;

use http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};

use super::limits::RETRY_AFTER_SECONDS;
use super::rate::Exceeded;
use crate::event::{Cursor, NameError, Topic};
use crate::log::{AppendError, Appended};
use crate::net::http::{Answer, BodyError, DecodeError};

/// The label `outcome` of `sidestream_webhooks_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Published.
    Accepted,
    /// Published before; nothing now.
    Duplicate,
    /// No such route.
    NotFound,
    /// The request is not what a webhook may be.
    Malformed,
    /// The body is over the limit.
    TooLarge,
    /// The log, or the process, can't take it now.
    Unavailable,
    /// More than a rate limit allows.
    RateLimited,
}

impl Outcome {
    /// All of them, in the order of their indices.
    pub(super) const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Duplicate,
        Self::NotFound,
        Self::Malformed,
        Self::TooLarge,
        Self::Unavailable,
        Self::RateLimited,
    ];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::NotFound => "not_found",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// Why a request published nothing, or ([`Refusal::Log`] with [`AppendError::Unknown`], [`Refusal::LogSlow`]) is not known
/// to have published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("webhooks are taken by POST to /webhooks/<topic>")]
    NoRoute,
    #[error("{method} is not taken here, only POST")]
    Method { method: Method },
    #[error("{0}")]
    Body(BodyError),
    #[error("the topic in the path is not valid: {0}")]
    TopicEncoding(DecodeError),
    #[error("the topic in the path is not valid: {0}")]
    Topic(NameError),
    #[error("the header sidestream-event is not valid: {0}")]
    Type(NameError),
    #[error("the header sidestream-event is not valid: it is not UTF-8")]
    TypeNotUtf8,
    #[error("the header {name} is there more than once")]
    HeaderTwice { name: HeaderName },
    #[error("the header {name} is empty")]
    HeaderEmpty { name: HeaderName },
    #[error("the header {name} is longer than {limit} bytes")]
    HeaderTooLong { name: HeaderName, limit: usize },
    #[error("the body is not UTF-8")]
    BodyNotUtf8,
    #[error("{0}")]
    Log(AppendError),
    #[error("the log did not answer in time; the delivery may have been kept")]
    LogSlow,
    #[error("the server is ending")]
    Draining,
    #[error("more webhooks than {0} may send; nothing was published")]
    Rate(Limited, Exceeded),
}

/// What a rate limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    /// The sender's address.
    Address,
    /// All of a source.
    Source,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "one address",
            Self::Source => "all senders together",
        })
    }
}

impl Refusal {
    /// What it is counted under.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NoRoute => Outcome::NotFound,
            Self::Body(BodyError::TooLarge { .. }) | Self::Log(AppendError::TooLarge { .. }) => {
                Outcome::TooLarge
            }
            Self::Log(_) | Self::LogSlow | Self::Draining | Self::Body(BodyError::Busy) => {
                Outcome::Unavailable
            }
            Self::Rate(..) => Outcome::RateLimited,
            _ => Outcome::Malformed,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(error) => error.status(),
            Self::Log(AppendError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyNotUtf8 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Log(_) | Self::LogSlow | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Rate(..) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What the sender is told.
    pub(super) fn answer(&self) -> Answer {
        let status = self.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let detail = format!(
                "{self}. Not known to be accepted: try again; with the same Sidestream-Id a retry publishes at most once."
            );
            return Answer::problem(status, &detail).with(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        let answer = Answer::problem(status, &self.to_string());
        match self {
            Self::Method { .. } => answer.with(ALLOW, HeaderValue::from_static("POST")),
            Self::Rate(_, exceeded) => answer.with(RETRY_AFTER, exceeded.seconds().into()),
            _ => answer,
        }
    }
}

/// What is told of a delivery the log has: where its event stands, and how many subscriptions of this instance matched.
pub(super) fn accepted(topic: &Topic, appended: Appended, subscribers: u64) -> Answer {
    let placement = appended.placement();
    let cursor = placement.cursors().next().map(|c: Cursor| c.to_string()).unwrap_or_default();
    let duplicate = matches!(appended, Appended::Duplicate(_));
    // Neither a topic nor a cursor can hold a character that JSON would escape.
    let body = format!(
        r#"{{"topic":"{topic}","cursor":"{cursor}","subscribers":{subscribers},"duplicate":{duplicate}}}"#
    );
    Answer::json(StatusCode::ACCEPTED, body)
}
