//! `/api/connections`: who listens to what, and how far behind; and the end of a stream.

use http::StatusCode;
use serde_json::{Value, json};

use super::inspect::Inspect;
use super::page::{PageQuery, QueryError};
use super::topics::bad;
use crate::event::{Selector, Topic};
use crate::fanout::{ConnId, ListFrom, ListOnly, Listed, Outcome};
use crate::net::http::Answer;

/// `GET /api/connections?topic=&subject=&limit=&after=`: open streams; with `topic` those that listen to it, with `subject`
/// those whose token is about it. `next`, unless null, is the next page's `after`.
pub(super) async fn list(inspect: &dyn Inspect, query: &str) -> Answer {
    let (from, limit, only) = match page(query) {
        Ok(page) => page,
        Err(error) => return bad(&error),
    };
    let (listed, next) = inspect.list(from, limit, &only).await;
    let rows: Vec<_> = listed.iter().map(row).collect();
    let next = next.map(|next| next.to_string());
    Answer::json(StatusCode::OK, json!({"connections": rows, "next": next}).to_string())
}

fn page(query: &str) -> Result<(ListFrom, usize, ListOnly), QueryError> {
    let page = PageQuery::read(query, ["topic", "subject"])?;
    let from = page.after.as_deref().map(|after| ListFrom::parse(after).ok_or(QueryError::After));
    let [topic, subject] = &page.narrowed;
    let only = ListOnly {
        topic: topic.as_deref().map(Topic::parse).transpose()?,
        subject: subject.as_deref().map(Into::into),
    };
    Ok((from.transpose()?.unwrap_or_default(), page.limit(), only))
}

/// `age` is in whole seconds; `lag` in deliveries of the log, over all topics.
fn row(listed: &Listed) -> Value {
    let remote = listed.remote.map(|remote| match remote.port() {
        0 => remote.ip().to_string(),
        _ => remote.to_string(),
    });
    let topics: Vec<&str> = match &listed.selector {
        Selector::Topic(topic) => vec![topic.as_str()],
        Selector::Patterns(patterns) => patterns.iter().map(crate::event::Pattern::as_str).collect(),
    };
    json!({
        "id": listed.id.to_string(),
        "remote": remote,
        "subject": listed.subject.as_deref(),
        "topics": topics,
        "age": listed.age.as_secs(),
        "lag": listed.lag,
    })
}

/// `DELETE /api/connections/{id}`: ends the stream cleanly.
pub(super) async fn end(inspect: &dyn Inspect, id: &str) -> Answer {
    let Some(id) = ConnId::parse(id) else {
        return Answer::problem(StatusCode::BAD_REQUEST, "this is no id of a connection");
    };
    match inspect.end(id).await {
        Outcome::Done => {
            tracing::info!(%id, "connection ended by order");
            Answer::empty(StatusCode::NO_CONTENT)
        }
        Outcome::Unknown => Answer::problem(StatusCode::NOT_FOUND, "there is no such connection"),
    }
}
