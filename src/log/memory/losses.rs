//! What a topic lost: a few numbers that outlive its events.
//!
//! A topic loses its oldest event first, so all it lost lies at or before one position, the newest loss. How many of
//! them lie after some position is known exactly where positions were remembered one by one, or where the position is
//! before all the topic ever held; elsewhere it is said to be unknown.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{LoggedEvent, Position};

/// A topic's losses.
#[derive(Debug)]
pub(super) struct Losses {
    /// The newest; [`Position::START`] when there is none.
    newest: Position,
    /// When that came, of all the log's losses.
    turn: u64,
    /// How many in all, since the topic is known.
    count: u64,
    /// The topic's first event since it is known.
    first: Position,
    /// The log's "forgotten below" when the topic became known: it may have been known before, and have lost things up
    /// to here.
    inherited: Forgotten,
    /// Losses up to here are counted but their positions are not known.
    blurred: Position,
    /// The positions of the losses after `blurred`, oldest first.
    recent: VecDeque<Position>,
}

/// What was lost after some position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// The newest loss, or what may be one.
    pub through: Position,
    /// How many, where it is known.
    pub missed: Option<u64>,
    /// When the newest came, of all the log's losses.
    pub turn: u64,
}

/// Losses of topics that are forgotten lie at or before this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The place.
    pub below: Position,
    /// When the newest of them came, of all the log's losses.
    pub turn: u64,
}

impl Forgotten {
    /// As the loss that it may hide.
    pub(super) fn loss(self) -> Loss {
        Loss { through: self.below, missed: None, turn: self.turn }
    }
}

impl Losses {
    /// Nothing lost yet by a topic whose first event is `first`.
    pub(super) fn new(first: Position, inherited: Forgotten) -> Self {
        let start = Position::START;
        Self { newest: start, turn: 0, count: 0, first, inherited, blurred: start, recent: VecDeque::new() }
    }

    /// Records that the topic's oldest event, at `position`, is gone, as the log's loss number `turn`, and remembers at most
    /// `exact` positions.
    pub(super) fn record(&mut self, position: Position, turn: u64, exact: usize) {
        (self.newest, self.turn) = (position, turn);
        self.count += 1;
        self.recent.push_back(position);
        while self.recent.len() > exact
            && let Some(oldest) = self.recent.pop_front()
        {
            self.blurred = oldest;
        }
    }

    /// As [`Self::record`] for each of `gone`, oldest first, the last of them the log's loss number `turn`; but looks at hardly
    /// more of them than it remembers.
    pub(super) fn record_all(&mut self, gone: &VecDeque<Arc<LoggedEvent>>, turn: u64, exact: usize) {
        // One more than is remembered, since that one is the newest of those that are not.
        let skipped = gone.len().saturating_sub(exact.saturating_add(1));
        self.count += skipped as u64;
        for event in gone.range(skipped..) {
            self.record(event.cursor.position, turn, exact);
        }
    }

    /// When the newest came, or what may be one, of all the log's losses.
    pub(super) fn turn(&self) -> u64 {
        self.turn.max(self.inherited.turn)
    }

    /// Whether single positions are remembered.
    pub(super) fn is_exact(&self) -> bool {
        !self.recent.is_empty()
    }

    /// Forgets the single positions; what is gone stays gone.
    pub(super) fn blur(&mut self) {
        self.blurred = self.newest;
        self.recent = VecDeque::new();
    }

    /// The topic's first event since it is known.
    pub(super) fn first(&self) -> Position {
        self.first
    }

    /// What was lost after `after`.
    pub(super) fn after(&self, after: Position) -> Option<Loss> {
        let through = self.newest.max(self.inherited.below);
        (through > after).then(|| Loss { through, missed: self.missed(after), turn: self.turn() })
    }

    fn missed(&self, after: Position) -> Option<u64> {
        if after < self.inherited.below {
            None
        } else if after < self.first {
            Some(self.count)
        } else if after >= self.blurred {
            Some(self.recent.len() as u64 - self.recent.partition_point(|&p| p <= after) as u64)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> Position {
        Position::of(sequence)
    }

    #[test]
    fn losses_are_counted_exactly_or_said_to_be_unknown() {
        let mut losses = Losses::new(at(10), Forgotten::default());
        assert_eq!(losses.after(Position::START), None);
        for sequence in [10, 12, 14, 16] {
            losses.record(at(sequence), sequence, 2);
        }
        let missed = |after| losses.after(at(after)).map(|loss| (loss.through, loss.missed));
        assert_eq!(missed(9), Some((at(16), Some(4))), "before its first event all count");
        assert_eq!(missed(11), Some((at(16), None)), "among those whose positions are forgotten");
        assert_eq!(missed(12), Some((at(16), Some(2))));
        assert_eq!(missed(14), Some((at(16), Some(1))));
        assert_eq!(missed(16), None);
        losses.blur();
        assert_eq!(losses.after(at(14)).unwrap().missed, None);
        assert_eq!(losses.after(at(9)).unwrap().missed, Some(4));
    }

    #[test]
    fn a_topic_that_may_have_been_known_before_knows_no_count_from_then() {
        let losses = Losses::new(at(10), Forgotten { below: at(5), turn: 3 });
        assert_eq!(losses.after(at(4)), Some(Loss { through: at(5), missed: None, turn: 3 }));
        assert_eq!(losses.after(at(5)), None);
    }
}
