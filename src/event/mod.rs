//! The nouns every other part speaks: topics, patterns, events, deliveries and cursors.
//!
//! Parsing is construction: a [`Topic`], [`EventType`] or [`Cursor`] that exists is valid, so nothing downstream
//! checks again. Nothing here does I/O, reads a clock or knows HTTP.

mod cursor;
mod delivery;
pub mod limits;
mod name;
mod pattern;
mod selector;
mod subscription;
mod topic;

pub use cursor::{Cursor, Epoch, Position};
pub use delivery::{Dedupe, DedupeKey, Delivery, Event, LoggedEvent, Millis};
pub use name::{EventType, NameError, RESERVED_PREFIX};
pub use pattern::Pattern;
pub use selector::Selector;
pub use subscription::{Beats, Begin, DEFAULT_TYPE, Filter, Format, Since, Subscription};
pub use topic::Topic;
