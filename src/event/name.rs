//! What a name may hold, and how a refusal reads.

use std::fmt;

use super::limits::{TOPIC_BYTES, TOPIC_TOKENS, TYPE_BYTES};

/// Prefix of the server's own topics and types.
pub const RESERVED_PREFIX: &str = "sidestream.";

/// Why a topic, pattern or type was refused. The text is shown to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Over [`TOPIC_BYTES`].
    #[error("it has {0} bytes; at most {TOPIC_BYTES} are allowed")]
    TooLong(usize),
    /// Over [`TOPIC_TOKENS`].
    #[error("it has {0} tokens; at most {TOPIC_TOKENS} are allowed")]
    TooManyTokens(usize),
    /// Two dots in a row, or one at an end.
    #[error("it has an empty token (two dots in a row, or one at an end)")]
    EmptyToken,
    /// A character no token may hold.
    #[error("{0:?} is not allowed; a token holds A-Z a-z 0-9 _ - : @ and ~XX (two upper-case hex digits)")]
    Character(char),
    /// `~` without two upper-case hex digits behind it.
    #[error("~ must be followed by two upper-case hex digits")]
    Escape,
    /// `*` or `**` where no pattern is allowed.
    #[error("* stands for other topics; here one topic must be named")]
    Wildcard,
    /// `**` before the end, or `*` beside other characters.
    #[error("* must be a whole token, and ** the last one")]
    MisplacedWildcard,
    /// Starts with `sidestream.`, or is one of the server's own types.
    #[error("it is the server's own")]
    Reserved,
    /// A type over [`TYPE_BYTES`].
    #[error("it has {0} bytes; at most {TYPE_BYTES} are allowed")]
    TypeTooLong(usize),
    /// A type with a control character or a comma.
    #[error("it holds a control character or a comma")]
    TypeCharacter,
}

/// An event's type, as in the `event:` field. At most [`TYPE_BYTES`], no control characters, no comma, and not one of
/// the server's own (`open`, `error`, `sidestream.…`). An event without one has the type `message`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Box<str>);

impl EventType {
    /// # Errors
    /// Says what a type may not be.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > TYPE_BYTES {
            return Err(NameError::TypeTooLong(text.len()));
        }
        if text.chars().any(|c| c.is_control() || c == ',') {
            return Err(NameError::TypeCharacter);
        }
        // EventSource fires `open` and `error` itself: an event of that name could not be told from them.
        if text == "open" || text == "error" || text.starts_with(RESERVED_PREFIX) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The type's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_would_break_a_frame_or_pass_for_ours_are_refused() {
        assert_eq!(EventType::parse("order.created").unwrap().as_str(), "order.created");
        assert_eq!(EventType::parse("").unwrap_err(), NameError::Empty);
        for text in ["a\nb", "a\rb", "a\0b", "a,b", "\u{85}"] {
            assert_eq!(EventType::parse(text).unwrap_err(), NameError::TypeCharacter, "{text:?}");
        }
        for text in ["open", "error", "sidestream.gap", "sidestream."] {
            assert_eq!(EventType::parse(text).unwrap_err(), NameError::Reserved, "{text:?}");
        }
        assert!(EventType::parse(&"x".repeat(TYPE_BYTES)).is_ok());
        assert_eq!(EventType::parse(&"x".repeat(TYPE_BYTES + 1)).unwrap_err(), NameError::TypeTooLong(129));
    }
}
