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
    /// Streams of one address at most; 0 for no limit.
    pub per_ip: usize,
    /// Streams of one subject at most, as their grants say; 0 for no limit.
    pub per_subject: usize,
    /// Streams opened in a second at most; 0 for no limit.
    pub admissions_per_second: u32,
    /// What becomes of a subscriber that does not read what there is for it.
    pub slow: Slow,
}

/// What becomes of a subscriber that does not read what there is for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// It goes on from history whenever it reads again; what history has lost by then, it is told as a gap.
    #[default]
    Gap,
    /// It is disconnected when it has not taken a batch (at most 256 KiB) in this time, though one was there for it. It
    /// comes back with its cursor.
    Disconnect(Duration),
}
