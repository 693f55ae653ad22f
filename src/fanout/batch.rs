//! Bytes on their way to one or many sockets, and where one stands after any number of them.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::limits::{BATCH_BYTES, COPY_BYTES};
use crate::event::Position;
use crate::sse::{Framed, Framing};

/// A frame and the place it brings its reader to.
pub type Placed = (Position, Framed);

/// Counts the bytes that only slow connections still keep alive, on one shard.
#[derive(Clone, Default)]
pub struct Pins(Rc<Cell<usize>>);

impl Pins {
    /// The bytes pinned now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.get()
    }

    fn add(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes);
    }

    fn sub(&self, bytes: usize) {
        self.0.set(self.0.get() - bytes);
    }
}

/// Frames in cursor order, concatenated. Shared by all to whom it is written.
pub struct Batch {
    bytes: Bytes,
    /// Where each frame ends, and the place it brings its reader to.
    ends: Vec<(usize, Position)>,
    /// Its first frame is a prefix that is not in history: who takes the batch must keep it.
    prefixed: bool,
    pins: Pins,
    pinned: Cell<bool>,
}

impl Batch {
    /// Concatenates `prefix`, which leaves its reader at `start`, and as many of `frames` as fit into [`BATCH_BYTES`],
    /// at least one. Returns the batch and how many frames it holds.
    #[must_use]
    pub fn build(
        prefix: &[u8],
        start: Position,
        frames: &[Placed],
        framing: Framing,
        pins: &Pins,
    ) -> (Rc<Self>, usize) {
        let mut taken = 0;
        let mut length = prefix.len();
        for (_, framed) in frames {
            let more = framed.bytes(framing).len();
            if taken > 0 && length + more > BATCH_BYTES {
                break;
            }
            length += more;
            taken += 1;
        }
        let frames = &frames[..taken];
        let mut ends = Vec::with_capacity(taken + 1);
        let bytes = if let ([(position, framed)], true) = (frames, prefix.is_empty()) {
            // The common case at a moderate rate: one event, and its bytes are there already.
            let bytes = framed.bytes(framing);
            ends.push((bytes.len(), *position));
            bytes
        } else {
            let mut buffer = Vec::with_capacity(length);
            buffer.extend_from_slice(prefix);
            if !prefix.is_empty() {
                ends.push((buffer.len(), start));
            }
            for (position, framed) in frames {
                buffer.extend_from_slice(&framed.bytes(framing));
                ends.push((buffer.len(), *position));
            }
            buffer.into()
        };
        let batch =
            Self { bytes, ends, prefixed: !prefix.is_empty(), pins: pins.clone(), pinned: Cell::new(false) };
        (Rc::new(batch), taken)
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many events a reader that stands at `from` gets of it until it stands at `to`.
    #[must_use]
    pub fn events_between(&self, from: Position, to: Position) -> u64 {
        let before = |position| self.ends.partition_point(|&(_, p)| p <= position);
        before(to).saturating_sub(before(from)) as u64
    }

    /// The place of a reader that has all of it.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.ends.last().map(|&(_, position)| position)
    }

    /// Where the bytes begin for a reader that already stands at `position`.
    #[must_use]
    pub fn offset_after(&self, position: Position) -> usize {
        match self.ends.partition_point(|&(_, p)| p <= position) {
            0 => 0,
            skipped => self.ends[skipped - 1].0,
        }
    }

    /// What a connection keeps whose socket took `sent` bytes and no more: the rest of the frame it is in, and nothing at
    /// a boundary. It reads on from history after that.
    #[must_use]
    pub fn cut(self: &Rc<Self>, sent: usize) -> Cut {
        let index = self.ends.partition_point(|&(end, _)| end <= sent);
        let start = if index == 0 { 0 } else { self.ends[index - 1].0 };
        match index {
            0 if sent == 0 && !self.prefixed => return Cut::Nothing,
            1.. if sent == start => return Cut::Boundary(self.ends[index - 1].1),
            _ => {}
        }
        let (end, position) = self.ends[index];
        Cut::Inside(Rest::new(self, sent..end), position)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.pinned.get() {
            self.pins.sub(self.bytes.len());
        }
    }
}

/// How far a socket got in a batch.
pub enum Cut {
    /// Not a byte was taken, and history has it all.
    Nothing,
    /// Between two frames: the reader stands here.
    Boundary(Position),
    /// Inside a frame: its rest, and where the reader stands once that is written.
    Inside(Rest, Position),
}

/// The unsent rest of one frame.
pub struct Rest {
    bytes: Bytes,
    keep: Keep,
}

enum Keep {
    /// The bytes belong to a batch that this keeps alive.
    Batch(#[expect(dead_code, reason = "held for its drop")] Rc<Batch>),
    /// The bytes were copied and are counted here.
    Copied(Pins, usize),
}

impl Rest {
    fn new(batch: &Rc<Batch>, range: std::ops::Range<usize>) -> Self {
        if range.len() <= COPY_BYTES {
            batch.pins.add(range.len());
            let keep = Keep::Copied(batch.pins.clone(), range.len());
            return Self { bytes: Bytes::copy_from_slice(&batch.bytes[range]), keep };
        }
        if !batch.pinned.replace(true) {
            batch.pins.add(batch.bytes.len());
        }
        Self { bytes: batch.bytes.slice(range), keep: Keep::Batch(Rc::clone(batch)) }
    }

    /// What is still to be written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes note that `sent` more bytes were written. True when nothing is left.
    pub fn advance(&mut self, sent: usize) -> bool {
        bytes::Buf::advance(&mut self.bytes, sent);
        self.bytes.is_empty()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Keep::Copied(pins, length) = &self.keep {
            pins.sub(*length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(sizes: &[usize]) -> Vec<Placed> {
        let frame =
            |(i, &size): (usize, &usize)| (Position::of(i as u64 + 1), Framed::new(&vec![b'x'; size]));
        sizes.iter().enumerate().map(frame).collect()
    }

    #[test]
    fn a_cut_keeps_the_rest_of_one_frame_only() {
        let pins = Pins::default();
        let (batch, taken) =
            Batch::build(b"", Position::START, &frames(&[10, 10, 10]), Framing::Close, &pins);
        assert_eq!((taken, batch.bytes().len(), batch.last()), (3, 30, Some(Position::of(3))));
        assert!(matches!(batch.cut(0), Cut::Nothing));
        assert!(matches!(batch.cut(20), Cut::Boundary(p) if p == Position::of(2)));
        let Cut::Inside(mut rest, position) = batch.cut(13) else { panic!("inside a frame") };
        assert_eq!((rest.bytes().len(), position), (7, Position::of(2)));
        assert!(!rest.advance(3) && rest.advance(4));
        assert_eq!(pins.bytes(), 7);
        drop(rest);
        assert_eq!(pins.bytes(), 0);
    }

    #[test]
    fn a_large_rest_pins_its_batch_once_however_many_share_it() {
        let pins = Pins::default();
        let (batch, _) = Batch::build(b"", Position::START, &frames(&[100_000]), Framing::Close, &pins);
        let cuts = [batch.cut(1), batch.cut(2), batch.cut(90_000)];
        assert_eq!(pins.bytes(), 100_000);
        drop(batch);
        assert_eq!(pins.bytes(), 100_000);
        drop(cuts);
        assert_eq!(pins.bytes(), 0);
    }

    #[test]
    fn a_batch_is_bounded_and_a_late_joiner_gets_its_end() {
        let pins = Pins::default();
        let sizes = [BATCH_BYTES + 5, 10, 10];
        let (batch, taken) = Batch::build(b"", Position::START, &frames(&sizes), Framing::Chunked, &pins);
        assert_eq!((taken, batch.last()), (1, Some(Position::of(1))));
        let (batch, taken) =
            Batch::build(b"head", Position::START, &frames(&[10, 10]), Framing::Close, &pins);
        assert_eq!((taken, batch.bytes().len()), (2, 24));
        assert_eq!((batch.offset_after(Position::of(1)), batch.offset_after(Position::of(2))), (14, 24));
        assert_eq!(batch.events_between(Position::START, Position::of(2)), 2);
        assert_eq!(batch.events_between(Position::of(1), Position::of(2)), 1);
        assert!(matches!(batch.cut(4), Cut::Boundary(p) if p == Position::START));
        let Cut::Inside(rest, position) = batch.cut(0) else { panic!("a prefix is kept") };
        assert_eq!((rest.bytes(), position), (&b"head"[..], Position::START));
    }
}
