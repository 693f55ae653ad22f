//! What a request under the prefix may say in its query, and how a refusal reads.

use std::fmt;

use super::query::{LAST, PAGE_EVENTS, QUERY_BYTES, TYPES, WAIT};
use crate::event::NameError;
use crate::net::http::DecodeError;

/// Characters of a value that a refusal quotes: enough to find it by.
const QUOTED: usize = 64;

/// The parameters that mean something; all others are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// A name or a pattern; repeated for several.
    Topic,
    /// Types, separated by commas; repeated for more.
    Event,
    /// How events are written.
    Format,
    /// How the server's own frames are written.
    Heartbeat,
    /// The cursor to go on from, where a header can't be set.
    LastEventId,
    /// Begin in what is kept, by time.
    Since,
    /// Begin in what is kept, by number.
    Last,
    /// Events of a page.
    Limit,
    /// How long to wait for a page.
    Wait,
    /// A bearer's token: judged by `access`, and not looked at where there is nothing to check it against.
    AccessToken,
}

impl Parameter {
    const ALL: [Self; 10] = [
        Self::Topic,
        Self::Event,
        Self::Format,
        Self::Heartbeat,
        Self::LastEventId,
        Self::Since,
        Self::Last,
        Self::Limit,
        Self::Wait,
        Self::AccessToken,
    ];

    /// The parameter of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Event => "event",
            Self::Format => "format",
            Self::Heartbeat => "heartbeat",
            Self::LastEventId => "last-event-id",
            Self::Since => "since",
            Self::Last => "last",
            Self::Limit => "limit",
            Self::Wait => "wait",
            Self::AccessToken => "access_token",
        }
    }

    /// What is allowed, to follow "expected".
    fn expected(self) -> String {
        match self {
            Self::Format => "plain, envelope or envelope-json".into(),
            Self::Heartbeat => "event".into(),
            Self::Since => "start, or a duration of at most 365d such as 250ms, 30s, 5m, 1h or 7d".into(),
            Self::Last => format!("a whole number from 0 to {LAST}"),
            Self::Limit => format!("a whole number from 1 to {PAGE_EVENTS}"),
            Self::Wait => format!("a duration of at most {}s such as 30s", WAIT.as_secs()),
            Self::Topic | Self::Event | Self::LastEventId | Self::AccessToken => "text".into(),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request makes no sense. The text is shown to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    /// Neither the path nor the query names one.
    #[error("name a topic: PREFIX/NAME, or PREFIX?topic=NAME")]
    NoTopic,
    /// The path is no text.
    #[error("the topic in the path is not percent-encoded text: {why}")]
    Path {
        /// Why.
        why: DecodeError,
    },
    /// A value is no text.
    #[error("{parameter}: not percent-encoded text: {why}")]
    Encoding {
        /// Whose.
        parameter: Parameter,
        /// Why.
        why: DecodeError,
    },
    /// Not a name, and not a pattern.
    #[error("{name:?} is no topic or pattern: {why}")]
    Topic {
        /// What was named, cut.
        name: String,
        /// Why.
        why: NameError,
    },
    /// Not a type.
    #[error("event: {name:?} is no type: {why}")]
    Type {
        /// What was named, cut.
        name: String,
        /// Why.
        why: NameError,
    },
    /// A value that is none of the allowed ones.
    #[error("{parameter}: expected {}; got {got:?}", parameter.expected())]
    Misread {
        /// Whose.
        parameter: Parameter,
        /// The value, cut.
        got: String,
    },
    /// Which of them counts would be a guess.
    #[error("{0} is given twice; expected one")]
    Twice(Parameter),
    /// They exclude each other.
    #[error("since and last are both given; expected one of them")]
    TwoBeginnings,
    /// Over the configured limit.
    #[error("{named} topics; at most {limit} are allowed on one connection")]
    TooManyTopics {
        /// Different ones that were named.
        named: usize,
        /// `edge.limits.topics_per_connection`.
        limit: usize,
    },
    /// Over [`TYPES`].
    #[error("event: {0} types; at most {TYPES} are allowed")]
    TooManyTypes(usize),
    /// Over [`QUERY_BYTES`].
    #[error("the query has {0} bytes; at most {QUERY_BYTES} are allowed")]
    QueryTooLong(usize),
}

impl AskError {
    pub fn topic(name: &str, why: NameError) -> Self {
        Self::Topic { name: cut(name), why }
    }

    pub fn kind(name: &str, why: NameError) -> Self {
        Self::Type { name: cut(name), why }
    }

    pub fn misread(parameter: Parameter, got: &str) -> Self {
        Self::Misread { parameter, got: cut(got) }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}
