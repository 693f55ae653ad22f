//! A subscription: which topics, which types, and in which form.

use std::sync::Arc;
use std::time::Duration;

use super::{Event, EventType, Selector};

/// What a subscriber asked to hear. Equal subscriptions share their bytes. Cloning shares the content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// Of which topics.
    pub selector: Selector,
    /// Of which types.
    pub filter: Filter,
    /// How events are written.
    pub format: Format,
    /// How the server's own frames are written.
    pub beats: Beats,
}

impl Subscription {
    /// All events of `selector`, as they came.
    #[must_use]
    pub fn to(selector: Selector) -> Self {
        Self { selector, filter: Filter::All, format: Format::Plain, beats: Beats::Comments }
    }

    /// Whether `event` belongs to it.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.selector.matches(&event.topic) && self.filter.admits(event.kind.as_ref())
    }
}

/// Which types pass (`?event=`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Only these; an event without a type has the type `message`. Sorted, each once: [`Filter::of`] makes it so.
    Types(Arc<[EventType]>),
}

/// The type of an event that names none (HTML, section 9.2.6).
pub const DEFAULT_TYPE: &str = "message";

impl Filter {
    /// The filter of these types; all when there are none.
    #[must_use]
    pub fn of(mut types: Vec<EventType>) -> Self {
        if types.is_empty() {
            return Self::All;
        }
        types.sort_unstable();
        types.dedup();
        Self::Types(types.into())
    }

    /// Whether an event of this type passes.
    #[must_use]
    pub fn admits(&self, kind: Option<&EventType>) -> bool {
        match self {
            Self::All => true,
            Self::Types(types) => {
                let kind = kind.map_or(DEFAULT_TYPE, EventType::as_str);
                types.iter().any(|t| t.as_str() == kind)
            }
        }
    }
}

/// How an event is written (`?format=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Its data as it came.
    #[default]
    Plain,
    /// `{"topic":…,"type":…,"time":…,"data":…}` on one line, `data` a string.
    Envelope,
    /// As [`Format::Envelope`], with `data` embedded where it is JSON.
    EnvelopeJson,
}

impl Format {
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// How the server's own frames are written (`?heartbeat=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beats {
    /// As comments and blocks without data, which parsers do not report.
    #[default]
    Comments,
    /// As events `sidestream.open` and `sidestream.heartbeat`, for subscribers that must see them.
    Events,
}

/// Where to begin in what is kept, without a cursor (`?since=`, `?last=`). Nothing is missing before it: it never causes
/// a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// All that is kept.
    Oldest,
    /// What was received in this time before now.
    Ago(Duration),
    /// The last so many events of the subscription.
    Last(usize),
}

/// Where a subscription begins, as it was asked for. What was asked for twice is settled before: any cursor wins over
/// [`Since`], so that an `EventSource`, which reconnects to the same URL, goes on from its last id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// At the head.
    #[default]
    Now,
    /// After what `Last-Event-ID` or `?last-event-id=` said: its raw bytes, never empty, and of any length. What is no
    /// cursor of ours becomes a gap, never an error.
    Cursor(Box<[u8]>),
    /// In what is kept.
    Since(Since),
}

impl Begin {
    /// The asked-for cursor, when there is one.
    #[must_use]
    pub fn cursor(&self) -> Option<&[u8]> {
        match self {
            Self::Cursor(raw) => Some(raw),
            Self::Now | Self::Since(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_a_type_is_a_message() {
        let of = |types: &[&str]| Filter::of(types.iter().map(|t| EventType::parse(t).unwrap()).collect());
        let typed = EventType::parse("created").unwrap();
        assert!(of(&[]).admits(None) && of(&[]).admits(Some(&typed)));
        assert!(of(&["message"]).admits(None) && !of(&["message"]).admits(Some(&typed)));
        assert!(of(&["deleted", "created"]).admits(Some(&typed)) && !of(&["created"]).admits(None));
        assert_eq!(of(&["b", "a", "b"]), of(&["a", "b"]));
    }
}
