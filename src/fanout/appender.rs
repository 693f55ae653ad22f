//! The log as publishers see it: what is appended is on its way to the subscribers when the append answers.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::feeder::Pump;
use super::limits::{ROOM_LOOK, ROOM_WAIT};
use crate::event::{Cursor, Delivery, Filter, Position, Selector, Since, Topic};
use crate::log::{
    AppendError, Appended, Feed, Health, Log, Page, ReadError, ReadLimit, Scan, Tail, TopicUsage, Usage,
};

/// A log that feeds the ring after each append, where its kind allows that.
pub(super) struct Appender {
    pub log: Arc<dyn Log>,
    pub pump: Arc<Pump>,
}

impl Appender {
    /// Makes room in the log's tail and appends. A tail is full when those who rely on another to pump came faster than
    /// that other was given a processor: that is no reason to refuse anybody. Only when nobody has made room for
    /// [`ROOM_WAIT`] is the feeder stuck, and the delivery refused. Never waits on the pump's lock, which a stuck feeder
    /// would hold for ever.
    async fn append_with_room(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        let end = Instant::now() + ROOM_WAIT;
        loop {
            self.pump.pump();
            match self.log.append(delivery.clone()).await {
                Err(AppendError::Full) if Instant::now() < end => sleep(ROOM_LOOK).await,
                appended => return appended,
            }
        }
    }
}

#[async_trait]
impl Log for Appender {
    fn kind(&self) -> &'static str {
        self.log.kind()
    }

    fn head(&self) -> Cursor {
        self.log.head()
    }

    fn health(&self) -> Health {
        self.log.health()
    }

    fn feed(&self) -> Feed {
        self.log.feed()
    }

    fn usage(&self) -> Usage {
        self.log.usage()
    }

    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        if self.log.feed() != Feed::WithAppend {
            return self.log.append(delivery).await;
        }
        // A copy of handles: what it costs is lost beside the request that it came in.
        let appended = match self.log.append(delivery.clone()).await {
            Err(AppendError::Full) => self.append_with_room(delivery).await,
            appended => appended,
        };
        if self.pump.is_due() {
            // In a task of its own, which runs as soon as this one waits: the answer goes out first. Waking the shards
            // before it would let them take the processor from it.
            let pump = Arc::clone(&self.pump);
            tokio::spawn(async move { pump.pump_when_due() });
        }
        appended
    }

    async fn tail(&self, after: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        self.log.tail(after).await
    }

    async fn read(&self, selector: &Selector, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        self.log.read(selector, after, limit).await
    }

    async fn read_on(&self, scan: &mut Scan, after: Position, limit: ReadLimit) -> Result<Page, ReadError> {
        self.log.read_on(scan, after, limit).await
    }

    async fn locate(
        &self,
        selector: &Selector,
        filter: &Filter,
        since: Since,
    ) -> Result<Position, ReadError> {
        self.log.locate(selector, filter, since).await
    }

    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        self.log.topics(prefix, after, limit).await
    }

    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        self.log.purge(topic).await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Epoch, Event, Millis};
    use crate::live::Live;
    use crate::log::clock::ManualClock;
    use crate::log::memory::{Bounds, MemoryLog};
    use crate::log::{HistorySettings, TopicLimits};

    fn delivery() -> Delivery {
        let topic = Topic::parse("a").unwrap();
        Delivery {
            events: vec![Event { topic, kind: None, time: Millis(0), data: "x".into() }],
            dedupe: None,
        }
    }

    /// Nothing feeds the ring: the pump has no feeder.
    #[tokio::test(start_paused = true)]
    async fn a_tail_that_nobody_drains_is_waited_for_a_while_and_then_refused() {
        let limits = TopicLimits { events: 10, bytes: 1000, age: Duration::from_hours(1) };
        let history = HistorySettings {
            default: limits,
            rules: Vec::new(),
            total: 1000,
            dedupe_keys: 0,
            dedupe_of: std::collections::BTreeMap::new(),
        };
        let bounds = Bounds { tail_events: 1, ..Bounds::default() };
        let clock = ManualClock::at(Millis(0));
        let log = MemoryLog::with_bounds(Live::fixed(history), clock.clock(), Epoch::new(1), bounds);
        let mut tail = log.tail(log.head()).await.unwrap();
        let appender = Arc::new(Appender { log: Arc::new(log), pump: Arc::default() });
        assert!(appender.append(delivery()).await.is_ok());
        assert_eq!(appender.append(delivery()).await, Err(AppendError::Full));
        // Whoever waits is let in as soon as there is room, and was appended once.
        let waiting = tokio::spawn({
            let appender = Arc::clone(&appender);
            async move { appender.append(delivery()).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(tail.next().await.unwrap().len(), 1);
        assert!(waiting.await.unwrap().is_ok());
        assert_eq!(tail.next().await.unwrap().len(), 1);
        assert_eq!(appender.usage().events, 2);
    }
}
