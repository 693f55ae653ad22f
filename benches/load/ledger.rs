//! Who got which event: nothing may be missing, doubled or out of order.
//!
//! The first subscriber to reach a place says which event stands there; all others must agree, so the usual check
//! is one comparison. That order itself must keep each publishing connection's order. A subscriber that skips
//! places keeps them as holes, so that a late event is told apart from a doubled one.

use crate::payload::Stamp;

const NOWHERE: u32 = u32::MAX;

#[derive(Default)]
struct Reader {
    next: u32,
    holes: Vec<u32>,
}

/// Counts over all subscribers; all are 0 when the contender kept its order whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub missing: u64,
    pub doubled: u64,
    pub disordered: u64,
}

pub struct Ledger {
    order: Vec<u32>,
    place: Vec<u32>,
    last_of_lane: [Option<u32>; 256],
    readers: Vec<Reader>,
    faults: Faults,
    pub received: u64,
}

impl Ledger {
    pub fn new(readers: usize) -> Ledger {
        Ledger {
            order: Vec::new(),
            place: Vec::new(),
            last_of_lane: [None; 256],
            readers: (0..readers).map(|_| Reader::default()).collect(),
            faults: Faults::default(),
            received: 0,
        }
    }

    pub fn take(&mut self, reader: usize, stamp: Stamp) {
        self.received += 1;
        let at = self.readers[reader].next;
        if self.order.get(at as usize) == Some(&stamp.number) {
            self.readers[reader].next = at + 1;
            return;
        }
        let place = match self.place_of(stamp.number) {
            NOWHERE => self.append(stamp),
            place => place,
        };
        let reader = &mut self.readers[reader];
        if place >= at {
            reader.holes.extend(at..place);
            reader.next = place + 1;
        } else if let Some(hole) = reader.holes.iter().position(|&hole| hole == place) {
            reader.holes.swap_remove(hole);
            self.faults.disordered += 1;
        } else {
            self.faults.doubled += 1;
        }
    }

    /// True once every subscriber has every one of `published` events.
    pub fn is_complete(&self, published: u32) -> bool {
        let whole = |reader: &Reader| reader.next == published && reader.holes.is_empty();
        self.order.len() == published as usize && self.readers.iter().all(whole)
    }

    pub fn faults(&self, published: u32) -> Faults {
        let mut faults = self.faults;
        for reader in &self.readers {
            let reached = u64::from(reader.next) - reader.holes.len() as u64;
            faults.missing += u64::from(published).saturating_sub(reached);
        }
        faults
    }

    fn place_of(&self, number: u32) -> u32 {
        self.place.get(number as usize).copied().unwrap_or(NOWHERE)
    }

    fn append(&mut self, stamp: Stamp) -> u32 {
        let place = self.order.len() as u32;
        let number = stamp.number as usize;
        if self.place.len() <= number {
            self.place.resize(number + 1, NOWHERE);
        }
        self.place[number] = place;
        self.order.push(stamp.number);
        let last = &mut self.last_of_lane[stamp.lane as usize];
        if last.is_some_and(|last| last > stamp.number) {
            self.faults.disordered += 1;
        }
        *last = Some(stamp.number);
        place
    }
}
