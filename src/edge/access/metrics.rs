//! What is counted of those who may not listen.

use prometheus::{IntCounterVec, Opts, Registry};

/// Every reason, so that each is there from the start. First those of [`crate::jwt::TokenError`].
const REASONS: [&str; 25] = [
    "too_large",
    "malformed",
    "critical",
    "algorithm",
    "no_keys",
    "unknown_key",
    "signature",
    "no_expiry",
    "expired",
    "not_yet",
    "issuer",
    "audience",
    "claim",
    // Of requests.
    NO_TOKEN,
    TWICE,
    CROSS_SITE,
    COOKIES,
    REVOKED,
    // Of what is wanted.
    "denied",
    "topic",
    "app",
    // Of the app: [`crate::forward::AppRefusal`].
    "app_401",
    "app_403",
    "app_failed",
    WITHDRAWN,
];

/// A rule asks for a token, and none is presented.
pub(super) const NO_TOKEN: &str = "no_token";
/// Two `Authorization`, or two `access_token`.
pub(super) const TWICE: &str = "twice";
/// The cookie came with a stranger's page.
pub(super) const CROSS_SITE: &str = "cross_site";
/// Two of the cookie that differ.
pub(super) const COOKIES: &str = "cookies";
/// The token, or whom it is about, was revoked.
pub(super) const REVOKED: &str = "revoked";
/// It was granted, and no longer is: a page that had waited.
pub(super) const WITHDRAWN: &str = "withdrawn";

/// Counts who may not listen, by why. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Failures(IntCounterVec);

impl Failures {
    /// Makes and registers `sidestream_auth_failures_total{reason}`.
    ///
    /// # Errors
    /// When the registry has a metric of that name already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let failures = IntCounterVec::new(
            Opts::new(
                "sidestream_auth_failures_total",
                "Subscribers that were turned away for what they may not have, or could not be judged, by reason.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(failures.clone()))?;
        for reason in REASONS {
            let _ = failures.with_label_values(&[reason]);
        }
        Ok(Self(failures))
    }

    /// One more.
    pub(super) fn count(&self, reason: &'static str) {
        debug_assert!(REASONS.contains(&reason), "{reason} is not in the list");
        self.0.with_label_values(&[reason]).inc();
    }
}
