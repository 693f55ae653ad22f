//! A delivery becomes events; an event becomes, with its place, what the log keeps.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Cursor, EventType, Topic};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// What a webhook became. Only an `Event` can be appended: whoever holds one has verified and parsed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it is published.
    pub topic: Topic,
    /// Its type, or none for `message`.
    pub kind: Option<EventType>,
    /// When its delivery was received.
    pub time: Millis,
    /// Its data, valid UTF-8, as it came: it is not re-serialised.
    pub data: Bytes,
}

impl Event {
    /// Bytes this event is counted with against a history's limits: its data and names, and the fixed cost of keeping it.
    #[must_use]
    pub fn weight(&self) -> usize {
        /// The structures around one kept event, measured in the memory log and rounded up.
        const FIXED: usize = 160;
        FIXED + self.data.len() + self.kind.as_ref().map_or(0, |k| k.as_str().len())
    }
}

/// Identifies a delivery, so that a retry publishes nothing: a digest of the source's name and of what identifies
/// a delivery to it, such as the topic and the sender's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub [u8; 16]);

/// What makes a delivery the same as an earlier one, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// The delivery's key.
    pub key: DedupeKey,
    /// How long the key is remembered, from when the delivery is kept.
    pub window: Duration,
    /// Whose room for keys it takes: the source's name. Its key is of no other source's deliveries.
    pub source: Arc<str>,
}

/// One received webhook, ready for the log: accepted whole or not at all.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// 1 to [`super::limits::DELIVERY_EVENTS`] events, in the order they are to be seen.
    pub events: Vec<Event>,
    /// With a key, a second delivery of the same key within the first one's window is answered like the first.
    pub dedupe: Option<Dedupe>,
}

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place.
    pub cursor: Cursor,
    /// What was published.
    pub event: Event,
}
