//! A log at a broker that is not there: the shape of a distributed log, with everything that goes wrong with one.
//!
//! It exists so that the trait, the fan-out and the ingress are held against delays, refusals, lost answers, coarse
//! coverage, lag, outages and new epochs long before a real broker is linked. [`Broker`] is the far side and outlives
//! the [`FakeLog`]s that are connected to it, one per replica. Time is tokio's, so that tests can pause it; faults are
//! seeded.
//!
//! It is compiled always, hidden from the documentation, rather than behind a feature: the tests in `tests/` see the
//! library as it is built for everyone, a feature would have to be named in every command that runs them, and what
//! nothing calls is not linked into the program. No configuration can name it.

mod broker;
mod faults;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::broker::Broker;
pub use self::faults::Faults;
use self::tail::FakeTail;
use super::queue::{Publishers, Submissions, queue};
use super::{AppendError, Appended, Health, Log, Page, ReadError, ReadLimit, Tail, TopicUsage, Usage};
use crate::event::{Cursor, Delivery, Filter, Position, Selector, Since, Topic};

/// Deliveries that wait for the broker; beyond it they are refused.
const QUEUE: usize = 1024;

/// One replica's log. See the module's documentation.
pub struct FakeLog {
    broker: Arc<Broker>,
    publishers: Publishers,
    close: watch::Sender<bool>,
    closed: watch::Receiver<Option<Cursor>>,
    /// The newest head that was seen: it stands still while the broker is away.
    head: Mutex<Cursor>,
    was_up: AtomicBool,
}

impl FakeLog {
    /// Connects to a broker, reachable or not.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(broker: &Arc<Broker>) -> Self {
        let (publishers, submissions) = queue(QUEUE);
        let (close, closing) = watch::channel(false);
        let (end, closed) = watch::channel(None);
        tokio::spawn(write(Arc::clone(broker), submissions, closing, end));
        let (head, up) = {
            let stored = broker.lock();
            (stored.cursor(if stored.up { stored.head() } else { Position::START }), stored.up)
        };
        let broker = Arc::clone(broker);
        let (head, was_up) = (Mutex::new(head), AtomicBool::new(up));
        Self { broker, publishers, close, closed, head, was_up }
    }
}

/// The writer: stores one delivery after the other; the answers find their way back side by side.
async fn write(
    broker: Arc<Broker>,
    mut submissions: Submissions,
    mut closing: watch::Receiver<bool>,
    end: watch::Sender<Option<Cursor>>,
) {
    let mut open = true;
    loop {
        let taken = tokio::select! {
            biased;
            // An error says that the log was dropped, which closes the queue as well.
            _ = closing.wait_for(|&closing| closing), if open => {
                open = false;
                submissions.close();
                continue;
            }
            taken = submissions.next() => taken,
        };
        let Some((delivery, reply)) = taken.map(super::queue::Taken::split) else { break };
        let outages = broker.lock().outages;
        let (outcome, back) = broker.submit(delivery).await;
        let broker = Arc::clone(&broker);
        tokio::spawn(async move {
            tokio::time::sleep(back).await;
            let cut = broker.lock().outages != outages && outcome.is_ok();
            reply.answer(if cut { Err(AppendError::Unknown) } else { outcome });
        });
    }
    {
        let stored = broker.lock();
        end.send_replace(Some(stored.cursor(stored.last)));
    }
    broker.changed.notify_waiters();
}

#[async_trait]
impl Log for FakeLog {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn head(&self) -> Cursor {
        let stored = self.broker.lock();
        let mut head = self.head.lock().expect("nothing panics under this lock");
        if stored.up {
            *head = stored.cursor(stored.head());
        }
        *head
    }

    fn health(&self) -> Health {
        if self.closed.borrow().is_some() {
            Health::Down("it is closed")
        } else if self.broker.lock().up {
            self.was_up.store(true, Ordering::Relaxed);
            Health::Up
        } else if self.was_up.load(Ordering::Relaxed) {
            Health::Down("the broker is not reached")
        } else {
            Health::Starting
        }
    }

    fn usage(&self) -> Usage {
        self.broker.usage()
    }

    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        self.publishers.append(delivery).await
    }

    async fn tail(&self, after: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        if !self.broker.lock().up {
            return Err(ReadError::Unavailable("the broker is not reached"));
        }
        Ok(Box::new(FakeTail::new(Arc::clone(&self.broker), self.closed.clone(), after)))
    }

    async fn read(&self, selector: &Selector, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        if !self.broker.lock().up {
            return Err(ReadError::Unavailable("the broker is not reached"));
        }
        let page = self.broker.answer(selector, after, limit).await;
        page.ok_or(ReadError::Unavailable("the broker did not answer"))
    }

    async fn locate(
        &self,
        selector: &Selector,
        filter: &Filter,
        since: Since,
    ) -> Result<Position, ReadError> {
        let now = self.broker.ask(|broker| broker.clock.now()).await?;
        super::locate::by_reading(self, selector, filter, since, now).await
    }

    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        self.broker.ask(|broker| broker.topics(prefix, after, limit)).await
    }

    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        self.broker.ask(|broker| broker.purge(topic)).await
    }

    /// What waits in the queue is published first.
    async fn close(&self) {
        self.close.send_replace(true);
        let mut closed = self.closed.clone();
        // An error says that the writer is gone, which is as closed.
        let _ = closed.wait_for(Option::is_some).await;
    }
}
