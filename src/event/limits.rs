//! Every limit on a noun, with its unit and its reason, in one place.

/// Bytes of a topic's name. Long enough for nested resource names, short enough to log and to index.
pub const TOPIC_BYTES: usize = 256;

/// Tokens of a topic. Bounds the work of matching a pattern.
pub const TOPIC_TOKENS: usize = 16;

/// Bytes of an event's type. It is repeated in every frame.
pub const TYPE_BYTES: usize = 128;

/// Bytes of a cursor on the wire. A longer `Last-Event-ID` cannot be one of ours, and is cut to this before it is
/// quoted back in a gap.
pub const CURSOR_BYTES: usize = 128;

/// Bytes of an idempotency key (`Sidestream-Id`). The log keeps a digest of it, so this bounds the header alone.
pub const DEDUPE_KEY_BYTES: usize = 1024;

/// Events in one delivery. A delivery is one record of the log, whole or not at all.
pub const DELIVERY_EVENTS: usize = 10_000;

// A type is shorter than a topic and both fit many times into a request's header section.
const _: () = assert!(TYPE_BYTES < TOPIC_BYTES && CURSOR_BYTES < TOPIC_BYTES);
