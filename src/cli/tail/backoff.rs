//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The wait when the server has not said otherwise, as browsers have it.
const USUAL: Duration = Duration::from_secs(3);

/// The longest wait of ours; one that the server asks for may be longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts attempts in a row that brought nothing.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    fruitless: u32,
}

impl Backoff {
    /// Something came: the next wait is short again.
    pub fn succeeded(&mut self) {
        self.fruitless = 0;
    }

    /// The wait before the next attempt: as asked or as usual, doubled for each attempt in a row that brought nothing,
    /// and up to a quarter more, so that many who lost the same server do not return together.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let base = asked.unwrap_or(USUAL);
        let factor = 1 << self.fruitless.min(8);
        self.fruitless += 1;
        let wait = base.saturating_mul(factor).min(LONGEST.max(base));
        wait + wait.mul_f64(jitter() / 4.0)
    }
}

/// A number from 0 to below 1; the standard library's hash keys are random enough to spread clients.
fn jitter() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_while_nothing_comes_and_starts_over() {
        let within = |wait: Duration, seconds: u64| {
            let low = Duration::from_secs(seconds);
            assert!((low..=low.mul_f64(1.25)).contains(&wait), "{wait:?} for {seconds} s");
        };
        let mut backoff = Backoff::default();
        for seconds in [3, 6, 12, 24, 30, 30] {
            within(backoff.next(None), seconds);
        }
        backoff.succeeded();
        within(backoff.next(Some(Duration::from_secs(1))), 1);
        within(backoff.next(Some(Duration::from_mins(2))), 120);
    }
}
