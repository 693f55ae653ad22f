//! What an answer of the app says. By its head alone: the body is never looked at.
//!
//! What is not understood is no admission, and no refusal either: it is a failure, which is logged and gets the overload
//! answer. A mistake in the app shows at once and lets nobody in.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;

use super::error::{AppRefusal, Failure};
use super::limits::{CHALLENGE_BYTES, FROM_NOW, HEAD_BYTES, PATTERNS, SINCE_1970};
use super::request::TOPICS;
use crate::auth::{Access, AppWord, Rules};
use crate::event::{Millis, Pattern, Selector};
use crate::net::http::date;

/// Until when the admission counts.
const EXPIRES: HeaderName = HeaderName::from_static("sidestream-expires");

/// Reads an answer that came at `now`.
///
/// # Errors
/// [`AppRefusal`].
pub(super) fn read(answer: &ResponseHeader, now: Millis) -> Result<AppWord, AppRefusal> {
    let fields = &answer.headers;
    let size: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > HEAD_BYTES {
        return Err(AppRefusal::Failed(Failure::Head));
    }
    match answer.status {
        status if status.is_success() => admission(fields, now).map_err(AppRefusal::Failed),
        StatusCode::UNAUTHORIZED => Err(AppRefusal::Unauthorized { challenges: challenges(fields) }),
        StatusCode::FORBIDDEN => Err(AppRefusal::Forbidden),
        status if status.is_redirection() => Err(AppRefusal::Failed(Failure::Redirect(status))),
        status => Err(AppRefusal::Failed(Failure::Status(status))),
    }
}

/// Whether the word covers all that is wanted: one of its patterns each topic and pattern of it, whole.
pub(super) fn covers(word: &AppWord, wanted: &Selector) -> bool {
    Rules::new(Vec::new(), Access::Forward).judge(wanted, None, Some(word)).is_ok()
}

fn admission(fields: &HeaderMap, now: Millis) -> Result<AppWord, Failure> {
    Ok(AppWord {
        allowed: allowed(fields).ok_or(Failure::Topics)?,
        expires: expires(fields, now).ok_or(Failure::Expires)?,
    })
}

/// `Sidestream-Topics`, which may be several lines. An empty one narrows to nothing. None when it is no list of patterns.
#[allow(clippy::option_option, reason = "no list at all, and a list that is none, are two things")]
fn allowed(fields: &HeaderMap) -> Option<Option<Arc<[Pattern]>>> {
    if !fields.contains_key(TOPICS) {
        return Some(None);
    }
    let mut patterns = Vec::new();
    for line in fields.get_all(TOPICS) {
        // RFC 9110 §5.6.1: empty elements of a list do not count.
        let names = line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty());
        for name in names {
            if patterns.len() == PATTERNS {
                return None;
            }
            patterns.push(Pattern::parse(name).ok()?);
        }
    }
    Some(Some(patterns.into()))
}

/// `Sidestream-Expires`. None when it is given twice, is no time, or is not later than `now`.
#[allow(clippy::option_option, reason = "no end, and an end that is none, are two things")]
fn expires(fields: &HeaderMap, now: Millis) -> Option<Option<Millis>> {
    let mut lines = fields.get_all(EXPIRES).iter();
    let Some(line) = lines.next() else { return Some(None) };
    if lines.next().is_some() {
        return None;
    }
    let end = time(line.to_str().ok()?.trim(), now)?;
    (end > now).then_some(Some(end))
}

/// Seconds from now, seconds since 1970 (the `exp` of a token, as it is), or a date of HTTP. The two kinds of numbers are
/// far apart: what lies between them, and milliseconds, are none.
fn time(text: &str, now: Millis) -> Option<Millis> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Millis(date(text)?.checked_mul(1000)?));
    }
    let number: u64 = text.parse().ok()?;
    if number <= FROM_NOW.as_secs() {
        return Some(Millis(now.0.checked_add(number * 1000)?));
    }
    let (least, most) = SINCE_1970;
    (least..=most).contains(&number).then(|| Millis(number * 1000))
}

/// `WWW-Authenticate`, line by line, as far as there is room.
fn challenges(fields: &HeaderMap) -> Arc<[HeaderValue]> {
    let mut room = CHALLENGE_BYTES;
    let mut fits = |line: &&HeaderValue| {
        let left = room.checked_sub(line.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    fields.get_all(header::WWW_AUTHENTICATE).iter().filter(|line| fits(line)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn said(status: u16, fields: &[(&'static str, &str)]) -> Result<AppWord, AppRefusal> {
        let mut answer = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            answer.append_header(*name, *value).unwrap();
        }
        read(&answer, NOW)
    }

    fn failed(failure: Failure) -> Result<AppWord, AppRefusal> {
        Err(AppRefusal::Failed(failure))
    }

    #[test]
    fn statuses_by_table() {
        for status in [200, 201, 202, 204, 206, 299] {
            assert_eq!(said(status, &[]), Ok(AppWord::default()), "{status}");
        }
        assert_eq!(said(403, &[("Sidestream-Topics", "a")]), Err(AppRefusal::Forbidden));
        for status in [301, 302, 303, 304, 307, 308] {
            let code = StatusCode::from_u16(status).unwrap();
            assert_eq!(said(status, &[("Location", "/login")]), failed(Failure::Redirect(code)), "{status}");
        }
        for status in [400, 402, 404, 407, 429, 500, 502, 503, 504, 600, 999] {
            let code = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                said(status, &[("Sidestream-Topics", "a")]),
                failed(Failure::Status(code)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_401_keeps_its_challenges_within_bounds() {
        let long = "x".repeat(CHALLENGE_BYTES);
        for (lines, kept) in [
            (&[][..], &[][..]),
            (&["Bearer realm=\"a\"", "Basic"], &["Bearer realm=\"a\"", "Basic"]),
            (&["Bearer", &long, "Basic"], &["Bearer", "Basic"]),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("WWW-Authenticate", *line)).collect();
            let Err(AppRefusal::Unauthorized { challenges }) = said(401, &fields) else {
                panic!("{lines:?}")
            };
            assert_eq!(challenges.as_ref(), kept);
        }
    }

    #[test]
    fn topics_by_table() {
        let topics = |lines: &[&str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("Sidestream-Topics", *line)).collect();
            said(200, &fields).map(|word| {
                let allowed = word.allowed.expect("a list");
                allowed.iter().map(ToString::to_string).collect::<Vec<_>>()
            })
        };
        for (lines, patterns) in [
            (&["orders.*"][..], &["orders.*"][..]),
            (&[" a , b.** ,c~2Cd"], &["a", "b.**", "c~2Cd"]),
            (&["a", "b"], &["a", "b"]),
            (&["a,,b,"], &["a", "b"]),
            (&[""], &[]),
            (&[" , "], &[]),
        ] {
            assert_eq!(topics(lines).unwrap(), patterns, "{lines:?}");
        }
        let many = vec!["a"; PATTERNS + 1].join(",");
        for lines in
            [&["a b"][..], &["a;b"], &["a..b"], &["**.a"], &["\"a\""], &["a", "*b"], &["a/b"], &[&many]]
        {
            assert_eq!(topics(lines).unwrap_err(), AppRefusal::Failed(Failure::Topics), "{lines:?}");
        }
        assert_eq!(topics(&[&vec!["a"; PATTERNS].join(",")]).unwrap().len(), PATTERNS);
        let mut answer = ResponseHeader::build(200, None).unwrap();
        answer.append_header("Sidestream-Topics", HeaderValue::from_bytes(b"a\xff").unwrap()).unwrap();
        assert_eq!(read(&answer, NOW), failed(Failure::Topics));
    }

    #[test]
    fn ends_by_table() {
        let end = |text: &str| said(200, &[("Sidestream-Expires", text)]).map(|word| word.expires.unwrap().0);
        let now = NOW.0 / 1000;
        for (text, seconds) in [
            ("1", now + 1),
            (" 3600 ", now + 3600),
            ("31536000", now + 31_536_000),
            ("1700000001", 1_700_000_001),
            ("253402300799", 253_402_300_799),
            ("Sun, 06 Nov 2033 08:49:37 GMT", 2_014_879_777),
        ] {
            assert_eq!(end(text), Ok(seconds * 1000), "{text}");
        }
        for text in [
            // Over, or at once.
            "0",
            "1700000000",
            "1000000000",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            // Neither from now nor since 1970; then milliseconds.
            "31536001",
            "999999999",
            "1700000001000",
            "253402300800",
            "20000000000000000",
            "99999999999999999999999",
            "",
            "-1",
            "+5",
            "1.5",
            "1h",
            "never",
            "1, 2",
            "2033-11-06T08:49:37Z",
        ] {
            assert_eq!(end(text), Err(AppRefusal::Failed(Failure::Expires)), "{text}");
        }
        let twice = [("Sidestream-Expires", "5"), ("Sidestream-Expires", "5")];
        assert_eq!(said(200, &twice), failed(Failure::Expires));
    }

    #[test]
    fn a_head_that_is_too_long_says_nothing() {
        let half = "x".repeat(HEAD_BYTES / 2);
        for status in [200, 401, 403] {
            assert_eq!(said(status, &[("A", &half), ("B", &half)]), failed(Failure::Head), "{status}");
        }
        assert!(said(200, &[("A", &half)]).is_ok());
    }

    proptest! {
        /// Whatever the fields hold: an end is later than now, and a list is short.
        #[test]
        fn any_value_is_judged_without_panic(topics in "[ -~]{0,40}", expires in "[ -~]{0,20}|[0-9]{0,24}") {
            if let Ok(word) = said(200, &[("Sidestream-Topics", &topics), ("Sidestream-Expires", &expires)]) {
                prop_assert!(word.expires.unwrap() > NOW);
                prop_assert!(word.allowed.unwrap().len() <= PATTERNS);
            }
        }
    }
}
