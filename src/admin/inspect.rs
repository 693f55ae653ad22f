//! What the admin API asks of the streams and their history, and how long it waits for an answer.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::event::Topic;
use crate::fanout::{ConnId, ListFrom, ListOnly, Listed, Outcome};
use crate::log::{ReadError, TopicUsage};
use crate::net::http::Answer;

/// How long a request waits for a shard or the log. As long as either may stand still before `/healthz` says so: a
/// listener with a few dozen connections can't let them all wait for something that does not move, or nobody could ask
/// what it is.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// When to ask again, in seconds: a log that is away is tried again by itself within this time.
const RETRY_SECONDS: &str = "1";

/// The streams and the history behind the API. The application implements it over the fan-out.
#[async_trait]
pub trait Inspect: Send + Sync + 'static {
    /// As [`crate::log::Log::topics`].
    ///
    /// # Errors
    /// [`ReadError`]; the caller may ask again.
    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError>;

    /// Subscriptions on this instance that match.
    fn subscribers(&self, topic: &Topic) -> u64;

    /// As [`crate::fanout::Fanout::purge`].
    ///
    /// # Errors
    /// [`ReadError`]; it may have been done in part, and is to be asked for again.
    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError>;

    /// As [`crate::fanout::Fanout::list`].
    async fn list(&self, from: ListFrom, limit: usize, only: &ListOnly) -> (Vec<Listed>, Option<ListFrom>);

    /// As [`crate::fanout::Fanout::end`].
    async fn end(&self, id: ConnId) -> Outcome;
}

/// The answer, or 503 when it does not come in time.
pub(super) async fn in_time(answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let detail =
            format!("no answer within {} s; what was asked for may still be done", PATIENCE.as_secs());
        later(&detail)
    })
}

/// 503: to be asked again.
pub(super) fn later(detail: &str) -> Answer {
    Answer::problem(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS))
}
