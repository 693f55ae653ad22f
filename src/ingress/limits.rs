//! The ingress's fixed limits, with their reasons. What an operator may change is in [`super::Settings`].

use std::time::Duration;

/// How long the log may take to accept a delivery. Providers wait 10 s and more for their answer (GitHub 10 s), and an
/// honest 503 in time beats their own time-out: the retry then comes with a known reason.
pub const APPEND_TIME: Duration = Duration::from_secs(5);

/// Bytes of bodies on their way in, of all connections together, or one `ingress.max_body` if that is larger, also after a reload: 64 of the
/// default size. What has arrived counts, not what was announced.
pub(super) const BODIES: usize = 64 << 20;

/// Seconds after which a sender may try again (`Retry-After`). A log that fails over or a pod that is replaced is back
/// within a few; senders back off by themselves from there.
pub(super) const RETRY_AFTER_SECONDS: u16 = 5;
