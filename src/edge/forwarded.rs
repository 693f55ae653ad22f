//! The field `Forwarded` (RFC 7239, section 4), read from its right end.
//!
//! From the left, a caller that opens a quote would swallow what the proxies after it have appended. From the right, each
//! proxy's element is whole before anything older is looked at, whatever that may be.

/// Bytes of an element at most; the longest that are honest have some hundred.
const ELEMENT_BYTES: usize = 1024;

/// What one proxy says of the request it got. Parameters of other names are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// `for`: who it came from.
    pub node: Option<String>,
    /// `proto`: the scheme it came by.
    pub proto: Option<String>,
    /// `host`: its `Host`.
    pub host: Option<String>,
}

/// The element has not the form of section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The elements of one line of the field, the last first. Empty ones are skipped, as RFC 9110 §5.6.1 wants it.
pub(super) fn elements_from_the_right(line: &[u8]) -> impl Iterator<Item = Result<Element, Malformed>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let (before, last) = split_last(rest?);
        rest = before;
        Some(last.trim_ascii())
    })
    .filter(|element| !element.is_empty())
    .map(element)
}

/// What is behind the last comma that is in no quotes, and what is before it. Where a quote is never opened that is all of
/// it.
fn split_last(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for at in (0..line.len()).rev() {
        match line[at] {
            b'"' if !is_escaped(&line[..at]) => quoted = !quoted,
            b',' if !quoted => return (Some(&line[..at]), &line[at + 1..]),
            _ => {}
        }
    }
    (None, line)
}

/// Whether what follows is escaped: an odd number of backslashes stands before it. They are counted within an element's
/// length only: more are no element.
fn is_escaped(before: &[u8]) -> bool {
    let count = before.iter().rev().take(ELEMENT_BYTES).take_while(|&&b| b == b'\\').count();
    count % 2 == 1
}

/// `name=value`, any number of times, with semicolons in between. No name twice.
fn element(mut rest: &[u8]) -> Result<Element, Malformed> {
    if rest.len() > ELEMENT_BYTES {
        return Err(Malformed);
    }
    let mut element = Element::default();
    loop {
        // Section 4 allows empty pairs, and spaces nowhere; but proxies write `; `.
        rest = rest.trim_ascii_start();
        if let Some((name, after)) = token(rest) {
            let value = after.strip_prefix(b"=").ok_or(Malformed)?;
            let (value, after) = value_of(value)?;
            let slot = match name.to_ascii_lowercase().as_slice() {
                b"for" => Some(&mut element.node),
                b"proto" => Some(&mut element.proto),
                b"host" => Some(&mut element.host),
                _ => None,
            };
            if slot.is_some_and(|slot| slot.replace(value).is_some()) {
                return Err(Malformed);
            }
            rest = after.trim_ascii_start();
        }
        match rest {
            [] => return Ok(element),
            [b';', after @ ..] => rest = after,
            _ => return Err(Malformed),
        }
    }
}

/// A token (RFC 9110 §5.6.2) and what follows it.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let end = bytes.iter().position(|b| !is_token(b)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// A token or a quoted string (RFC 9110 §5.6.4), unescaped, and what follows it.
fn value_of(bytes: &[u8]) -> Result<(String, &[u8]), Malformed> {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let (value, after) = token(bytes).ok_or(Malformed)?;
        return Ok((String::from_utf8_lossy(value).into_owned(), after));
    };
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [b'"', after @ ..] => return Ok((String::from_utf8(value).map_err(|_| Malformed)?, after)),
            [b'\\', escaped, after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [b'\\'] | [] => return Err(Malformed),
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Vec<Result<Element, Malformed>> {
        elements_from_the_right(line.as_bytes()).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with what the parser gives")]
    fn node(node: &str) -> Result<Element, Malformed> {
        Ok(Element { node: Some(node.into()), ..Element::default() })
    }

    #[test]
    fn the_examples_of_rfc_7239() {
        assert_eq!(read(r#"for="_gazonk""#), [node("_gazonk")]);
        assert_eq!(read(r#"For="[2001:db8:cafe::17]:4711""#), [node("[2001:db8:cafe::17]:4711")]);
        let all = Element { node: Some("192.0.2.60".into()), proto: Some("http".into()), host: None };
        assert_eq!(read("for=192.0.2.60;proto=http;by=203.0.113.43"), [Ok(all)]);
        assert_eq!(read("for=192.0.2.43, for=198.51.100.17"), [node("198.51.100.17"), node("192.0.2.43")]);
        assert_eq!(read("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown").len(), 3);
        assert_eq!(read("for=_hidden, for=_SEVKISEK"), [node("_SEVKISEK"), node("_hidden")]);
    }

    #[test]
    fn values_and_their_quotes() {
        assert_eq!(read(r#"for="a,b;c=\"d\" \\""#), [node(r#"a,b;c="d" \"#)]);
        assert_eq!(
            read("; for=a ; ;proto=x;"),
            [Ok(Element { proto: Some("x".into()), ..node("a").unwrap() })]
        );
        assert_eq!(
            read("proto=https;x=\"y\""),
            [Ok(Element { proto: Some("https".into()), ..Element::default() })]
        );
        assert_eq!(read(r#"for="""#), [node("")]);
        assert_eq!(read(", ,for=a,, "), [node("a")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_has_another_form() {
        for line in [
            "for",
            "for=",
            "for =a",
            "for= a",
            "=a",
            "for=a b",
            "for=a;for=b",
            "for=[::1]",
            "for=a:1",
            "for=\"a",
            "for=\"a\"b",
            "for=\"a\\",
        ] {
            assert_eq!(read(line), [Err(Malformed)], "{line}");
        }
        let long = format!("for={}", "a".repeat(ELEMENT_BYTES));
        assert_eq!(read(&long), [Err(Malformed)]);
    }

    #[test]
    fn an_open_quote_swallows_nothing_that_was_appended() {
        for forged in
            [r#"for=""#, r#"for="x"#, r#"for="\"#, r#"for="\\"#, r#"for=1.2.3.4;x="a, for="#, "\"", "\\"]
        {
            let line = format!(r#"{forged}, for="[2001:db8::7]";proto=https, for=192.0.2.7"#);
            let read = read(&line);
            assert_eq!(read[0], node("192.0.2.7"), "{line}");
            let second = Element { proto: Some("https".into()), ..node("[2001:db8::7]").unwrap() };
            assert_eq!(read[1], Ok(second), "{line}");
        }
    }

    proptest! {
        /// Whatever came before, what is appended is read first and as it is.
        #[test]
        fn any_bytes_before(before in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b',')], 0..60)) {
            let line = [&before[..], b",for=\"[2001:db8::7]:1\""].concat();
            prop_assert_eq!(elements_from_the_right(&line).next(), Some(node("[2001:db8::7]:1")));
            prop_assert!(elements_from_the_right(&before).count() <= before.len());
        }
    }
}
