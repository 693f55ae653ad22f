//! What goes wrong at a broker, and how often. Seeded, so that a run can be had again.

use std::time::Duration;

/// Chances are in 0.0..=1.0, delays are drawn evenly from nothing to the given time. By default nothing goes wrong and
/// nothing takes time. What is said of a delivery is as true of a place, a list or a purge that is asked for, except that
/// the answer is `Unavailable` in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// From taking a delivery to storing it: the way there.
    pub store_delay: Duration,
    /// From storing it to answering: the way back.
    pub answer_delay: Duration,
    /// From storing it until tails, heads and reads see it.
    pub lag: Duration,
    /// Of not being stored, and `Full` being answered.
    pub refused: f64,
    /// Of not being stored, and `Unavailable` being answered.
    pub unavailable: f64,
    /// Of not being stored, and `Unknown` being answered.
    pub lost_request: f64,
    /// Of being stored, and `Unknown` being answered.
    pub lost_answer: f64,
    /// Of a read being answered `Unavailable`.
    pub unread: f64,
}

/// What is to happen to one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    Refused,
    Unavailable,
    LostRequest,
    LostAnswer,
}

/// A small generator (`SplitMix64`), so that nothing need be linked for it.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from 0.0 up to, without, 1.0.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn delay(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.fraction())
    }

    /// Whether something of this chance happens.
    pub(super) fn happens(&mut self, chance: f64) -> bool {
        self.fraction() < chance
    }

    pub(super) fn fate(&mut self, faults: &Faults) -> Fate {
        let mut at = self.fraction();
        let chances = [
            (faults.refused, Fate::Refused),
            (faults.unavailable, Fate::Unavailable),
            (faults.lost_request, Fate::LostRequest),
            (faults.lost_answer, Fate::LostAnswer),
        ];
        for (chance, fate) in chances {
            if at < chance {
                return fate;
            }
            at -= chance;
        }
        Fate::Stored
    }
}
