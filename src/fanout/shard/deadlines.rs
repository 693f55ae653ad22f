//! Connections by the time when something is due for them. What is due for one that has gone is passed over when its time
//! comes; long before, when there are more of those than of others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::conn::ConnRef;
use super::group::Key;
use crate::fanout::limits::DEADLINES_KEPT;

/// See the module's documentation. `T` is a time.
pub struct Deadlines<T>(BinaryHeap<Reverse<(T, Key, u32)>>);

impl<T: Ord> Default for Deadlines<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord + Copy> Deadlines<T> {
    /// Something is due at `at` for `conn`. `open` is how many connections there are, and `there` says of one whether it is.
    pub fn push(&mut self, at: T, conn: ConnRef, open: usize, there: impl Fn(ConnRef) -> bool) {
        self.0.push(Reverse((at, conn.key, conn.generation)));
        if self.0.len() > 2 * open + DEADLINES_KEPT {
            // Most are of connections that have gone long before their time.
            self.0.retain(|&Reverse((_, key, generation))| there(ConnRef { key, generation }));
        }
    }

    /// When the first is due.
    pub fn first(&self) -> Option<T> {
        self.0.peek().map(|&Reverse((at, ..))| at)
    }

    /// The next one that is due at `now`; it may have gone.
    pub fn pop(&mut self, now: T) -> Option<ConnRef> {
        self.first().filter(|&at| at <= now)?;
        self.0.pop().map(|Reverse((_, key, generation))| ConnRef { key, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(key: Key) -> ConnRef {
        ConnRef { key, generation: 1 }
    }

    #[test]
    fn they_come_in_the_order_of_their_times_and_not_before() {
        let mut deadlines = Deadlines::default();
        for (at, key) in [(30, 0), (10, 1), (20, 2), (10, 3)] {
            deadlines.push(at, conn(key), 4, |_| true);
        }
        assert_eq!((deadlines.first(), deadlines.pop(9)), (Some(10), None));
        let mut two = [deadlines.pop(10).unwrap().key, deadlines.pop(10).unwrap().key];
        two.sort_unstable();
        assert_eq!((two, deadlines.pop(10)), ([1, 3], None));
        assert_eq!(
            (deadlines.pop(99), deadlines.pop(99), deadlines.pop(99)),
            (Some(conn(2)), Some(conn(0)), None)
        );
    }

    #[test]
    fn those_of_connections_that_have_gone_are_not_kept() {
        let mut deadlines = Deadlines::default();
        for key in 0..100_000 {
            deadlines.push(key, conn(key), 1, |one| one.key == key || one.key == 7);
        }
        assert!(deadlines.0.len() <= 2 + DEADLINES_KEPT);
        assert_eq!(deadlines.first(), Some(7), "who is there keeps its time");
    }
}
