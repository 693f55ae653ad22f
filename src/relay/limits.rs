//! The relay's fixed limits and defaults, with their reasons. What an operator may change is in [`super::Plan`].

use std::time::Duration;

/// Bytes of an app's answer, head and body, that are passed on to a sender. Senders look at the status; some show a few
/// lines of the body to a person.
pub const REPLY_BYTES: usize = 64 << 10;

/// How long the app has for one attempt, from the first byte to the answer's last, unless a plan says otherwise. Half of
/// what the least patient of the large providers waits: with the log's own deadline the sender still hears the end.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Bounds on that. Below it no app answers; above it every provider has given up.
pub const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));

/// How often one webhook of a queue is sent again, unless a plan says otherwise: about four minutes with the waits below,
/// more than an app needs to restart.
pub const RETRIES: u32 = 10;

/// Bound on that: at a minute each, more than an hour and a half, after which events of the log are of more use.
pub const MOST_RETRIES: u32 = 100;

/// Webhooks waiting to be handed on, per source.
pub const QUEUE_DELIVERIES: usize = 10_000;

/// Bytes of them, per source.
pub const QUEUE_BYTES: usize = 16 << 20;

/// Bytes of all that wait, whatever the source. Four sources whose app is down fill it.
pub(super) const ALL_BYTES: usize = 64 << 20;

/// What one waiting webhook takes besides its head and body: its task and its places in tables, rounded up.
pub(super) const DELIVERY_BYTES: usize = 2 << 10;

/// Webhooks of one source's queue that are with the app at a time: enough to hide the app's latency, few enough that a
/// small app is not overrun when it comes back to a full queue.
pub(super) const IN_FLIGHT: usize = 8;

/// The first wait before a retry, and the longest.
pub const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));

/// The longest that an app's `Retry-After` is waited for. More would hold the queue for an app that may be back long
/// before.
pub(super) const MOST_TOLD: Duration = Duration::from_mins(5);

/// The longest wait before a retry during a drain: there is little time, and an app that ends along with us may be gone.
pub(super) const DRAIN_WAIT: Duration = Duration::from_secs(1);

/// How long given up webhooks have to count themselves.
pub(super) const LAST_COUNT: Duration = Duration::from_secs(1);

// Room for all that one source may hold, and for a wait that is one.
const _: () = assert!(QUEUE_BYTES <= ALL_BYTES && RETRIES <= MOST_RETRIES);
