//! Limits of the fan-out, each with its unit and its reason.

use std::time::Duration;

/// Topics whose groups a shard remembers, so that an event's topic is matched with the patterns once. Each costs its name
/// and a few bytes for each group; past it all are matched anew.
pub const MATCHED_TOPICS: usize = 1024;

/// Pages of history that one shard may have in the making or waiting for it. A page is at most a few hundred KiB, so this
/// bounds what a storm of replays keeps in memory.
pub const PAGES: usize = 16;

/// Bytes on one shard that slow connections alone may keep alive. Beyond it, whoever would pin more is disconnected, and
/// resumes from its cursor without loss.
pub const PINNED_BYTES: usize = 32 << 20;

/// From so many pinned bytes on a shard takes no new stream that begins in history: it would be the next to pin. Such a
/// stream gets the overload answer, and comes back.
pub const REPLAY_PINNED_BYTES: usize = PINNED_BYTES / 2;

/// Heartbeats that a peer may leave unacknowledged before the kernel gives it up, and the least time it is given whatever
/// the interval. A laptop that changes networks is back by then.
pub const VANISHED_BEATS: u32 = 4;
pub const VANISHED_LEAST: Duration = Duration::from_secs(5);

/// How long a page that could not be read is left alone: the log is in trouble, and many may wait for it.
pub const REREAD: Duration = Duration::from_millis(250);

/// How often a shard looks for connections that stand still.
pub const PATROL: Duration = Duration::from_secs(1);

/// Connections that one look at the list of them passes at most: a shard writes to nobody meanwhile, and at some 20 ns each
/// this is 0.1 ms.
pub const LISTED_SLOTS: usize = 4096;

/// Connections in one page of that list.
pub const LISTED: usize = 1000;

const _: () = assert!(REPLAY_PINNED_BYTES < PINNED_BYTES && LISTED <= LISTED_SLOTS);
