//! A query as browsers write it: `application/x-www-form-urlencoded` (URL Standard, section 5).
//!
//! Each name and value is decoded exactly once. `+` is a space, since `URLSearchParams` writes one so and writes a plus
//! as `%2B`; in a path, which is no form, `+` stays `+`.

use std::borrow::Cow;
use std::ops::Not as _;
use std::time::Duration;

use super::percent::{DecodeError, decode};

/// The pairs of a query, in their order. Those whose name is no text are left out: they are none of ours.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    query.split(|&b| b == b'&').filter_map(|pair| {
        let (name, value) = match pair.iter().position(|&b| b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        Some((text(name).ok()?, value))
    })
}

/// The text of a value.
///
/// # Errors
/// [`DecodeError`].
pub fn text(value: &[u8]) -> Result<String, DecodeError> {
    let spaced: Cow<'_, [u8]> = if value.contains(&b'+') {
        value.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect::<Vec<u8>>().into()
    } else {
        value.into()
    };
    decode(&spaced).map(Cow::into_owned)
}

/// The query without the pairs of this name, however it is encoded; all others stay byte for byte. None when nothing of it
/// is left but had been there: then the `?` goes too.
#[must_use]
pub fn without(query: &[u8], name: &str) -> Option<Vec<u8>> {
    let is_kept = |pair: &&[u8]| {
        let end = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        text(&pair[..end]).is_ok_and(|found| found == name).not()
    };
    let kept: Vec<&[u8]> = query.split(|&b| b == b'&').filter(is_kept).collect();
    if kept.is_empty() { None } else { Some(kept.join(&b'&')) }
}

/// A duration: a whole number and a unit, as in the configuration.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Vec<(String, Result<String, DecodeError>)> {
        pairs(query.as_bytes()).map(|(name, value)| (name, text(value))).collect()
    }

    #[test]
    fn pairs_by_table() {
        let ok = |name: &str, value: &str| (name.to_owned(), Ok(value.to_owned()));
        assert_eq!(read("a=1&b=2"), [ok("a", "1"), ok("b", "2")]);
        assert_eq!(read("a=1=2"), [ok("a", "1=2")]);
        assert_eq!(read("a&b="), [ok("a", ""), ok("b", "")]);
        assert_eq!(read("%61%3D=x+y%2Bz%20"), [ok("a=", "x y+z ")]);
        assert_eq!(read("a=%2541&a=caf%C3%A9"), [ok("a", "%41"), ok("a", "caf\u{e9}")]);
        assert_eq!(read("%zz=1&a=%zz"), [("a".to_owned(), Err(DecodeError::Escape))]);
    }

    #[test]
    fn one_name_is_taken_out_and_the_rest_stays_as_it_was() {
        for (query, left) in [
            ("token=s", None),
            ("", Some("")),
            ("a=1", Some("a=1")),
            ("a=1&token=s", Some("a=1")),
            ("token=s&a=1&token=t&b=%zz&", Some("a=1&b=%zz&")),
            ("%74oken=s&a=x+y%20", Some("a=x+y%20")),
            ("token&tokens=1&Token=2", Some("tokens=1&Token=2")),
            ("a=token=s&&b", Some("a=token=s&&b")),
        ] {
            let found = without(query.as_bytes(), "token");
            assert_eq!(found.as_deref(), left.map(str::as_bytes), "{query}");
        }
    }

    proptest! {
        /// What is left has no pair of the name, as whoever reads it decodes names.
        #[test]
        fn nothing_of_the_name_is_left(query in "([a%6174=&+]|token|%74oken){0,12}") {
            let left = without(query.as_bytes(), "token").unwrap_or_default();
            prop_assert!(pairs(&left).all(|(name, _)| name != "token"));
        }

        #[test]
        fn any_bytes_are_read_without_panic(query: Vec<u8>) {
            for (_, value) in pairs(&query) {
                let _ = text(value);
            }
        }
    }
}
