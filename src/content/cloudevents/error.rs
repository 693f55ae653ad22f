//! Why a request is no CloudEvent.

use http::{HeaderName, StatusCode};

use super::super::limits::EXTENSIONS;
use crate::event::limits::DELIVERY_EVENTS;

/// Why events were refused. The text is shown to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventError {
    /// Another event format than JSON, such as `application/cloudevents+protobuf`.
    #[error("the event format {0:?} is not known; application/cloudevents+json and -batch+json are")]
    Format(String),
    /// A header field that may be there once.
    #[error("the header {0} is there more than once")]
    Twice(HeaderName),
    /// The body is not UTF-8, which JSON is (RFC 8259 §8.1).
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body is not JSON, at this line and byte of it, from 1.
    #[error("the body is not the JSON of {expected}, at line {line}, byte {column}")]
    NotJson {
        /// What it has to be.
        expected: &'static str,
        /// Of the body or, in a batch, of the event.
        line: usize,
        /// Of the line.
        column: usize,
    },
    /// A required attribute is not there, or is empty.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// Another version of the specification.
    #[error("the specversion {0:?} is not known; 1.0 is")]
    SpecVersion(String),
    /// No attribute may have this name.
    #[error("{0:?} is no name of an attribute; a-z and 0-9 are allowed")]
    Name(String),
    /// An attribute's value is not what it may be.
    #[error("the attribute {name} is not valid: {why}")]
    Value {
        /// Of the attribute.
        name: String,
        /// What it should be.
        why: &'static str,
    },
    /// Over [`EXTENSIONS`].
    #[error("the event has more than {EXTENSIONS} extension attributes")]
    TooManyExtensions,
    /// Both `data` and `data_base64`.
    #[error("the event has both data and data_base64")]
    TwoData,
    /// `data_base64` is something else than a string of Base64 (RFC 4648 §4).
    #[error("data_base64 is not Base64")]
    Base64,
    /// Over [`DELIVERY_EVENTS`].
    #[error("the batch has more than {DELIVERY_EVENTS} events")]
    TooMany,
    /// In a batch: which event, from 1, and why.
    #[error("event {0} of the batch: {1}")]
    At(usize, Box<CloudEventError>),
}

impl CloudEventError {
    /// The same in words that hold nothing of the request: for those who are not its sender.
    #[must_use]
    pub fn without_quotes(&self) -> String {
        match self {
            Self::Format(_) => "the event format is not known".to_owned(),
            Self::Twice(_) => "a header field of the event is there more than once".to_owned(),
            Self::SpecVersion(_) => "the specversion is not known".to_owned(),
            Self::Name(_) => "a name of an attribute is not valid".to_owned(),
            Self::Value { why, .. } => format!("an attribute is not valid: {why}"),
            Self::At(number, error) => format!("event {number} of the batch: {}", error.without_quotes()),
            Self::NotUtf8
            | Self::NotJson { .. }
            | Self::Missing(_)
            | Self::TooManyExtensions
            | Self::TwoData
            | Self::Base64
            | Self::TooMany => self.to_string(),
        }
    }

    /// What the sender is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Format(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
