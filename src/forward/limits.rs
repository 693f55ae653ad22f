//! The limits of what the app is asked and of what it may say, with their reasons. What an operator may change is in
//! [`crate::auth::ForwardSettings`].

use std::time::Duration;

/// Bounds on how long the app has for one answer, and a subscriber waits for it at most. Below it no app answers; above it a
/// subscriber that has nothing yet has given up. The configuration's default is 2 s: long for a look at a session, short
/// enough that a browser is not kept waiting before it is asked to come back.
pub const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));

/// Bounds on how long an admission is kept. Less is none; until it is over a session that has ended still lets in, and for
/// longer than this no operator would expect that. The configuration's default is not to keep any.
pub const CACHES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

/// Admissions kept. At the default cache of an example (10 s) that is 1,600 new credentials a second.
pub(super) const KEPT: usize = 16_384;

/// Bytes that they take. A word without topics takes a few hundred.
pub(super) const KEPT_BYTES: usize = 8 << 20;

/// Questions that are with the app or wait for their turn. What is beyond them would wait longer than its time.
pub(super) const OPEN: usize = 4096;

/// Bytes of them. A browser's cookies may have 4 KiB, of which this many fit at once.
pub(super) const OPEN_BYTES: usize = 16 << 20;

/// Bytes of an answer's head that are taken. Pingora reads up to 1 MiB; of an honest one a fifth of this is cookies.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// Bytes of an answer's body that are read and dropped so that its connection can be kept. It is never looked at.
pub(super) const BODY_BYTES: usize = 64 << 10;

/// Patterns in `Sidestream-Topics`. Each is held for a stream's life, and compared with all that is wanted.
pub(super) const PATTERNS: usize = 256;

/// The longest time from now in `Sidestream-Expires`. A larger number is read as seconds since 1970, or not at all.
pub(super) const FROM_NOW: Duration = Duration::from_hours(365 * 24);

/// The least and the most that are read as seconds since 1970: 2001, and the year 9999. Milliseconds are beyond it.
pub(super) const SINCE_1970: (u64, u64) = (1_000_000_000, 253_402_300_799);

/// Bytes of all `WWW-Authenticate` lines that are passed on.
pub(super) const CHALLENGE_BYTES: usize = 4 << 10;

// No number has two meanings, and one answer's patterns fit in what is kept.
const _: () = assert!(FROM_NOW.as_secs() < SINCE_1970.0 && HEAD_BYTES < KEPT_BYTES);
