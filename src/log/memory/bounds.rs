//! Every limit of the memory log that is not configured, with its unit and its reason, in one place.

/// The limits, so that tests can reach them with few events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Topics remembered; beyond it those without events are forgotten, the longest quiet first. (Topics *with* events
    /// are bounded by the total.) About 400 bytes each, so 13 MiB; what a forgotten topic costs is a gap without a
    /// count for those who resume from before it went quiet.
    pub topics: usize,
    /// Losses per topic whose positions are remembered one by one. A subscriber that falls just behind learns how many
    /// events it missed; one that is further behind learns that it missed some.
    pub exact_losses: usize,
    /// Topics for which that is done at one time, so that it is bounded by 128 × 1,024 × 16 bytes = 2 MiB.
    pub exact_topics: usize,
    /// Events that wait for one tail. At 100,000 events/s this is more than half a second in which the fan-out's writer
    /// did nothing: it is stuck, and taking more would only hide that.
    pub tail_events: usize,
    /// Bytes that wait for one tail: a quarter of the default total, since these events may be in history no longer.
    pub tail_bytes: usize,
    /// Topics that a read over patterns looks at in one critical section, about 50 µs.
    pub read_slice: usize,
    /// Looks at topics and at their tokens in one critical section, while those that patterns match are looked for: about
    /// 50 µs, whatever the patterns are.
    pub match_slice: usize,
    /// Topics or evictions per critical section of maintenance, about 50 µs.
    pub sweep_slice: usize,
    /// Topics swept per tick for events over age. Reads and appends look at their own topic's age whatever happens
    /// here; this only bounds how long events nobody asks for hold memory.
    pub sweep_topics: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            topics: 32_768,
            exact_losses: 128,
            exact_topics: 1024,
            tail_events: 65_536,
            tail_bytes: 16 * 1024 * 1024,
            read_slice: 1024,
            match_slice: 4096,
            sweep_slice: 512,
            sweep_topics: 16_384,
        }
    }
}
