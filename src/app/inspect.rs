//! What the admin API sees of the fan-out and its log.

use async_trait::async_trait;

use crate::admin::Inspect;
use crate::event::Topic;
use crate::fanout::{ConnId, Fanout, ListFrom, ListOnly, Listed, Outcome};
use crate::log::{ReadError, TopicUsage};

#[async_trait]
impl Inspect for Fanout {
    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        self.log().topics(prefix, after, limit).await
    }

    fn subscribers(&self, topic: &Topic) -> u64 {
        Self::subscribers(self, topic)
    }

    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        Self::purge(self, topic).await
    }

    async fn list(&self, from: ListFrom, limit: usize, only: &ListOnly) -> (Vec<Listed>, Option<ListFrom>) {
        Self::list(self, from, limit, only).await
    }

    async fn end(&self, id: ConnId) -> Outcome {
        Self::end(self, id).await
    }
}
