//! The ring of recent events: one writer advances its head, every shard reads at its own place, and nobody waits.
//!
//! A slot is replaced as a whole, so a reader sees an entry or finds that it has been overtaken: then it goes to
//! history, like any reader that is behind. Entries are numbered from 0 without holes; their cursors may have holes.
//!
//! Invariants: `oldest ≤ head`; every entry in `oldest..head` was stored before `head` covered it; an entry's number
//! is its slot's index modulo the capacity.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::limits::{RING_BYTES, RING_ENTRIES};
use crate::event::{Cursor, Format, LoggedEvent, Position};
use crate::sse::{self, Framed};

/// What the log's tail brought.
pub struct Entry {
    /// Its number in the ring.
    pub number: u64,
    /// Its place in the log.
    pub cursor: Cursor,
    /// Resets up to and including it. Whoever was overtaken sees by it whether one was among what it missed.
    pub resets: u64,
    /// When it was put here, for the delivery latency.
    pub published: Instant,
    /// What it is.
    pub what: What,
}

/// An event's frames, by format.
pub type Frames = [OnceLock<Framed>; Format::COUNT];

/// An entry's content.
#[allow(clippy::large_enum_variant, reason = "a reset is rare; a box would be an allocation for each event")]
pub enum What {
    /// An event, and its frame in each format once the first shard has needed it.
    Event(Arc<LoggedEvent>, Frames),
    /// The log lost its place or began anew: what follows comes after the entry's cursor.
    Reset,
}

impl Entry {
    /// The event, unless this is a reset.
    #[must_use]
    pub fn event(&self) -> Option<&LoggedEvent> {
        match &self.what {
            What::Event(logged, _) => Some(logged),
            What::Reset => None,
        }
    }

    /// The event's frame in this format, unless this is a reset. Built by whoever asks first, shared by all.
    #[must_use]
    pub fn framed(&self, format: Format) -> Option<&Framed> {
        match &self.what {
            What::Event(logged, frames) => {
                Some(frames[format as usize].get_or_init(|| Framed::new(&sse::event(logged, format))))
            }
            What::Reset => None,
        }
    }

    fn weight(&self) -> usize {
        match &self.what {
            // The data twice: once as it came, once framed, where each of its lines is a field.
            What::Event(logged, _) => {
                let lines = memchr::memchr2_iter(b'\n', b'\r', &logged.event.data).count();
                2 * logged.event.weight() + lines * "data: ".len()
            }
            What::Reset => 0,
        }
    }
}

/// The reading side. Shared by all shards.
pub struct Ring {
    slots: Box<[ArcSwapOption<Entry>]>,
    head: AtomicU64,
    oldest: AtomicU64,
    /// Entries below this number are for the live end alone: history no longer has all of them.
    purged: AtomicU64,
    /// The place before entry 0.
    base: Cursor,
}

impl Ring {
    /// A ring whose first entry will follow `base`, with its only writer.
    #[must_use]
    pub fn new(base: Cursor) -> (RingWriter, Arc<Self>) {
        Self::with_capacity(base, RING_ENTRIES, RING_BYTES)
    }

    /// As [`Ring::new`], with limits of its own.
    #[must_use]
    pub fn with_capacity(base: Cursor, entries: usize, bytes: usize) -> (RingWriter, Arc<Self>) {
        assert!(entries > 0, "a ring holds at least one entry");
        let ring = Arc::new(Self {
            slots: (0..entries).map(|_| ArcSwapOption::empty()).collect(),
            head: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            purged: AtomicU64::new(0),
            base,
        });
        let writer = RingWriter {
            ring: Arc::clone(&ring),
            weights: VecDeque::with_capacity(entries),
            bytes: 0,
            budget: bytes,
            resets: 0,
        };
        (writer, ring)
    }

    /// The place before entry 0.
    #[must_use]
    pub fn base(&self) -> Cursor {
        self.base
    }

    /// The number that the next entry will have.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// The oldest number that may still be had. It can be overtaken at any moment; [`Ring::get`] has the last word.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// From now on nobody is given again what is in the ring at this moment: something was purged from history, and
    /// whoever reads on from before that is to learn it from there.
    pub fn purge(&self) {
        self.purged.fetch_max(self.head(), Ordering::AcqRel);
    }

    /// The entry of this number, or none when it has not come yet or has been overtaken.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Arc<Entry>> {
        if number >= self.head() {
            return None;
        }
        self.slot(number).load_full().filter(|entry| entry.number == number)
    }

    /// The place of the newest entry, unless there is none, or it is overtaken at this moment.
    #[must_use]
    pub fn newest(&self) -> Option<Cursor> {
        self.get(self.head().checked_sub(1)?).map(|entry| entry.cursor)
    }

    fn slot(&self, number: u64) -> &ArcSwapOption<Entry> {
        &self.slots[(number % self.slots.len() as u64) as usize]
    }

    /// The number of the first entry after `position` among `span`, if everything between `position` and `span`'s end is
    /// still here. `base` is the place before `span.start`; no reset lies inside the span.
    #[must_use]
    pub fn first_after(&self, position: Position, span: Range<u64>, base: Position) -> Option<u64> {
        let oldest = self.oldest();
        // All after `position` is here only when the entry before it is too, or nothing ever came before.
        let (mut low, floor) = if oldest <= span.start {
            (span.start, base)
        } else if oldest < span.end {
            (oldest, self.get(oldest)?.cursor.position)
        } else {
            return None;
        };
        if position < floor {
            return None;
        }
        let mut high = span.end;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle)?.cursor.position <= position { low = middle + 1 } else { high = middle }
        }
        (low >= self.purged.load(Ordering::Acquire) || low == span.end).then_some(low)
    }
}

/// The writing side: exactly one exists for a ring.
pub struct RingWriter {
    ring: Arc<Ring>,
    weights: VecDeque<usize>,
    bytes: usize,
    budget: usize,
    resets: u64,
}

impl RingWriter {
    /// Appends events in the log's order, and makes them visible all at once.
    pub fn publish(&mut self, batch: &[Arc<LoggedEvent>], now: Instant) {
        let mut number = self.ring.head.load(Ordering::Relaxed);
        for logged in batch {
            let what = What::Event(Arc::clone(logged), Frames::default());
            let (cursor, resets) = (logged.cursor, self.resets);
            self.put(Entry { number, cursor, resets, published: now, what });
            number += 1;
        }
        self.ring.head.store(number, Ordering::Release);
    }

    /// Tells the shards that the log began anew at `cursor`.
    pub fn reset(&mut self, cursor: Cursor, now: Instant) {
        let number = self.ring.head.load(Ordering::Relaxed);
        self.resets += 1;
        self.put(Entry { number, cursor, resets: self.resets, published: now, what: What::Reset });
        self.ring.head.store(number + 1, Ordering::Release);
    }

    /// Whether a shard that has pulled up to `pulled` would soon be overtaken: the ring is at least half full, by entries
    /// or by bytes, and the shard is in its older half.
    #[must_use]
    pub fn will_overtake(&self, pulled: u64) -> bool {
        let (oldest, head) = (self.ring.oldest(), self.ring.head());
        let full = 2 * self.weights.len() > self.ring.slots.len() || 2 * self.bytes > self.budget;
        full && pulled < oldest + (head - oldest) / 2
    }

    fn put(&mut self, entry: Entry) {
        let number = entry.number;
        let weight = entry.weight();
        self.weights.push_back(weight);
        self.bytes += weight;
        let mut oldest = self.ring.oldest.load(Ordering::Relaxed);
        let full = |oldest: u64| number + 1 - oldest > self.ring.slots.len() as u64;
        // The newest entry stays whatever it weighs: a shard that listens must get it without a detour.
        while full(oldest) || (self.bytes > self.budget && oldest < number) {
            self.bytes -= self.weights.pop_front().unwrap_or(0);
            self.ring.slot(oldest).store(None);
            oldest += 1;
        }
        self.ring.oldest.store(oldest, Ordering::Release);
        self.ring.slot(number).store(Some(Arc::new(entry)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Epoch, Event, Millis, Topic};

    fn logged(sequence: u64, bytes: usize) -> Arc<LoggedEvent> {
        Arc::new(LoggedEvent {
            cursor: Cursor::new(Epoch::new(1), Position::of(sequence)),
            event: Event {
                topic: Topic::parse("t").unwrap(),
                kind: None,
                time: Millis(0),
                data: vec![b'x'; bytes].into(),
            },
        })
    }

    fn ring(entries: usize, bytes: usize) -> (RingWriter, Arc<Ring>) {
        Ring::with_capacity(Cursor::new(Epoch::new(1), Position::of(10)), entries, bytes)
    }

    #[test]
    fn an_entry_is_there_until_it_is_overtaken() {
        let (mut writer, ring) = ring(4, usize::MAX);
        assert!(ring.get(0).is_none());
        for i in 0..6 {
            writer.publish(&[logged(11 + i, 1)], Instant::now());
        }
        assert_eq!((ring.oldest(), ring.head()), (2, 6));
        assert!(ring.get(1).is_none() && ring.get(6).is_none());
        assert_eq!(ring.get(2).unwrap().cursor.position, Position::of(13));
    }

    #[test]
    fn large_events_leave_sooner_but_the_newest_stays() {
        let (mut writer, ring) = ring(8, 5000);
        for i in 0..5 {
            writer.publish(&[logged(11 + i, 1000)], Instant::now());
        }
        assert_eq!((ring.oldest(), ring.head()), (3, 5));
        writer.publish(&[logged(16, 1 << 20)], Instant::now());
        assert_eq!((ring.oldest(), ring.head()), (5, 6));
        assert!(ring.get(5).is_some());
    }

    #[test]
    fn who_sleeps_is_woken_before_it_is_overtaken() {
        let (mut writer, _ring) = ring(8, 16 << 10);
        for i in 0..4 {
            writer.publish(&[logged(11 + i, 1)], Instant::now());
            assert!(!writer.will_overtake(0), "{i}");
        }
        writer.publish(&[logged(15, 1)], Instant::now());
        assert!(writer.will_overtake(0) && !writer.will_overtake(3));
        let (mut writer, _ring) = ring(8, 16 << 10);
        writer.publish(&[logged(11, 1), logged(12, 6000)], Instant::now());
        assert!(writer.will_overtake(0), "by bytes");
    }

    #[test]
    fn the_first_after_a_position_is_found_only_when_nothing_before_it_is_missing() {
        let (mut writer, ring) = ring(4, usize::MAX);
        let first = |sequence, end| ring.first_after(Position::of(sequence), 0..end, ring.base().position);
        assert_eq!((first(10, 0), first(9, 0)), (Some(0), None));
        for sequence in [12, 14, 16] {
            writer.publish(&[logged(sequence, 1)], Instant::now());
        }
        for (sequence, want) in
            [(9, None), (10, Some(0)), (11, Some(0)), (12, Some(1)), (13, Some(1)), (16, Some(3))]
        {
            assert_eq!(first(sequence, 3), want, "{sequence}");
        }
        for sequence in [18, 20] {
            writer.publish(&[logged(sequence, 1)], Instant::now());
        }
        for (sequence, want) in [(10, None), (13, None), (14, Some(2)), (15, Some(2)), (20, Some(5))] {
            assert_eq!(first(sequence, 5), want, "{sequence}");
        }
    }
}
