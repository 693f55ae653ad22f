//! The hand-over from many publishers to the one writer of a log that answers later.
//!
//! A delivery waits in the queue until the writer takes it. Whose publisher goes away before that is cancelled: it is
//! never published. Once taken it can no longer be, and its answer waits for the writer; when the writer ends without
//! one, the publisher is told that nobody knows.

use tokio::sync::{mpsc, oneshot};

use super::AppendError;
use super::inflight::{Claim, InFlight, Outcome, Turn};
use crate::event::Delivery;

/// The publishers' end. Clones feed the same writer.
#[derive(Clone, Debug)]
pub struct Publishers {
    queue: mpsc::Sender<Submitted>,
    in_flight: InFlight,
}

/// The writer's end.
#[derive(Debug)]
pub struct Submissions(mpsc::Receiver<Submitted>);

/// A delivery that the writer has taken. Dropping it unanswered is answering [`AppendError::Unknown`].
#[derive(Debug)]
pub struct Taken {
    /// What to publish, all or nothing.
    pub delivery: Delivery,
    reply: Reply,
}

/// Who is to be told of the outcome.
#[derive(Debug)]
pub struct Reply {
    /// None once told.
    publisher: Option<oneshot::Sender<Outcome>>,
    claim: Option<Claim>,
    /// What is told when nobody does.
    unanswered: AppendError,
}

#[derive(Debug)]
struct Submitted {
    delivery: Delivery,
    reply: Reply,
}

/// A queue of at most `capacity` deliveries that wait to be taken.
#[must_use]
pub fn queue(capacity: usize) -> (Publishers, Submissions) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Publishers { queue: sender, in_flight: InFlight::default() }, Submissions(receiver))
}

impl Publishers {
    /// Hands a delivery over and waits for the outcome. Dropped before the writer takes it, nothing is published.
    ///
    /// # Errors
    /// What the writer answers; [`AppendError::Full`] when the queue is, [`AppendError::Unavailable`] when the writer
    /// is gone, [`AppendError::Unknown`] when it took the delivery and ended.
    pub async fn append(&self, delivery: Delivery) -> Outcome {
        let claim = match delivery.dedupe {
            None => None,
            Some(ref dedupe) => loop {
                match self.in_flight.claim(dedupe.key) {
                    Turn::First(claim) => break Some(claim),
                    Turn::Second(waiting) => {
                        if let Some(outcome) = waiting.outcome().await {
                            return outcome;
                        }
                    }
                }
            },
        };
        let (publisher, outcome) = oneshot::channel();
        let unanswered = AppendError::Unavailable("it is closed");
        let reply = Reply { publisher: Some(publisher), claim, unanswered };
        // A queue that is closed drops what it refuses, and so answers it.
        if let Err(mpsc::error::TrySendError::Full(refused)) =
            self.queue.try_send(Submitted { delivery, reply })
        {
            refused.reply.answer(Err(AppendError::Full));
        }
        outcome.await.unwrap_or(Err(AppendError::Unknown))
    }
}

impl Submitted {
    /// `None` when its publisher is gone.
    fn take(self) -> Option<Taken> {
        let Self { delivery, mut reply } = self;
        if reply.publisher.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return None;
        }
        reply.unanswered = AppendError::Unknown;
        Some(Taken { delivery, reply })
    }
}

impl Submissions {
    /// Waits for the next delivery and takes it. `None` when the queue is closed and empty. Cancel-safe.
    pub async fn next(&mut self) -> Option<Taken> {
        loop {
            if let Some(taken) = self.0.recv().await?.take() {
                return Some(taken);
            }
        }
    }

    /// Takes a delivery that is there, for the rest of a batch.
    pub fn try_next(&mut self) -> Option<Taken> {
        loop {
            if let Some(taken) = self.0.try_recv().ok()?.take() {
                return Some(taken);
            }
        }
    }

    /// Refuses later deliveries; those that wait can still be taken.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl Taken {
    /// The delivery, and whom to answer.
    #[must_use]
    pub fn split(self) -> (Delivery, Reply) {
        (self.delivery, self.reply)
    }
}

impl Reply {
    /// Answers the publisher and whoever waits for the same key.
    pub fn answer(mut self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome) {
        if let Some(claim) = self.claim.take() {
            claim.settle(&outcome);
        }
        if let Some(publisher) = self.publisher.take() {
            // It may be gone: what was taken is published nevertheless.
            let _ = publisher.send(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let cancelled = self.unanswered != AppendError::Unknown
            && self.publisher.as_ref().is_some_and(oneshot::Sender::is_closed);
        // A cancelled delivery's claim is dropped as it is, and passes to one who waits for it.
        if !cancelled && self.publisher.is_some() {
            self.tell(Err(self.unanswered.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Dedupe, DedupeKey, Epoch, Event, Millis, Topic};
    use crate::log::{Appended, Placement};

    const PLACED: Placement = Placement { epoch: Epoch::new(1), sequence: 9, events: 1 };

    fn delivery(key: Option<u8>) -> Delivery {
        let topic = Topic::parse("a").unwrap();
        let event = Event { topic, kind: None, time: Millis(0), data: "x".into() };
        Delivery { events: vec![event], dedupe: key.map(keyed) }
    }

    fn keyed(k: u8) -> Dedupe {
        Dedupe { key: DedupeKey([k; 16]), window: std::time::Duration::from_mins(1), source: "a".into() }
    }

    fn spawn(publishers: &Publishers, key: Option<u8>) -> tokio::task::JoinHandle<Outcome> {
        let publishers = publishers.clone();
        tokio::spawn(async move { publishers.append(delivery(key)).await })
    }

    #[tokio::test]
    async fn whoever_is_gone_before_the_take_is_cancelled_and_whoever_waits_goes_on() {
        let (publishers, mut submissions) = queue(8);
        let first = spawn(&publishers, Some(1));
        tokio::task::yield_now().await;
        let second = spawn(&publishers, Some(1));
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(submissions.try_next().is_none(), "the cancelled one is not taken");
        let taken = submissions.next().await.unwrap();
        taken.split().1.answer(Ok(Appended::Accepted(PLACED)));
        assert_eq!(second.await.unwrap(), Ok(Appended::Accepted(PLACED)));
    }

    #[tokio::test]
    async fn whoever_is_gone_after_the_take_leaves_its_outcome_to_those_who_wait() {
        let (publishers, mut submissions) = queue(8);
        let first = spawn(&publishers, Some(1));
        let taken = submissions.next().await.unwrap();
        let second = spawn(&publishers, Some(1));
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        taken.split().1.answer(Ok(Appended::Accepted(PLACED)));
        assert_eq!(second.await.unwrap(), Ok(Appended::Duplicate(PLACED)));
    }

    #[tokio::test]
    async fn a_writer_that_ends_leaves_what_it_took_unknown_and_the_rest_refused() {
        let (publishers, mut submissions) = queue(8);
        let taken_one = spawn(&publishers, Some(1));
        let taken = submissions.next().await.unwrap();
        let same_key = spawn(&publishers, Some(1));
        let waiting_one = spawn(&publishers, None);
        tokio::task::yield_now().await;
        drop(taken);
        drop(submissions);
        let refused = Err(AppendError::Unavailable("it is closed"));
        assert_eq!(taken_one.await.unwrap(), Err(AppendError::Unknown));
        assert_eq!(same_key.await.unwrap(), Err(AppendError::Unknown));
        assert_eq!(waiting_one.await.unwrap(), refused);
        assert_eq!(publishers.append(delivery(Some(2))).await, refused);
        assert!(publishers.in_flight.is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_closed_one_is_still_emptied() {
        let (publishers, mut submissions) = queue(1);
        let first = spawn(&publishers, None);
        tokio::task::yield_now().await;
        assert_eq!(publishers.append(delivery(Some(1))).await, Err(AppendError::Full));
        submissions.close();
        submissions.next().await.unwrap().split().1.answer(Err(AppendError::TooLarge { limit: 1 }));
        assert_eq!(first.await.unwrap(), Err(AppendError::TooLarge { limit: 1 }));
        assert!(submissions.next().await.is_none());
    }
}
