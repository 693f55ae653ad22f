//! The log as publishers see it: what is appended is on its way to the subscribers when the append answers.

use std::sync::Arc;

use async_trait::async_trait;

use super::feeder::Pump;
use crate::event::{Cursor, Delivery, Filter, Position, Selector, Since, Topic};
use crate::log::{
    AppendError, Appended, Feed, Health, Log, Page, ReadError, ReadLimit, Tail, TopicUsage, Usage,
};

/// A log that feeds the ring after each append, where its kind allows that.
pub(super) struct Appender {
    pub log: Arc<dyn Log>,
    pub pump: Arc<Pump>,
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
        let appended = self.log.append(delivery).await;
        if self.log.feed() == Feed::WithAppend && self.pump.is_due() {
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
