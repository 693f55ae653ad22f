//! Data of an event, as the JSON format sorts it (§3.1).

use std::str::from_utf8;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::super::media::{is_json, is_text};

/// An event's data, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The text of one JSON value, in a body with the white space around it.
    Json(Bytes),
    /// UTF-8 that is no JSON by its media type.
    Text(Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl Data {
    /// The bytes: the JSON's text, the text, or what was in Base64.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }

    /// What a body of this media type is; an empty one is no data. A body that is not what its type declares is kept, as
    /// bytes.
    pub(super) fn of_body(media_type: Option<&str>, body: Bytes) -> Option<Self> {
        if body.is_empty() {
            return None;
        }
        let text = from_utf8(&body);
        Some(match (media_type, text) {
            (Some(kind), Ok(text)) if is_json(kind) && is_value(text) => Self::Json(body),
            (Some(kind), Ok(_)) if !is_json(kind) && is_text(kind) => Self::Text(body),
            _ => Self::Binary(body),
        })
    }

    /// The media type that data without one is given.
    pub(super) fn looks_like(data: &[u8]) -> Option<&'static str> {
        from_utf8(data)
            .ok()
            .filter(|text| !text.is_empty())
            .map(|text| if is_value(text) { "application/json" } else { "text/plain" })
    }
}

/// Whether a text is JSON: one value, and white space.
fn is_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
