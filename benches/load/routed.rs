//! Who got which event when events go to different subscribers: each must come to every one of its own, once, and to
//! nobody else, and to each of them in the order of its publishing connection.

use std::ops::Range;

use crate::payload::Stamp;

/// The subscribers that the event of a number is for.
pub type Audience = Box<dyn Fn(u32) -> Range<usize>>;

/// Counts over all subscribers; all are 0 when everything came where it belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    pub missing: u64,
    pub doubled: u64,
    pub disordered: u64,
    /// Came to someone who did not ask for it.
    pub stray: u64,
}

pub struct Routed {
    audience: Audience,
    lanes: usize,
    /// By subscriber and lane: the number after the last one.
    next: Vec<u32>,
    /// By event.
    came: Vec<u32>,
    strays: Strays,
    pub received: u64,
}

impl Routed {
    pub fn new(subscribers: usize, lanes: u8, audience: Audience) -> Routed {
        let lanes = usize::from(lanes);
        let next = vec![0; subscribers * lanes];
        Routed { audience, lanes, next, came: Vec::new(), strays: Strays::default(), received: 0 }
    }

    pub fn take(&mut self, subscriber: usize, stamp: Stamp) {
        self.received += 1;
        if !(self.audience)(stamp.number).contains(&subscriber) {
            self.strays.stray += 1;
            return;
        }
        let next = &mut self.next[subscriber * self.lanes + usize::from(stamp.lane)];
        if stamp.number + 1 == *next {
            self.strays.doubled += 1;
            return;
        }
        if stamp.number < *next {
            // Late, or doubled later: which of them does not matter, both are faults.
            self.strays.disordered += 1;
        } else {
            *next = stamp.number + 1;
        }
        let number = stamp.number as usize;
        if self.came.len() <= number {
            self.came.resize(number + 1, 0);
        }
        self.came[number] += 1;
    }

    pub fn is_complete(&self, published: u32) -> bool {
        self.missing(published) == 0
    }

    pub fn strays(&self, published: u32) -> Strays {
        Strays { missing: self.missing(published), ..self.strays }
    }

    fn missing(&self, published: u32) -> u64 {
        let came = |number: u32| u64::from(self.came.get(number as usize).copied().unwrap_or(0));
        (0..published).map(|n| ((self.audience)(n).len() as u64).saturating_sub(came(n))).sum()
    }
}
