//! The ingress's fixed limits, with their reasons. What an operator may change is in [`super::Settings`].

use std::num::NonZeroU32;
use std::time::Duration;

/// How long the log may take to accept a delivery. Providers wait 10 s and more for their answer (GitHub 10 s), and an
/// honest 503 in time beats their own time-out: the retry then comes with a known reason.
pub const APPEND_TIME: Duration = Duration::from_secs(5);

/// Bytes of bodies on their way in, of all connections together, and of what is made of them, or what the largest one may need if that is more, also after a reload: 64 of the
/// default size. What has arrived counts, not what was announced.
pub(super) const BODIES: usize = 64 << 20;

/// How many times its unpacked size a body may take of [`BODIES`] and more, as long as there is no other, so that whatever
/// the limits on bodies allow can be taken: what comes out, and brotli's window, which is up to twice that.
pub(super) const UNPACKING: usize = 3;

/// Handshakes by GET and OPTIONS of one source, a second: nobody has signed them, and a token is in some. Guessing at this
/// pace, a token of 8 letters lasts for 300 years.
pub(super) const QUESTIONS: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// And at once: a hub asks once for each topic that it is told of, 1,000 at most, and asks again.
pub(super) const QUESTIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// Seconds after which a sender may try again (`Retry-After`). A log that fails over or a pod that is replaced is back
/// within a few; senders back off by themselves from there.
pub(super) const RETRY_AFTER_SECONDS: u16 = 5;
