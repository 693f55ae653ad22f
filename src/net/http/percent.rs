//! Percent-decoding, exactly once (RFC 3986 §2.1).

use std::borrow::Cow;

use crate::octets::{Plus, strict};

/// Why a segment is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// `%` without two hex digits behind it.
    #[error("% must be followed by two hex digits")]
    Escape,
    /// What comes out is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// Decodes `segment`. `+` stays `+`: a path is not a form.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(segment: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    match strict(segment, Plus::Itself).ok_or(DecodeError::Escape)? {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| DecodeError::NotUtf8)
        }
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| DecodeError::NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_exactly_once() {
        let cases: [(&[u8], Result<&str, DecodeError>); 12] = [
            (b"orders", Ok("orders")),
            (b"a%2Eb", Ok("a.b")),
            (b"a%2eb", Ok("a.b")),
            (b"a%2Fb", Ok("a/b")),
            (b"a%252Fb", Ok("a%2Fb")),
            (b"a+b", Ok("a+b")),
            (b"a%00b", Ok("a\0b")),
            (b"caf%C3%A9", Ok("caf\u{e9}")),
            (b"a%", Err(DecodeError::Escape)),
            (b"a%2", Err(DecodeError::Escape)),
            (b"a%+1", Err(DecodeError::Escape)),
            (b"a%FF", Err(DecodeError::NotUtf8)),
        ];
        for (segment, want) in cases {
            assert_eq!(decode(segment).as_deref().map_err(|&e| e), want, "{}", segment.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_out_again(text in ".{0,40}") {
            let encoded = text.bytes().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(decode(encoded.as_bytes()).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
