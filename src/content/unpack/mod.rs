//! Bodies that came packed: `Content-Encoding` (RFC 9110 §8.4), undone under a cap.
//!
//! What all of it holds at once, the results between two codings included, never has more bytes than the cap: room is
//! made by and by as bytes come out, and the first byte beyond it is the end. (Brotli keeps a window of its own besides,
//! bounded by twice the cap; that of deflate has 32 KiB.) All of it but those 32 KiB is asked for before it is taken, so that
//! many bodies that are unpacked at one time stay within what they have together. A body is whole or refused: cut off, damaged or followed by
//! anything it is an error, since the sender has signed something else than what would be read.

mod brotli;
mod deflate;

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};

use super::limits::{CODINGS, quote};

/// The value of `Accept-Encoding` in an answer 415 (RFC 9110 §12.5.3).
pub const ACCEPT_ENCODING: &str = "gzip, deflate, br";

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952, of one member or several; also by its old name `x-gzip`.
    Gzip,
    /// RFC 1950 around RFC 1951, or RFC 1951 alone: many senders take the name at its word, and browsers read both.
    Deflate,
    /// RFC 7932.
    Brotli,
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        })
    }
}

/// Asked for so many bytes more before they are taken; says whether they are there. Nothing is given back.
pub type Room<'a> = dyn Fn(usize) -> bool + 'a;

/// Why a body was not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// A coding that is none of ours.
    #[error("the content coding {0:?} is not known; {ACCEPT_ENCODING} are")]
    Unknown(String),
    /// Over [`CODINGS`].
    #[error("the body is packed more than {CODINGS} times")]
    TooManyCodings,
    /// More comes out than may.
    #[error("unpacked, the body is larger than {0} bytes")]
    TooLarge(usize),
    /// All bodies together hold as much as they may.
    #[error("too many bodies are on their way in")]
    NoRoom,
    /// It ends before its end.
    #[error("the body is cut off: its {0} does not end")]
    Truncated(Coding),
    /// It is not what it says, or its checksum is another one.
    #[error("the body is damaged: it is no valid {0}")]
    Damaged(Coding),
    /// It goes on behind its end.
    #[error("something follows the end of the body's {0}")]
    Trailing(Coding),
}

impl UnpackError {
    /// What the sender is answered with; 415 with [`ACCEPT_ENCODING`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unknown(_) | Self::TooManyCodings => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Truncated(_) | Self::Damaged(_) | Self::Trailing(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The body as it was before it was packed: `body` itself where it wasn't, else at most `cap` bytes of their own, for which
/// there was `room`.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack(headers: &HeaderMap, body: Bytes, cap: usize, room: &Room<'_>) -> Result<Bytes, UnpackError> {
    let mut body = body;
    let mut held = 0;
    // They are listed in the order in which they were applied.
    for coding in codings(headers)?.into_iter().rev() {
        let mut unpacked = Output::new(cap - held, cap, body.len(), room)?;
        match coding {
            Coding::Gzip => deflate::gzip(&body, &mut unpacked),
            Coding::Deflate => deflate::deflate(&body, &mut unpacked),
            Coding::Brotli => brotli::brotli(&body, &mut unpacked),
        }?;
        body = unpacked.finish();
        held = body.len();
    }
    Ok(body)
}

/// The codings of all `Content-Encoding` fields, first to last, without `identity`.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, UnpackError> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        // RFC 9110 §5.6.1: empty elements of a list are to be ignored.
        for name in value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|n| !n.is_empty()) {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            let coding = if is("gzip") || is("x-gzip") {
                Coding::Gzip
            } else if is("deflate") {
                Coding::Deflate
            } else if is("br") {
                Coding::Brotli
            } else if is("identity") {
                continue;
            } else {
                return Err(UnpackError::Unknown(quote(&String::from_utf8_lossy(name))));
            };
            if codings.len() == CODINGS {
                return Err(UnpackError::TooManyCodings);
            }
            codings.push(coding);
        }
    }
    Ok(codings)
}

/// Whether a decoder has more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    More,
    End,
}

/// What has come out so far: room for a decoder to write into, until there is none left.
struct Output<'a> {
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes it may have.
    most: usize,
    /// The cap as it is told.
    cap: usize,
    room: &'a Room<'a>,
}

impl<'a> Output<'a> {
    /// Bytes of the first room at least.
    const FIRST: usize = 4096;

    fn new(most: usize, cap: usize, packed: usize, room: &'a Room<'a>) -> Result<Self, UnpackError> {
        // Text packs to about a quarter; the room doubles from there.
        let first = packed.saturating_mul(4).max(Self::FIRST).min(most);
        let mut output = Self { bytes: Vec::new(), filled: 0, most, cap, room };
        output.grow_to(first)?;
        Ok(output)
    }

    /// Lets `write` fill room after room until it says that it is at its end. It says how many bytes it wrote.
    fn fill(
        &mut self,
        mut write: impl FnMut(&mut [u8]) -> Result<(usize, Step), UnpackError>,
    ) -> Result<(), UnpackError> {
        let mut beyond = [0];
        loop {
            if self.filled == self.bytes.len() && self.filled < self.most {
                self.grow_to(self.bytes.len().saturating_mul(2).min(self.most))?;
            }
            let full = self.filled == self.most;
            let room = if full { &mut beyond[..] } else { &mut self.bytes[self.filled..] };
            let (written, step) = write(room)?;
            if full && written > 0 {
                return Err(UnpackError::TooLarge(self.cap));
            }
            self.filled += written;
            if step == Step::End {
                return Ok(());
            }
        }
    }

    fn grow_to(&mut self, next: usize) -> Result<(), UnpackError> {
        let more = next - self.bytes.len();
        if !(self.room)(more) {
            return Err(UnpackError::NoRoom);
        }
        self.bytes.reserve_exact(more);
        self.bytes.resize(next, 0);
        Ok(())
    }

    /// What came out, and no more memory than that: an event keeps it for as long as it lives.
    fn finish(mut self) -> Bytes {
        self.bytes.truncate(self.filled);
        self.bytes.into_boxed_slice().into()
    }
}

#[cfg(test)]
mod tests;
