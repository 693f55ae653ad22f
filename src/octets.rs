//! Bytes as text writes them: percent-encoded (RFC 3986 §2.1), in pairs as forms and queries have them (URL Standard §5),
//! and in hexadecimal. All of it is decoded exactly once.

use std::borrow::Cow;
use std::fmt::Write;

/// What a `+` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself, as in paths and header fields.
    Itself,
    /// A space, as in forms and queries.
    Space,
}

/// The bytes that `text` stands for. A `%` without two hexadecimal digits behind it stands for itself, as in the URL
/// Standard (section 1.3): half of the senders encode nothing, and a subject `50% off` is no reason to lose a webhook.
#[must_use]
pub fn lenient(text: &[u8], plus: Plus) -> Cow<'_, [u8]> {
    decode(text, plus, || Some(b'%')).unwrap_or_default()
}

/// The bytes that `text` stands for. None where a `%` has not two hexadecimal digits behind it: for what must be read in one
/// way only.
#[must_use]
pub fn strict(text: &[u8], plus: Plus) -> Option<Cow<'_, [u8]>> {
    decode(text, plus, || None)
}

fn decode(text: &[u8], plus: Plus, stray: impl Fn() -> Option<u8>) -> Option<Cow<'_, [u8]>> {
    let is_other = |byte: &u8| *byte == b'%' || (*byte == b'+' && plus == Plus::Space);
    let Some(first) = text.iter().position(is_other) else { return Some(text.into()) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match (byte, escape(after)) {
            (b'%', Some((octet, after))) => {
                rest = after;
                octet
            }
            (b'%', None) => stray()?,
            (b'+', _) if plus == Plus::Space => b' ',
            _ => *byte,
        });
    }
    Some(decoded.into())
}

/// The byte of two hexadecimal digits, and what is behind them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], after) = text.split_first_chunk::<2>()?;
    Some((nibble(*high)? << 4 | nibble(*low)?, after))
}

/// The value of a hexadecimal digit in either case.
#[must_use]
pub fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The names and values of a form or query, still encoded, in their order. What is between two `&` and empty is none; a value
/// begins behind the first `=`, and without one is empty.
pub fn pairs(form: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (&pair[..equals], pair.get(equals + 1..).unwrap_or_default())
    })
}

/// Writes bytes in lower-case hexadecimal.
pub fn write_hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a text takes what is written to it");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_exactly_once() {
        let cases: [(&[u8], &[u8], bool); 12] = [
            (b"", b"", true),
            (b"orders", b"orders", true),
            (b"a%2Eb%2e", b"a.b.", true),
            (b"a%252Fb", b"a%2Fb", true),
            (b"a+b", b"a+b", true),
            (b"%FF%00", b"\xff\0", true),
            (b"%E2%82%AC", "\u{20ac}".as_bytes(), true),
            (b"50% off", b"50% off", false),
            (b"50%", b"50%", false),
            (b"%4", b"%4", false),
            (b"%%41%4g%+1", b"%A%4g%+1", false),
            (b"%2+", b"%2+", false),
        ];
        for (text, want, sound) in cases {
            let shown = text.escape_ascii();
            assert_eq!(lenient(text, Plus::Itself), want, "{shown}");
            assert_eq!(strict(text, Plus::Itself).as_deref(), sound.then_some(want), "{shown}");
        }
        assert_eq!(lenient(b"a+b%2Bc", Plus::Space), &b"a b+c"[..]);
    }

    #[test]
    fn pairs_by_table() {
        let of = |form: &str| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            pairs(form.as_bytes()).map(|(name, value)| (text(name), text(value))).collect()
        };
        let cases: [(&str, &[(&str, &str)]); 4] = [
            ("", &[]),
            ("&&", &[]),
            ("a=1&b&=c&a=d=e&", &[("a", "1"), ("b", ""), ("", "c"), ("a", "d=e")]),
            ("a;b", &[("a;b", "")]),
        ];
        for (form, want) in cases {
            let want: Vec<_> = want.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(of(form), want, "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_out_again(bytes: Vec<u8>) {
            let encoded = bytes.iter().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(&*lenient(encoded.as_bytes(), Plus::Space), &*bytes);
            let strict = strict(encoded.as_bytes(), Plus::Itself);
            prop_assert_eq!(strict.as_deref(), Some(&*bytes));
            prop_assert!(lenient(&bytes, Plus::Itself).len() <= bytes.len());
            let mut hex = String::new();
            write_hex(&bytes, &mut hex);
            prop_assert_eq!(hex, encoded.replace('%', "").to_lowercase());
        }
    }
}
