//! What becomes of a delivery: which events, where they go, and what is in them.

use crate::event::Topic;
use crate::expr::{Each, Predicate, Template, TopicTemplate, TypeTemplate};

/// From a verified request to events.
pub struct Mapping {
    /// Where the events go.
    pub topic: TopicRule,
    /// Their type; none for what the request or the scheme knows.
    pub kind: Option<TypeTemplate>,
    /// What tells one delivery from another; none for what the request or the scheme knows.
    pub id: Option<Template>,
    /// What is split into an event each; none for one event.
    pub each: Option<Each>,
    /// Which events are kept; none for all.
    pub filter: Option<Predicate>,
    /// Their data.
    pub data: DataRule,
    /// What becomes of an event when an expression fails on it.
    pub on_error: OnError,
    /// What becomes of data that is not UTF-8.
    pub binary: Binary,
}

/// Where a source's events go.
pub enum TopicRule {
    /// The segment of the path that stands in the topic's place, percent-decoded once.
    Path,
    /// Always the same.
    Fixed(Topic),
    /// What an expression makes of a request.
    Template(TopicTemplate),
}

/// An event's data.
pub enum DataRule {
    /// What the event came as: the body's bytes, the line, the element, or a `CloudEvent`'s data.
    AsItCame,
    /// What an expression makes of it.
    Template(Template),
    /// A `CloudEvent` as JSON.
    CloudEvent,
}

/// What becomes of an event when an expression fails on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The delivery is refused: 422, and nothing of it is published.
    #[default]
    Reject,
    /// The event is left out, as if it had been filtered.
    Drop,
    /// It is published as if the expression had not been there: unfiltered, with its data as it came, without a type or an
    /// id. Without a topic nothing can be published, so that one is refused.
    Pass,
}

/// What becomes of data that is not UTF-8, which no event can carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// The delivery is refused: 415.
    #[default]
    Refused,
    /// It is sent as base64 (RFC 4648 §4). What is UTF-8 is not.
    Base64,
}

impl Mapping {
    /// Of which nothing is said but where its events go.
    #[must_use]
    pub fn to(topic: TopicRule) -> Self {
        Self {
            topic,
            kind: None,
            id: None,
            each: None,
            filter: None,
            data: DataRule::AsItCame,
            on_error: OnError::default(),
            binary: Binary::default(),
        }
    }
}
