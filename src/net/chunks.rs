//! A chunked body while it passes (RFC 9112, section 7.1): whether its framing can be read in one way only.
//!
//! The parser behind this is lenient: to it a chunk without a size is the last one, a bare LF belongs to an extension, and
//! a trailer is whatever comes before an empty line. Whoever is before or behind us may read each of these in another way,
//! and take a part of the body for a request (or the reverse). So what is not in the grammar ends the body here.

use super::head::is_token;

/// Digits of a size at most: so many fit into 64 bits, and no body is longer.
const MAX_DIGITS: u8 = 15;

/// The framing is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body's chunked framing is broken")]
pub(super) struct BadChunks;

/// What has passed of a body.
#[derive(Clone, Debug)]
pub(super) struct Chunks(At);

/// What the next byte is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        digits: u8,
        size: u64,
    },
    /// Behind a size and white space: only an extension may follow.
    Space {
        size: u64,
    },
    Extension {
        size: u64,
    },
    /// The LF of a size's line.
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// A trailer's first byte, or the last line's.
    Line,
    Name,
    Value,
    ValueLf,
    LastLf,
    /// The next request's.
    Behind,
}

const SIZE: At = At::Size { digits: 0, size: 0 };

impl Chunks {
    pub fn new() -> Self {
        Self(SIZE)
    }

    /// Looks at more of it. What is behind its end is not looked at.
    ///
    /// # Errors
    /// [`BadChunks`]; nothing of it is to be used then.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), BadChunks> {
        while let [byte, rest @ ..] = bytes {
            match self.0 {
                At::Data { left } => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[count..];
                    let left = left - count as u64;
                    self.0 = if left == 0 { At::DataCr } else { At::Data { left } };
                }
                At::Behind => return Ok(()),
                at => {
                    self.0 = at.after(*byte).ok_or(BadChunks)?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }
}

impl At {
    /// None where the byte may not stand.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size { digits: 1.., size } | Self::Space { size } | Self::Extension { size }, b';') => {
                Self::Extension { size }
            }
            (Self::Size { digits: 1.., size } | Self::Extension { size }, b'\r') => Self::SizeLf { size },
            // The grammar has white space before an extension, and none before the line's end.
            (Self::Size { digits: 1.., size } | Self::Space { size }, b' ' | b'\t') => Self::Space { size },
            (Self::Size { digits, size }, _) if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
            }
            (Self::SizeLf { size: 0 } | Self::ValueLf, b'\n') => Self::Line,
            (Self::SizeLf { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => SIZE,
            (Self::Line, b'\r') => Self::LastLf,
            (Self::Line | Self::Name, _) if is_token(byte) => Self::Name,
            (Self::Name, b':') => Self::Value,
            (Self::Value, b'\r') => Self::ValueLf,
            (Self::Extension { .. } | Self::Value, _) if is_text(byte) => self,
            (Self::LastLf, b'\n') => Self::Behind,
            _ => return None,
        })
    }
}

/// Of a field's value (RFC 9110, section 5.5), and of an extension.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(bytes: &[u8]) -> Result<At, BadChunks> {
        let mut chunks = Chunks::new();
        chunks.take(bytes).map(|()| chunks.0)
    }

    #[test]
    fn whole_bodies() {
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "4\r\nbody\r\n0\r\n\r\n",
            "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
            "4;a\r\nbody\r\n0;b=\"c;d\"\r\n\r\n",
            "4 ; a = \u{fc}\r\nbody\r\n0\t;b\r\n\r\n",
            "4\r\nbody\r\n0\r\nX: y\r\nZ:\r\n\r\n",
            "4\r\nbody\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        ] {
            assert_eq!(at(body.as_bytes()), Ok(At::Behind), "{body:?}");
        }
        for body in ["", "4", "4\r", "4\r\nbo", "4\r\nbody\r\n", "4\r\nbody\r\n0\r\n", "fffffffffffffff\r\nx"]
        {
            assert!(matches!(at(body.as_bytes()), Ok(at) if at != At::Behind), "{body:?}");
        }
    }

    #[test]
    fn what_another_could_read_in_another_way() {
        for body in [
            "\r\n",
            "\n",
            ";a\r\n",
            " 4\r\n",
            " \r\n",
            "4 \r\n",
            "4 4\r\n",
            "4\n",
            "4\rx",
            "4;\n",
            "4;a\0\r\n",
            "+4\r\n",
            "-4\r\n",
            "0x4\r\n",
            "4_\r\n",
            "g\r\n",
            "1000000000000000\r\n",
            "0000000000000004\r\n",
            "4\r\nbody0",
            "4\r\nbody\n",
            "4\r\nbody\rx",
            "4\r\nbody\r\n\r\n",
            "0\r\n\n",
            "0\r\nx\r\n",
            "0\r\n: x\r\n",
            "0\r\nX : y\r\n",
            "0\r\n folded\r\n",
            "0\r\nX: y\n",
            "0\r\nX: y\0\r\n",
            "0\r\nX: y\r\n folded\r\n",
            "0\r\nX: y\r\n\rz",
        ] {
            assert_eq!(at(body.as_bytes()), Err(BadChunks), "{body:?}");
        }
    }

    proptest! {
        /// Wherever the bytes are cut, it is seen the same.
        #[test]
        fn pieces_are_as_good_as_the_whole(
            bytes in "([0-9a-f]{1,2}[ ;x]{0,2}\r\n|[a-z]{0,20}\r\n|0\r\n|X: y\r\n|\r|\n){0,8}",
            size in 1usize..9,
        ) {
            let bytes = bytes.as_bytes();
            let mut chunks = Chunks::new();
            let pieces = bytes.chunks(size).try_for_each(|piece| chunks.take(piece)).map(|()| chunks.0);
            prop_assert_eq!(pieces, at(bytes));
        }

        /// What is framed as it must be passes, whatever it holds, and its end is found.
        #[test]
        fn what_is_well_made_passes(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6)) {
            let mut body = Vec::new();
            for part in &parts {
                body.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                body.extend_from_slice(part);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(at(&body), Ok(At::Behind));
            prop_assert!(at(&body[..body.len() - 1]) != Ok(At::Behind));
        }
    }
}
