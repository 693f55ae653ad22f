//! What the fan-out is configured with.

use std::time::Duration;

/// The fan-out's part of the configuration. All of it is replaced by a reload, for new and for open streams; an open stream
/// keeps the age limit that it was opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often every stream gets a sign of life.
    pub heartbeat: Duration,
    /// Bounds of the jittered `retry:`.
    pub retry: (Duration, Duration),
    /// After how long a stream ends, give or take a fifth; none for never.
    pub max_connection_age: Option<Duration>,
    /// Streams at most, before the clamp to the open-files limit.
    pub max_connections: usize,
}
