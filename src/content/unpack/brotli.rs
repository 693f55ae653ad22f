//! Brotli (RFC 7932), without the large windows that are no part of it.

use std::cell::Cell;

use brotli_decompressor::{
    Allocator, BrotliDecoderErrorCode, BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc,
};

use super::{Coding, Output, Room, Step, UnpackError};

/// Bytes that the decoder may ask for at once, whatever the cap: a context map has 16 KiB, and a window some hundred more
/// than it holds.
const TABLES: usize = 64 * 1024;

/// The whole of it.
pub(super) fn brotli(packed: &[u8], out: &mut Output<'_>) -> Result<(), UnpackError> {
    use BrotliDecoderErrorCode::{
        BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_1 as WINDOW,
        BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_2 as WINDOW_GROWN,
    };
    let cap = out.cap;
    let most = out.most.saturating_mul(2).saturating_add(TABLES);
    let is_full = Cell::new(false);
    let bounded = Bounded { most, room: out.room, is_full: &is_full, inner: StandardAlloc::default() };
    // `new` would take windows of up to 1 GiB.
    let mut state = BrotliState::new_strict(bounded, StandardAlloc::default(), StandardAlloc::default());
    let (mut left, mut at, mut total) = (packed.len(), 0, 0);
    out.fill(|room| {
        let (mut space, mut written) = (room.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            packed,
            &mut space,
            &mut written,
            room,
            &mut total,
            &mut state,
        );
        match result {
            BrotliResult::ResultSuccess => Ok((written, Step::End)),
            BrotliResult::NeedsMoreOutput => Ok((written, Step::More)),
            BrotliResult::NeedsMoreInput => Err(UnpackError::Truncated(Coding::Brotli)),
            BrotliResult::ResultFailure if is_full.get() => Err(UnpackError::NoRoom),
            BrotliResult::ResultFailure if matches!(state.error_code, WINDOW | WINDOW_GROWN) => {
                Err(UnpackError::TooLarge(cap))
            }
            BrotliResult::ResultFailure => Err(UnpackError::Damaged(Coding::Brotli)),
        }
    })?;
    if left == 0 { Ok(()) } else { Err(UnpackError::Trailing(Coding::Brotli)) }
}

/// Memory for bytes, up to a size. The decoder's window is the only large piece: it is made as large as what the stream
/// announces, up to 16 MiB, before anything has come out. What announces more than twice the cap is over the cap.
struct Bounded<'a> {
    most: usize,
    room: &'a Room<'a>,
    /// Whether there was no room for what it may have.
    is_full: &'a Cell<bool>,
    inner: StandardAlloc,
}

impl Allocator<u8> for Bounded<'_> {
    type AllocatedMemory = <StandardAlloc as Allocator<u8>>::AllocatedMemory;

    fn alloc_cell(&mut self, len: usize) -> Self::AllocatedMemory {
        // Nothing is how a failure is told; the decoder ends with an error.
        if len > self.most {
            return Self::AllocatedMemory::default();
        }
        if !(self.room)(len) {
            self.is_full.set(true);
            return Self::AllocatedMemory::default();
        }
        self.inner.alloc_cell(len)
    }

    fn free_cell(&mut self, data: Self::AllocatedMemory) {
        <StandardAlloc as Allocator<u8>>::free_cell(&mut self.inner, data);
    }
}
