//! gzip (RFC 1952), zlib (RFC 1950) and deflate alone (RFC 1951).

use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::{Coding, Output, Step, UnpackError};

/// All members, one after another. Anything behind the last one is taken for another, and refused as such.
pub(super) fn gzip(packed: &[u8], out: &mut Output<'_>) -> Result<(), UnpackError> {
    let mut decoder = MultiGzDecoder::new(packed);
    out.fill(|room| match decoder.read(room) {
        Ok(0) => Ok((0, Step::End)),
        Ok(written) => Ok((written, Step::More)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(UnpackError::Truncated(Coding::Gzip)),
        Err(_) => Err(UnpackError::Damaged(Coding::Gzip)),
    })
}

/// With or without the frame of zlib.
pub(super) fn deflate(packed: &[u8], out: &mut Output<'_>) -> Result<(), UnpackError> {
    let mut decoder = Decompress::new(has_zlib_header(packed));
    let mut rest = packed;
    out.fill(|room| {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(rest, room, FlushDecompress::None)
            .map_err(|_| UnpackError::Damaged(Coding::Deflate))?;
        let read = (decoder.total_in() - read) as usize;
        let written = (decoder.total_out() - written) as usize;
        rest = &rest[read..];
        match status {
            Status::StreamEnd => Ok((written, Step::End)),
            // Neither could it read nor write: there is no more to read.
            _ if read == 0 && written == 0 => Err(UnpackError::Truncated(Coding::Deflate)),
            _ => Ok((written, Step::More)),
        }
    })?;
    if rest.is_empty() { Ok(()) } else { Err(UnpackError::Trailing(Coding::Deflate)) }
}

/// RFC 1950 §2.2: method 8, a window of 32 KiB at most, and 31 divides both bytes. A body without the frame can't begin
/// so: its first block would be a stored one, behind bits of padding that are not zero.
fn has_zlib_header(packed: &[u8]) -> bool {
    let [method, flags, ..] = packed else { return false };
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}
