//! The tail of a broker's stream.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::broker::{Broker, Stored};
use crate::event::{Cursor, LoggedEvent};
use crate::log::{Tail, TailError};

/// One tail: a place in the stream.
pub(super) struct FakeTail {
    broker: Arc<Broker>,
    /// Where the log ended, once it is closed.
    closed: watch::Receiver<Option<Cursor>>,
    at: Cursor,
    outage: Outage,
}

/// An outage is told once; after that the tail waits for its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    No,
    Told,
}

impl FakeTail {
    pub(super) fn new(broker: Arc<Broker>, closed: watch::Receiver<Option<Cursor>>, at: Cursor) -> Self {
        Self { broker, closed, at, outage: Outage::No }
    }

    /// What there is to say now, if anything.
    fn look(&mut self, stored: &Stored) -> Option<Result<Vec<Arc<LoggedEvent>>, TailError>> {
        let end = *self.closed.borrow();
        if let Some(end) = end
            && (end.epoch != self.at.epoch || end.position <= self.at.position)
        {
            return Some(Err(TailError::Closed));
        }
        if !stored.up {
            let told = std::mem::replace(&mut self.outage, Outage::Told);
            return (told == Outage::No).then_some(Err(TailError::Unavailable("the broker is not reached")));
        }
        self.outage = Outage::No;
        let at = if self.at.epoch == stored.epoch {
            // Behind what is gone, or ahead of what was ever given.
            self.at.position.max(stored.newest_loss()).min(stored.last)
        } else {
            stored.newest_loss()
        };
        if stored.cursor(at) != self.at {
            self.at = stored.cursor(at);
            return Some(Err(TailError::Reset(self.at)));
        }
        // Others may go on publishing after this log was closed.
        let before_end = |e: &&Arc<LoggedEvent>| end.is_none_or(|end| e.cursor.position <= end.position);
        let events: Vec<_> = stored.visible_after(at).take_while(before_end).cloned().collect();
        self.at = events.last()?.cursor;
        Some(Ok(events))
    }
}

#[async_trait]
impl Tail for FakeTail {
    async fn next(&mut self) -> Result<Vec<Arc<LoggedEvent>>, TailError> {
        let broker = Arc::clone(&self.broker);
        loop {
            let mut changed = std::pin::pin!(broker.changed.notified());
            changed.as_mut().enable();
            let visible = {
                let stored = broker.lock();
                if let Some(said) = self.look(&stored) {
                    return said;
                }
                stored.next_visible().filter(|_| stored.up)
            };
            let becomes_visible = async {
                match visible {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = becomes_visible => {}
            }
        }
    }
}
