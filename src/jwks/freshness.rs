//! How long a key set is used before it is fetched again (RFC 9111, section 4.2), as far as it matters here.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};

/// When a provider says nothing.
const USUAL: Duration = Duration::from_mins(5);
/// Whatever a provider says: no sooner, so that one that forbids caching is not asked without end.
const SHORTEST: Duration = Duration::from_mins(1);
/// And no later, so that a key that was withdrawn is gone within a day.
const LONGEST: Duration = Duration::from_hours(24);

/// How long an answer with these fields is fresh.
pub(super) fn lifetime(headers: &HeaderMap) -> Duration {
    let mut said = None;
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    for directive in fields.flat_map(|field| field.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return SHORTEST,
            "max-age" => said = seconds(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    let Some(most) = said else { return USUAL };
    let age =
        headers.get(AGE).and_then(|field| field.to_str().ok()).and_then(seconds).unwrap_or(Duration::ZERO);
    most.saturating_sub(age).clamp(SHORTEST, LONGEST)
}

/// `delta-seconds`; what is too large to count is as good as the largest that can be (RFC 9111, section 1.2.2).
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn lifetimes_by_table() {
        for (cache_control, age, minutes) in [
            (None, None, 5),
            (Some(""), None, 5),
            (Some("public"), None, 5),
            (Some("public, max-age=600, must-revalidate"), None, 10),
            (Some("MAX-AGE=\"600\""), None, 10),
            (Some("max-age=600"), Some("120"), 8),
            (Some("max-age=600"), Some("soon"), 10),
            (Some("max-age=600"), Some("9999"), 1),
            (Some("max-age=0"), None, 1),
            (Some("no-cache, max-age=600"), None, 1),
            (Some("max-age=600, no-store"), None, 1),
            (Some("max-age=86401"), None, 24 * 60),
            (Some("max-age=99999999999999999999999"), None, 24 * 60),
            (Some("max-age=-1"), None, 5),
            (Some("max-age=1.5"), None, 5),
            (Some("s-maxage=600"), None, 5),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(CACHE_CONTROL, cache_control), (AGE, age)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(lifetime(&headers), Duration::from_mins(minutes), "{cache_control:?} {age:?}");
        }
    }
}
