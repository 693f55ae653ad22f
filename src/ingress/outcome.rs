//! What became of a request: its answer and the outcome it is counted under, in one place.

use std::fmt::{self, Write};

use http::header::{ACCEPT_ENCODING, ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};

use super::limits::RETRY_AFTER_SECONDS;
use super::rate::Exceeded;
use super::source::Denied;
use crate::content::cloudevents::CloudEventError;
use crate::content::form::FormError;
use crate::content::handshake::Reply;
use crate::content::lines::LinesError;
use crate::content::{UnpackError, handshake};
use crate::event::limits::{DEDUPE_KEY_BYTES, DELIVERY_EVENTS};
use crate::event::{Cursor, NameError, Topic};
use crate::expr::Failure;
use crate::log::{AppendError, Appended};
use crate::net::http::{Answer, BodyError, DecodeError};
use crate::relay::{self, RelayError};
use crate::verify::Unverified;

/// The label `outcome` of `sidestream_webhooks_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Published.
    Accepted,
    /// Published before; nothing now.
    Duplicate,
    /// Verified, and nothing of it is wanted.
    Filtered,
    /// A question that was answered; never an event.
    Handshake,
    /// No such route.
    NotFound,
    /// The request is not what a webhook may be.
    Malformed,
    /// The body is over the limit.
    TooLarge,
    /// Not from whom the source says it must be from.
    Unauthorized,
    /// An expression came to nothing that could be published.
    Unmapped,
    /// A step of the program's own refused it.
    Denied,
    /// The log, or the process, can't take it now.
    Unavailable,
    /// More than a rate limit allows.
    RateLimited,
}

impl Outcome {
    /// All of them, in the order of their indices.
    pub(super) const ALL: [Self; 12] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Filtered,
        Self::Handshake,
        Self::NotFound,
        Self::Malformed,
        Self::TooLarge,
        Self::Unauthorized,
        Self::Unmapped,
        Self::Denied,
        Self::Unavailable,
        Self::RateLimited,
    ];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::Handshake => "handshake",
            Self::NotFound => "not_found",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Unmapped => "unmapped",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// Why a request published nothing, or ([`Refusal::Log`] with [`AppendError::Unknown`], [`Refusal::LogSlow`]) is not known
/// to have published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no source takes webhooks at this path")]
    NoRoute,
    #[error("{method} is not taken here, only {allowed}")]
    Method { method: Method, allowed: &'static str },
    #[error("the request's target is not UTF-8")]
    Target,
    #[error("{0}")]
    Unverified(Unverified),
    #[error("{0}")]
    Handshake(handshake::Refused),
    #[error("{0}")]
    Unpack(UnpackError),
    #[error("a source of bytes takes them as they come where only the body is signed, so not packed")]
    Packed,
    #[error("the body is not packed, though Content-Encoding says so")]
    NotPacked,
    #[error("{0}")]
    Lines(LinesError),
    #[error("{0}")]
    Form(FormError),
    #[error("{0}")]
    Cloud(CloudEventError),
    #[error("{0}")]
    Unmapped(Failure),
    #[error("the event's type is not valid: {0}")]
    Kind(NameError),
    #[error("what tells the delivery from others is longer than {DEDUPE_KEY_BYTES} bytes")]
    IdTooLong,
    #[error("it is more than {DELIVERY_EVENTS} events; nothing was published")]
    TooManyEvents,
    #[error("the step {step} refused it: {denied}")]
    Denied { step: Box<str>, denied: Denied },
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
    #[error("{0}; nothing was published")]
    Relay(RelayError),
    #[error("the app answered {}; nothing was published", .0.status.as_u16())]
    App(relay::Reply),
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
    /// All sources together.
    All,
    /// The handshakes of a source, which nobody signs.
    Questions,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "one address",
            Self::Source => "all senders of this source together",
            Self::All => "all senders together",
            Self::Questions => "those who ask for a handshake",
        })
    }
}

impl Refusal {
    /// What it is counted under.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NoRoute => Outcome::NotFound,
            Self::Unverified(unverified) if unverified.may_pass() => Outcome::Unavailable,
            Self::Unverified(_) | Self::Handshake(handshake::Refused::Token) => Outcome::Unauthorized,
            Self::Unmapped(_) => Outcome::Unmapped,
            Self::Denied { .. } | Self::App(_) => Outcome::Denied,
            Self::Relay(_) => Outcome::Unavailable,
            Self::Rate(..) => Outcome::RateLimited,
            _ => match self.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
                StatusCode::SERVICE_UNAVAILABLE => Outcome::Unavailable,
                _ => Outcome::Malformed,
            },
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unverified(unverified) if unverified.may_pass() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::Denied { .. } => StatusCode::FORBIDDEN,
            Self::Handshake(error) => error.status(),
            Self::Relay(error) => error.answer().status(),
            Self::App(reply) => reply.status,
            Self::Body(error) => error.status(),
            Self::Unpack(error) => error.status(),
            Self::Lines(error) => error.status(),
            Self::Form(error) => error.status(),
            Self::Cloud(error) => error.status(),
            Self::Log(AppendError::TooLarge { .. }) | Self::TooManyEvents => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyNotUtf8 | Self::Packed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unmapped(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Log(_) | Self::LogSlow | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Rate(..) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Why, in words that hold nothing of the request: for those who are not its sender.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Method { allowed, .. } => format!("another method than {allowed}"),
            Self::Unpack(UnpackError::Unknown(_)) => "the content coding is not known".to_owned(),
            Self::Cloud(error) => error.without_quotes(),
            _ => self.to_string(),
        }
    }

    /// What the sender is told.
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Relay(error) => return error.answer(),
            Self::App(reply) => return reply.clone().into_answer(),
            _ => {}
        }
        let status = self.status();
        if let Self::Unverified(_) = self
            && status == StatusCode::SERVICE_UNAVAILABLE
        {
            // 401 would be final to many senders, and it is no fault of theirs.
            let detail =
                "the keys that senders are verified with are not there yet; nothing was published: try again";
            return Answer::problem(status, detail).with(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let detail = format!(
                "{self}. Not known to be accepted: try again; with the same Sidestream-Id a retry publishes at most once."
            );
            return Answer::problem(status, &detail).with(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            return unauthorized();
        }
        let detail = match self {
            // Both are the operator's business.
            Self::Unmapped(_) => {
                "the source's expressions can't be evaluated on this; nothing was published".into()
            }
            Self::Denied { .. } => "the source refuses this; nothing was published".into(),
            _ => self.to_string(),
        };
        let answer = Answer::problem(status, &detail);
        match self {
            Self::Method { allowed, .. } => answer.with(ALLOW, HeaderValue::from_static(allowed)),
            Self::Unpack(UnpackError::Unknown(_) | UnpackError::TooManyCodings) => {
                answer.with(ACCEPT_ENCODING, HeaderValue::from_static(crate::content::ACCEPT_ENCODING))
            }
            Self::Rate(_, exceeded) => answer.with(RETRY_AFTER, exceeded.seconds().into()),
            _ => answer,
        }
    }
}

/// The one answer to whoever is not believed, whatever the reason and the scheme: it reveals nothing.
fn unauthorized() -> Answer {
    /// RFC 9110 §11.6.1 asks for a challenge. None of the registered schemes is a webhook's signature, and the one that the
    /// source wants is nobody's business.
    const CHALLENGE: HeaderValue = HeaderValue::from_static("Webhook");
    Answer::problem(StatusCode::UNAUTHORIZED, "the request is not verified").with(WWW_AUTHENTICATE, CHALLENGE)
}

/// The answer to a handshake.
pub(super) fn handshake(reply: Reply) -> Answer {
    let Reply { status, headers, body } = reply;
    Answer::passed_on(status, headers, body)
}

/// What is told of a delivery the log has: where its events stand, and how many subscriptions of this instance matched.
/// `topics` are those of the events, in their order.
pub(super) fn accepted(topics: &[Topic], appended: Appended, subscribers: Option<u64>) -> String {
    let placement = appended.placement();
    let duplicate = matches!(appended, Appended::Duplicate(_));
    let subscribers = subscribers.map_or_else(|| "null".to_owned(), |count| count.to_string());
    // Neither a topic nor a cursor can hold a character that JSON would escape.
    let cursors: Vec<Cursor> = placement.cursors().collect();
    if let ([cursor], Some(topic)) = (cursors.as_slice(), topics.first()) {
        return format!(
            r#"{{"topic":"{topic}","cursor":"{cursor}","subscribers":{subscribers},"duplicate":{duplicate}}}"#
        );
    }
    let mut body = String::from(r#"{"events":["#);
    for (index, cursor) in cursors.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Of a duplicate the first one's cursors are told; if that had more events, their topics are not known here.
        let topic = topics.get(index).map_or_else(|| "null".to_owned(), |topic| format!("\"{topic}\""));
        let _ = write!(body, r#"{comma}{{"topic":{topic},"cursor":"{cursor}"}}"#);
    }
    let _ = write!(body, r#"],"subscribers":{subscribers},"duplicate":{duplicate}}}"#);
    body
}

/// What is told of a delivery of which nothing was wanted.
pub(super) fn filtered() -> String {
    r#"{"events":[],"subscribers":0,"duplicate":false}"#.to_owned()
}
