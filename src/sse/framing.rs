//! How blocks are framed in the response's body.
//!
//! Each block is a chunk of its own. One chunk around many blocks would save a few bytes, but a connection whose socket
//! fills up in the middle would then have to keep all of the chunk's rest; this way it keeps the rest of one block, and
//! reads on from history. It also lets the framed bytes be built once per event and shared by every group.

use std::io::Write as _;

use bytes::Bytes;

/// How the body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`, for HTTP/1.1.
    Chunked,
    /// The body ends with the connection, for HTTP/1.0.
    Close,
}

impl Framing {
    /// What ends the body cleanly: the last chunk, or nothing.
    #[must_use]
    pub fn end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"0\r\n\r\n",
            Self::Close => b"",
        }
    }
}

/// One block, framed as a chunk, that can also be had bare. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Framed {
    chunk: Bytes,
    /// Bytes of the chunk's size line.
    head: usize,
}

impl Framed {
    /// Frames `block`, which must not be empty: an empty chunk would end the body.
    #[must_use]
    pub fn new(block: &[u8]) -> Self {
        debug_assert!(!block.is_empty(), "an empty chunk ends the body");
        let mut chunk = Vec::with_capacity(block.len() + 20);
        let _ = write!(chunk, "{:x}\r\n", block.len());
        let head = chunk.len();
        chunk.extend_from_slice(block);
        chunk.extend_from_slice(b"\r\n");
        Self { chunk: chunk.into(), head }
    }

    /// The bytes to write under `framing`. Shares memory with `self`.
    #[must_use]
    pub fn bytes(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Chunked => self.chunk.clone(),
            Framing::Close => self.chunk.slice(self.head..self.chunk.len() - 2),
        }
    }

    /// The block's own length, without its framing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunk.len() - self.head - 2
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_one_chunk_and_can_be_had_bare() {
        let framed = Framed::new(b"data: 0123456789\n\n");
        assert_eq!(&framed.bytes(Framing::Chunked)[..], b"12\r\ndata: 0123456789\n\n\r\n");
        assert_eq!(&framed.bytes(Framing::Close)[..], b"data: 0123456789\n\n");
        assert_eq!(framed.len(), 18);
    }
}
