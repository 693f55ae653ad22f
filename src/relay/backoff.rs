//! How long is waited before an app is asked again.

use std::time::Duration;

use http::{HeaderMap, header};

use super::limits::MOST_TOLD;
use crate::event::Millis;
use crate::net::http::date;

/// Waits that double, with jitter, so that what failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, at most.
    pub first: Duration,
    /// Any wait, at most.
    pub most: Duration,
}

impl Backoff {
    /// The wait after so many failures, from half of its length to all of it as `random` goes from 0 to 1. Not shorter than
    /// the app asked for (`told`, which is bounded here), and then, too, not the same for all.
    pub(super) fn wait(&self, failures: u32, told: Option<Duration>, random: f64) -> Duration {
        // Doubling more often than this is beyond every bound.
        let doublings = failures.saturating_sub(1).min(30);
        let full = self.first.saturating_mul(1 << doublings).min(self.most);
        let jitter = (full / 2).mul_f64(random.clamp(0.0, 1.0));
        let own = full / 2 + jitter;
        told.map_or(own, |told| own.max(told.min(MOST_TOLD) + jitter))
    }
}

/// What `Retry-After` asks for (RFC 9110 §10.2.3): seconds, or the time until a date. None where it is neither; a date that
/// is past asks for nothing.
pub(super) fn told(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a long time too.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let at = date(value)?;
    Some(Duration::from_millis(at.saturating_mul(1000).saturating_sub(now.0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_mins(1) };

    #[test]
    fn waits_double_to_a_bound() {
        let waits: Vec<u64> =
            (1..=9).map(|failures| BACKOFF.wait(failures, None, 1.0).as_millis() as u64).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(BACKOFF.wait(1, None, 0.0), Duration::from_millis(250));
        assert_eq!(BACKOFF.wait(u32::MAX, None, 1.0), BACKOFF.most);
        let huge = Backoff { first: Duration::MAX, most: Duration::MAX };
        assert!(huge.wait(u32::MAX, Some(Duration::MAX), 0.5) > Duration::from_secs(1));
    }

    #[test]
    fn the_app_may_ask_for_longer_within_a_bound_and_not_for_shorter() {
        let told = |seconds| BACKOFF.wait(1, Some(Duration::from_secs(seconds)), 0.0).as_millis();
        assert_eq!((told(0), told(7), told(1 << 40)), (250, 7000, MOST_TOLD.as_millis()));
        let jittered = BACKOFF.wait(1, Some(Duration::from_secs(7)), 1.0);
        assert_eq!(jittered, Duration::from_millis(7250));
    }

    fn read(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        told(&headers, Millis(784_111_777_000 - 60_000)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates() {
        assert_eq!(told(&HeaderMap::new(), Millis(0)), None);
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
            ("Thu, 29 Feb 1996 00:00:00 GMT", Some(825_552_000 - 784_111_717)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 +8:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 0094 08:49:37 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(read(value), seconds, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_beyond_its_bounds(failures in 1u32.., told in proptest::option::of(any::<u64>()), random in 0.0..=1.0f64) {
            let wait = BACKOFF.wait(failures, told.map(Duration::from_secs), random);
            prop_assert!(wait >= BACKOFF.first / 2);
            prop_assert!(wait <= BACKOFF.most.max(MOST_TOLD + BACKOFF.most / 2));
        }

        #[test]
        fn any_value_is_judged_without_panic(value in "[ -~]{0,40}") {
            let _ = read(&value);
        }
    }
}
