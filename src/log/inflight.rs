//! Deliveries with a key that are on their way into a log that answers later.
//!
//! The log's own table knows a key once its delivery is kept. Between asking and that, a retry of the same key must
//! neither be published a second time nor be answered before the first is: it waits here for the first one's outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::{AppendError, Appended};
use crate::event::DedupeKey;

/// What an append answers.
pub type Outcome = Result<Appended, AppendError>;

/// The table of keys in flight, as many as there are publishers waiting. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<DedupeKey, watch::Receiver<Option<Outcome>>>>>);

/// Whose turn it is.
#[derive(Debug)]
pub enum Turn {
    /// Nobody else has this key in flight: publish it, and settle the claim.
    First(Claim),
    /// Someone has: wait for the outcome.
    Second(Waiting),
}

impl InFlight {
    /// Claims a key, or joins whoever has.
    #[must_use]
    pub fn claim(&self, key: DedupeKey) -> Turn {
        let mut table = self.lock();
        if let Some(outcome) = table.get(&key) {
            return Turn::Second(Waiting(outcome.clone()));
        }
        let (sender, outcome) = watch::channel(None);
        table.insert(key, outcome);
        Turn::First(Claim { table: self.clone(), key, sender })
    }

    /// Keys in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no key is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DedupeKey, watch::Receiver<Option<Outcome>>>> {
        self.0.lock().expect("nothing panics under this lock")
    }
}

/// The right to publish a key. It belongs to whatever will know the outcome, not to the publisher, who may go away.
///
/// Dropped unsettled, the delivery was never taken: one of those who wait claims the key next.
#[derive(Debug)]
pub struct Claim {
    table: InFlight,
    key: DedupeKey,
    sender: watch::Sender<Option<Outcome>>,
}

impl Claim {
    /// Tells those who wait. By now the log itself knows the key, if it kept the delivery.
    pub fn settle(self, outcome: &Outcome) {
        // For them it is a duplicate of what was accepted. Failures are shared too: whoever waited tried no less.
        let theirs = outcome.clone().map(|appended| Appended::Duplicate(appended.placement()));
        self.sender.send_replace(Some(theirs));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.table.lock().remove(&self.key);
    }
}

/// Waits for another's outcome.
#[derive(Debug)]
pub struct Waiting(watch::Receiver<Option<Outcome>>);

impl Waiting {
    /// The first one's outcome; `None` when it was never taken, and the key is to be claimed again.
    pub async fn outcome(mut self) -> Option<Outcome> {
        // An error says that the sender is gone; what it said last still counts.
        let _ = self.0.wait_for(Option::is_some).await;
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Epoch;
    use crate::log::Placement;

    const KEY: DedupeKey = DedupeKey([1; 16]);
    const PLACED: Placement = Placement { epoch: Epoch::new(1), sequence: 9, events: 2 };

    fn first(turn: Turn) -> Claim {
        match turn {
            Turn::First(claim) => claim,
            Turn::Second(_) => panic!("the key is in flight"),
        }
    }

    fn second(turn: Turn) -> Waiting {
        match turn {
            Turn::First(_) => panic!("the key is not in flight"),
            Turn::Second(waiting) => waiting,
        }
    }

    #[tokio::test]
    async fn those_who_wait_get_the_first_ones_outcome() {
        let outcomes = [
            (Ok(Appended::Accepted(PLACED)), Ok(Appended::Duplicate(PLACED))),
            (Ok(Appended::Duplicate(PLACED)), Ok(Appended::Duplicate(PLACED))),
            (Err(AppendError::Unknown), Err(AppendError::Unknown)),
            (Err(AppendError::Full), Err(AppendError::Full)),
        ];
        for (outcome, theirs) in outcomes {
            let table = InFlight::default();
            let claim = first(table.claim(KEY));
            let waiting = [second(table.claim(KEY)), second(table.claim(KEY))];
            let _other = first(table.claim(DedupeKey([2; 16])));
            claim.settle(&outcome);
            for waiting in waiting {
                assert_eq!(waiting.outcome().await, Some(theirs.clone()));
            }
            drop(first(table.claim(KEY)));
        }
    }

    #[tokio::test]
    async fn a_claim_that_is_dropped_passes_to_one_who_waits() {
        let table = InFlight::default();
        let claim = first(table.claim(KEY));
        let waiting = second(table.claim(KEY));
        drop(claim);
        assert_eq!(waiting.outcome().await, None);
        let claim = first(table.claim(KEY));
        drop(second(table.claim(KEY)));
        claim.settle(&Err(AppendError::Full));
        assert!(table.is_empty());
    }
}
