//! The heartbeat wheel: each connection sits in one of a fixed number of slots, and one slot beats at a time, so that
//! heartbeats are spread over the interval.

use std::time::{Duration, Instant};

use super::group::Key;
use crate::fanout::limits::WHEEL_SLOTS;

/// See the module's documentation.
pub struct Wheel {
    slots: Vec<Vec<Key>>,
    /// The slot that the next connection goes to; walks around, so that slots are filled evenly.
    filling: u32,
    /// The slot that beats next.
    beating: u32,
    /// When the last slot was due. The next is due a step later, by the interval of then: a reload may change it.
    last: Instant,
    due: Instant,
}

impl Wheel {
    /// An empty wheel that begins to turn at `now`.
    pub fn new(now: Instant) -> Self {
        Self { slots: vec![Vec::new(); WHEEL_SLOTS as usize], filling: 0, beating: 0, last: now, due: now }
    }

    /// Adds a connection. Returns its slot and index, to be kept for [`Wheel::remove`].
    pub fn add(&mut self, key: Key) -> (u32, u32) {
        // A stride without a common factor spreads connections that come in one burst over the whole interval.
        self.filling = (self.filling + 27) % WHEEL_SLOTS;
        let slot = &mut self.slots[self.filling as usize];
        slot.push(key);
        (self.filling, slot.len() as u32 - 1)
    }

    /// Removes the connection at `place`. Returns the connection that moved there, if any.
    pub fn remove(&mut self, (slot, index): (u32, u32)) -> Option<Key> {
        let slot = &mut self.slots[slot as usize];
        slot.swap_remove(index as usize);
        slot.get(index as usize).copied()
    }

    /// The connections that beat at `now`, if a slot is due. Late ticks are not made up for all at once.
    pub fn tick(&mut self, now: Instant, interval: Duration) -> Option<Vec<Key>> {
        let step = interval / WHEEL_SLOTS;
        self.due = self.last + step;
        if now < self.due {
            return None;
        }
        self.last = self.due;
        self.due = (self.due + step).max(now);
        if self.due == now {
            // So late that the next is due as well: it is, at once, but those before it are not.
            self.last = now.checked_sub(step).unwrap_or(now);
        }
        let keys = self.slots[self.beating as usize].clone();
        self.beating = (self.beating + 1) % WHEEL_SLOTS;
        Some(keys)
    }

    /// When the next slot is due, by the interval of the last [`Wheel::tick`].
    pub fn due(&self) -> Instant {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_beats_once_per_interval() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for key in 0..1000 {
            wheel.add(key);
        }
        let interval = Duration::from_secs(15);
        let mut beats = vec![0; 1000];
        let mut largest = 0;
        for tick in 1..=WHEEL_SLOTS {
            let keys = wheel.tick(start + interval / WHEEL_SLOTS * tick, interval).unwrap();
            largest = largest.max(keys.len());
            for key in keys {
                beats[key as usize] += 1;
            }
        }
        assert!(beats.iter().all(|&n| n == 1) && largest <= 16);
        assert!(wheel.tick(start + interval / WHEEL_SLOTS, interval).is_none());
    }

    #[test]
    fn a_shorter_interval_holds_at_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let (long, short) = (Duration::from_hours(1), Duration::from_millis(640));
        assert!(wheel.tick(start, long).is_none());
        assert_eq!(wheel.due(), start + long / WHEEL_SLOTS);
        let late = start + short / WHEEL_SLOTS;
        assert!(wheel.tick(late, short).is_some(), "the old interval's next tick is not waited for");
        assert_eq!(wheel.due(), late + short / WHEEL_SLOTS);
        assert!(
            wheel.tick(late + short / WHEEL_SLOTS, long).is_none(),
            "nor does a longer one wait for the old"
        );
    }

    #[test]
    fn what_is_very_late_is_not_made_up_for() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let step = Duration::from_millis(10);
        let late = start + step * 1000;
        let ticks = (0..10).filter(|_| wheel.tick(late, step * WHEEL_SLOTS).is_some()).count();
        assert!(ticks <= 2, "{ticks}");
        assert!(wheel.tick(late + step, step * WHEEL_SLOTS).is_some());
    }

    #[test]
    fn removing_tells_who_moved() {
        let mut wheel = Wheel::new(Instant::now());
        let places: Vec<_> = (0..130).map(|key| wheel.add(key)).collect();
        assert_eq!(wheel.remove(places[0]), Some(128));
        assert_eq!(wheel.remove(places[129]), None);
    }
}
