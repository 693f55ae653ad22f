//! Percent-decoding of what senders write, exactly once (RFC 3986 §2.4).
//!
//! A `%` without two hex digits behind it stands for itself, as in the URL Standard (section 1.3): half of the
//! CloudEvents libraries encode nothing, and a subject `50% off` is no reason to lose a webhook. Paths and queries of
//! our own are read more strictly, where they are read.

use std::borrow::Cow;

/// The octets that `text` stands for.
pub(super) fn octets(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', text) else { return text.into() };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let [byte, after @ ..] = rest {
        if let (b'%', Some((octet, after))) = (byte, escape(after)) {
            decoded.push(octet);
            rest = after;
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    decoded.into()
}

/// The octet of two hex digits, and what is behind them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], after) = text.split_first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some(((digit(*high)? << 4 | digit(*low)?) as u8, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_exactly_once() {
        let cases: [(&[u8], &[u8]); 11] = [
            (b"", b""),
            (b"orders", b"orders"),
            (b"a%2Eb%2e", b"a.b."),
            (b"a%252Fb", b"a%2Fb"),
            (b"a+b", b"a+b"),
            (b"%FF%00", b"\xff\0"),
            (b"50% off", b"50% off"),
            (b"50%", b"50%"),
            (b"%4", b"%4"),
            (b"%%41%4g%+1", b"%A%4g%+1"),
            (b"%E2%82%AC", "\u{20ac}".as_bytes()),
        ];
        for (text, want) in cases {
            assert_eq!(octets(text), want, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_out_again(bytes: Vec<u8>) {
            let encoded = bytes.iter().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(&*octets(encoded.as_bytes()), &*bytes);
            prop_assert!(octets(&bytes).len() <= bytes.len());
        }
    }
}
