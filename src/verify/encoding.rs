//! How a signature's bytes are written into a header field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::mac::{LONGEST_TAG, Tag};
use crate::octets::{nibble, write_hex};

/// How a signature's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal with `a` to `f` alone: what senders send whose own libraries compare text with text. Those refuse
    /// upper case, and so do we.
    HexLower,
    /// Hexadecimal in either case: where the sender's own libraries decode it, or nobody says.
    Hex,
    /// Base64 of the standard alphabet with its padding and no stray bits, so that each signature is written in one way.
    /// Every provider's library writes it like this, and all but those that compare text refuse the rest as well.
    Base64,
}

/// Bytes that base64 decoding may need for the longest tag: whole groups of three.
const DECODED: usize = LONGEST_TAG.div_ceil(3) * 3;

impl Encoding {
    /// The signature of `length` bytes that is written so; none where the text is not exactly that.
    pub(super) fn decode(self, text: &[u8], length: usize) -> Option<Tag> {
        match self {
            Self::HexLower if text.iter().any(u8::is_ascii_uppercase) => None,
            Self::HexLower | Self::Hex => hex(text, length),
            Self::Base64 => {
                if text.len() != length.div_ceil(3) * 4 {
                    return None;
                }
                let mut bytes = [0; DECODED];
                let decoded = STANDARD.decode_slice(text, bytes.get_mut(..length.div_ceil(3) * 3)?).ok()?;
                if decoded == length { Tag::new(&bytes[..length]) } else { None }
            }
        }
    }

    /// Writes a signature as a sender would.
    pub(super) fn write(self, tag: &Tag, text: &mut String) {
        match self {
            Self::HexLower | Self::Hex => write_hex(tag.as_slice(), text),
            Self::Base64 => STANDARD.encode_string(tag.as_slice(), text),
        }
    }
}

fn hex(text: &[u8], length: usize) -> Option<Tag> {
    let mut bytes = [0; LONGEST_TAG];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != length || !rest.is_empty() || length > LONGEST_TAG {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Tag::new(&bytes[..length])
}

/// Bytes from hexadecimal of any length, in either case. For keys, at load.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

/// Bytes from base64 as signatures are written. For keys, at load, and for `Basic`.
pub(super) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_signature_is_written_in_one_way() {
        let decode = |encoding: Encoding, text: &str| {
            encoding.decode(text.as_bytes(), 2).map(|tag| tag.as_slice().to_vec())
        };
        assert_eq!(decode(Encoding::HexLower, "ff0a"), Some(vec![0xff, 0x0a]));
        assert_eq!(decode(Encoding::HexLower, "fF0a"), None);
        assert_eq!(decode(Encoding::Hex, "fF0a"), Some(vec![0xff, 0x0a]));
        for text in ["", "ff0", "ff0a0", "ff0a0b", "ff0g", " ff0a", "ff0a ", "0xff0a", "ff:0a"] {
            assert_eq!(decode(Encoding::Hex, text), None, "{text:?}");
        }
        assert_eq!(decode(Encoding::Base64, "+/8="), Some(vec![0xfb, 0xff]));
        // Without padding, URL-safe, stray bits, spaces, too short, too long.
        for text in ["", "+/8", "-_8=", "+/9=", "+/8= ", " +/8=", "+/==", "+///", "+/8=+/8="] {
            assert_eq!(decode(Encoding::Base64, text), None, "{text:?}");
        }
        assert_eq!((unhex(b"0Aff"), unhex(b"0Af")), (Some(vec![10, 255]), None));
        assert_eq!((unbase64(b"+/8="), unbase64(b"+/8")), (Some(vec![0xfb, 0xff]), None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..=LONGEST_TAG)) {
            for encoding in [Encoding::HexLower, Encoding::Hex, Encoding::Base64] {
                let mut text = String::new();
                encoding.write(&Tag::new(&bytes).unwrap(), &mut text);
                let tag = encoding.decode(text.as_bytes(), bytes.len()).unwrap();
                prop_assert_eq!(tag.as_slice(), &bytes[..]);
            }
        }

        #[test]
        fn any_text_is_judged_without_panic(text in proptest::collection::vec(any::<u8>(), 0..200), length in 0..=LONGEST_TAG) {
            for encoding in [Encoding::HexLower, Encoding::Hex, Encoding::Base64] {
                if let Some(tag) = encoding.decode(&text, length) {
                    let mut again = String::new();
                    encoding.write(&tag, &mut again);
                    prop_assert!(again.as_bytes().eq_ignore_ascii_case(&text));
                }
            }
        }
    }
}
