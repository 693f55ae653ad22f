//! One URL: when it is fetched, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::fetch::{Fetch, FetchError, Fetched};
use super::metrics::Metrics;
use crate::jwt::{Feed, JwksUrl};

/// Between a fetch and the next that a token asks for: tokens are anybody's, the provider is not to be asked at the pace
/// of those who make them up. A key is in use within this time after its publication, at the latest.
pub(super) const DOUBT_INTERVAL: Duration = Duration::from_secs(30);
/// The pause after the first failure in a row. It doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause. An outage is over within this time, and a provider that comes back is not met by all at once.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Keeps one feed filled, for ever.
pub(super) struct Keeper {
    pub url: JwksUrl,
    pub feed: Arc<Feed>,
    pub fetch: Arc<dyn Fetch>,
    pub metrics: Metrics,
}

impl Keeper {
    pub async fn run(self) {
        let mut failures = 0;
        loop {
            let fetched = self.fetch.fetch(&self.url).await;
            let pause = self.take(fetched, &mut failures);
            let now = Instant::now();
            let (due, doubts_count) = (now + pause, now + DOUBT_INTERVAL);
            tokio::select! {
                () = sleep_until(due) => {}
                () = async {
                    self.feed.doubted().await;
                    sleep_until(doubts_count).await;
                } => {}
            }
        }
    }

    /// Takes what came, and says how long to wait.
    fn take(&self, fetched: Result<Fetched, FetchError>, failures: &mut u32) -> Duration {
        match fetched {
            Ok(fetched) => {
                self.metrics.fetched.inc();
                self.tell(&fetched, *failures);
                self.feed.store(fetched.jwks.keys);
                *failures = 0;
                // Before it grows old, and not together with everybody who fetched it at the same time.
                fetched.lifetime.mul_f64(0.8 + 0.1 * fastrand::f64())
            }
            Err(error) => {
                self.metrics.failed.inc();
                *failures += 1;
                let kept = self.feed.keys().map_or(0, |keys| keys.len());
                tracing::warn!(url = %self.url, %error, failures, kept, "no key set; the keys that are known stay in use");
                let pause = FIRST_PAUSE.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_PAUSE);
                pause.mul_f64(0.75 + 0.25 * fastrand::f64())
            }
        }
    }

    fn tell(&self, fetched: &Fetched, failures: u32) {
        let (url, keys) = (&self.url, &fetched.jwks.keys);
        if self.feed.keys().is_some_and(|known| *known == *keys) {
            if failures > 0 {
                tracing::info!(%url, "the key set can be fetched again, and is the same");
            }
            return;
        }
        for (index, why) in &fetched.jwks.skipped {
            tracing::info!(%url, index, %why, "a key of the set is passed over");
        }
        if keys.is_empty() {
            tracing::warn!(%url, "the key set holds no key that can be used: no token is good");
        } else {
            tracing::info!(%url, keys = keys.len(), "a new key set is in use");
        }
    }
}
