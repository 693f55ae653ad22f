//! The fan-out's limits: each with its unit and its reason, and what must hold between them.

use std::time::Duration;

use crate::log::ReadLimit;

// The ring.

/// Entries at most. At 100,000 events/s a shard may be away for 80 ms before it has to
/// read history. A delivery of more events than this takes the way through history in any case.
pub const RING_ENTRIES: usize = 8192;

/// Bytes that the ring may keep alive beyond history. Large events leave it sooner.
pub const RING_BYTES: usize = 16 << 20;

// A shard's turn.

/// Socket events taken from the kernel at once.
pub const EVENTS: usize = 1024;

/// Commands taken in one turn, so that a burst of new subscribers does not hold up those who are there.
pub const COMMANDS: usize = 256;

/// Members written to before another group has its turn. At 8 µs a write this is 2 ms.
pub const SLICE: usize = 256;

/// Writes in one turn of the loop, before sockets, commands and the ring are looked at again. At 8 µs a write this is
/// 8 ms; a turn's own cost is spread over as many small jobs.
pub const WRITES: usize = 1024;

/// Bytes of events that are pulled but wait behind a job. More stay in the ring: a shard that cannot keep up falls behind
/// there, and its subscribers go on from history, rather than growing.
pub const PENDING_BYTES: usize = 8 << 20;

/// Connections that go on in one turn of the loop, a batch each: at most 8 MiB to sockets that are behind, before those
/// that are not have their turn.
pub const GO_ON: usize = 32;

/// How long all but the first of them may take of a turn: what is live waits for no more replay than this and a batch.
pub const GO_ON_TIME: Duration = Duration::from_micros(250);

/// Ring entries that are searched for one reader at once. Who is further behind reads its topic's history instead of
/// everyone's events.
pub const SEARCH_ENTRIES: u64 = 512;

// Bytes on their way to sockets.

/// Bytes of one batch at most, unless its first frame alone is larger. More would not fit into a socket's buffer, and a
/// batch is what a slow connection may keep alive.
pub const BATCH_BYTES: usize = 256 << 10;

/// Up to this many bytes the rest of a frame is copied, so that a slow connection lets go of the batch.
pub const COPY_BYTES: usize = 4 << 10;

/// Bytes on one shard that slow connections alone may keep alive. Beyond it, whoever would pin more is disconnected, and
/// resumes from its cursor without loss.
pub const PINNED_BYTES: usize = 32 << 20;

/// From so many pinned bytes on a shard takes no new stream that begins in history: it would be the next to pin. Such a
/// stream gets the overload answer, and comes back.
pub const REPLAY_PINNED_BYTES: usize = PINNED_BYTES / 2;

// History.

/// One page: what fits into one write with its framing.
pub const PAGE: ReadLimit = ReadLimit { events: 512, bytes: 192 << 10 };

/// Pages of history that one shard may have in the making or waiting for it. A page is at most a few hundred KiB, so this
/// bounds what a storm of replays keeps in memory.
pub const PAGES: usize = 16;

/// The same, of patterns, which take longer: a lane of their own, so that who resumes one topic waits for none of them.
pub const PATTERN_PAGES: usize = 4;

/// Searches for where a stream begins, and pages for the edge, of what patterns match, at one time. They share the fetcher's
/// thread with the pages of all shards, of which each has its turn after a slice of each of these.
pub const SEARCHES: usize = 2;

/// How long such a search waits for its turn. Each takes milliseconds where there are ten thousands of topics.
pub const SEARCH_WAIT: Duration = Duration::from_secs(2);

/// How long a cursor is waited for that is ahead of a log's head whose tail comes later, before it is called unknown: another
/// replica may have given it, and this one be a moment behind. And how often is looked.
pub const AHEAD_WAIT: Duration = Duration::from_secs(2);
pub const AHEAD_LOOK: Duration = Duration::from_millis(10);

/// How long a page that could not be read is left alone: the log is in trouble, and many may wait for it.
pub const REREAD: Duration = Duration::from_millis(250);

// The clock.

/// The longest wait of a shard or the feeder when there is nothing to do: the sign of life for `/healthz`.
pub const IDLE_WAIT: Duration = Duration::from_secs(1);

/// A shard or the feeder that has made no turn for so long is wedged.
pub const WEDGED: Duration = Duration::from_secs(5);

/// How long an append waits for room in a tail that is full before the feeder is taken to be stuck, and how often it looks.
/// Less than a source's deadline for the log, so that the refusal says why.
pub const ROOM_WAIT: Duration = Duration::from_millis(500);
pub const ROOM_LOOK: Duration = Duration::from_millis(1);

/// Wait before a log that could not be reached is asked again.
pub const RETRY_WAIT: Duration = Duration::from_millis(100);

/// How often a draining shard ends its next streams: a window of a second is 200 steps.
pub const DRAIN_STEP: Duration = Duration::from_millis(5);

/// How long a connection whose write side is shut may take to close its own, before it is closed anyway.
pub const LINGER: Duration = Duration::from_secs(2);

/// How long a stream that is to end may take to read on to its end, where something is half-written that goes first: a frame
/// of 1 MiB at 2 Mbit/s. Then it is closed as it is, and resumes from its cursor. A drain has a time-out of its own.
pub const END_WAIT: Duration = Duration::from_secs(4);

/// Heartbeats that a peer may leave unacknowledged, and the least time it is given whatever the interval: a laptop that
/// changes networks is back by then. Who is silent for longer at one heartbeat, and still at the next, has vanished.
pub const VANISHED_BEATS: u32 = 3;
pub const VANISHED_LEAST: Duration = Duration::from_secs(5);

/// How often a shard looks for connections that stand still.
pub const PATROL: Duration = Duration::from_secs(1);

/// Slots of the heartbeat wheel: the interval is cut into so many ticks.
pub const WHEEL_SLOTS: u32 = 64;

/// Deadlines that may be kept of connections that are gone, whatever their number.
pub const DEADLINES_KEPT: usize = 64;

// Grants.

/// How long before its grant is over a stream ends at most, and what part of the time it has left. Between half of the
/// lesser and all of it: 15,000 streams that were granted together end at 1,000 a second, and a token's leeway is 30 s, so
/// that by default none ends before its `exp`.
pub const GRANT_LEAD: Duration = Duration::from_secs(30);
pub const GRANT_LEAD_PART: u64 = 10;

/// How long those who are judged again may take of a turn, but for the last of them: what is live waits for no more than
/// this and one signature, which takes 0.05 to 0.4 ms.
pub const JUDGE_TIME: Duration = Duration::from_micros(250);

// What is kept of topics and told of connections.

/// Bytes that subscriptions may take beside their connections, for each connection that there may be: patterns, topics named
/// together, types. Two topics by name take about half of it; and what many subscribe to alike is counted once.
pub const WEIGHT_PER_CONNECTION: usize = 1 << 10;

/// The same, at least, however few connections there may be: some of them have the most that a query can hold.
pub const WEIGHT_LEAST: usize = 8 << 20;

/// What part of that the subscriptions may take that one address was the first to ask for.
pub const SHARE: usize = 4;

/// Bytes of a topic that is named together with others, without its text, in the interest map and on a shard.
pub const NAME_BYTES: usize = 256;

/// Bytes of a type in a filter, without its text.
pub const TYPE_BYTES: usize = 48;

/// Bytes of one token of a pattern among many, at most, without what an allocator adds; a test holds it.
pub const PATTERN_TOKEN_BYTES: usize = 128;

/// Topics whose groups a shard remembers, so that an event's topic is matched with the patterns once. Each costs its name
/// and a few bytes for each group; past it all are matched anew.
pub const MATCHED_TOPICS: usize = 1024;

/// Connections that one look at the list of them passes at most: a shard writes to nobody meanwhile, and at some 20 ns each
/// this is 0.1 ms.
pub const LISTED_SLOTS: usize = 4096;

/// Connections in one page of that list.
pub const LISTED: usize = 1000;

// A connection that is being closed.

/// Bytes that are read at once, on the stack.
pub const DISCARD_BYTES: usize = 16 << 10;

/// Reads in one turn, before others have theirs.
pub const DISCARDS: usize = 4;

// Who may pin no more is disconnected only after new ones have been kept away for a while.
const _: () = assert!(REPLAY_PINNED_BYTES < PINNED_BYTES);
// One address alone may have a few subscriptions of the most topics, tokens and types that a query can ask for.
const _: () =
    assert!(64 * (16 * 2 * PATTERN_TOKEN_BYTES + 256 + TYPE_BYTES + 128) * 4 <= WEIGHT_LEAST / SHARE);
// A page of the list may be had in one look.
const _: () = assert!(LISTED <= LISTED_SLOTS);
// Who may be searched for in the ring is found there, and not overtaken at once.
const _: () = assert!(SEARCH_ENTRIES as usize <= RING_ENTRIES / 2);
// What waits behind jobs is at most what the ring holds: a shard drops behind in the ring before it grows.
const _: () = assert!(PENDING_BYTES <= RING_BYTES);
// Each group's job takes pending events batch by batch.
const _: () = assert!(BATCH_BYTES <= PENDING_BYTES);
// A page of ordinary data, framed, is one batch. One of blank lines is several, and is written in turns.
const _: () = assert!(PAGE.bytes + PAGE.bytes / 3 <= BATCH_BYTES);
// A copied rest is small beside the batch that it lets go of.
const _: () = assert!(COPY_BYTES * 16 <= BATCH_BYTES);
// Many slow connections, and not a handful, make one of them be closed.
const _: () = assert!(PINNED_BYTES / BATCH_BYTES >= 64);
// A turn is more than one group's slice.
const _: () = assert!(SLICE * 2 <= WRITES);
// Turns that are only late are not taken for none.
const _: () = assert!(WEDGED.as_millis() >= 3 * IDLE_WAIT.as_millis());

/// The limits that a test lowers, to reach them with little.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// See [`RING_ENTRIES`].
    pub ring_entries: usize,
    /// See [`RING_BYTES`].
    pub ring_bytes: usize,
    /// See [`PINNED_BYTES`].
    pub pinned_bytes: usize,
    /// See [`REPLAY_PINNED_BYTES`].
    pub replay_pinned_bytes: usize,
    /// See [`PAGE`].
    pub page: ReadLimit,
    /// See [`SLICE`].
    pub slice: usize,
    /// See [`SEARCH_ENTRIES`].
    pub search_entries: u64,
    /// See [`END_WAIT`].
    pub end_wait: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ring_entries: RING_ENTRIES,
            ring_bytes: RING_BYTES,
            pinned_bytes: PINNED_BYTES,
            replay_pinned_bytes: REPLAY_PINNED_BYTES,
            page: PAGE,
            slice: SLICE,
            search_entries: SEARCH_ENTRIES,
            end_wait: END_WAIT,
        }
    }
}
