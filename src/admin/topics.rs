//! `/api/topics`: what is in history, and its end.

use http::StatusCode;
use serde_json::json;

use super::inspect::{Inspect, later};
use super::page::{PageQuery, QueryError};
use crate::event::Topic;
use crate::log::ReadError;
use crate::net::http::{Answer, decode};
use crate::sse::time::rfc3339;

/// `GET /api/topics?prefix=&limit=&after=`: topics with events, by name. `next`, unless null, is the next page's `after`.
pub(super) async fn list(inspect: &dyn Inspect, query: &str) -> Answer {
    let page = match page(query) {
        Ok(page) => page,
        Err(error) => return bad(&error),
    };
    let (prefix, after, limit) = page;
    let topics = match inspect.topics(&prefix, after.as_ref(), limit).await {
        Ok(topics) => topics,
        Err(error) => return unreadable(&error),
    };
    let next = topics.last().filter(|_| topics.len() == limit).map(|last| last.topic.as_str());
    let rows: Vec<_> = topics
        .iter()
        .map(|usage| {
            json!({
                "name": usage.topic.as_str(),
                "subscribers": inspect.subscribers(&usage.topic),
                "events": usage.events,
                "bytes": usage.bytes,
                "last": rfc3339(usage.last),
            })
        })
        .collect();
    Answer::json(StatusCode::OK, json!({"topics": rows, "next": next}).to_string())
}

fn page(query: &str) -> Result<(String, Option<Topic>, usize), QueryError> {
    let page = PageQuery::read(query, ["prefix"])?;
    let limit = page.limit();
    let [prefix] = page.narrowed;
    let after = page.after.map(|after| Topic::parse(&after).map_err(|_| QueryError::After)).transpose()?;
    Ok((prefix.unwrap_or_default(), after, limit))
}

/// `DELETE /api/topics/{name}/history`.
pub(super) async fn purge(inspect: &dyn Inspect, name: &str) -> Answer {
    let topic = decode(name.as_bytes()).map_err(|error| error.to_string());
    let topic = match topic.and_then(|name| Topic::parse(&name).map_err(|error| error.to_string())) {
        Ok(topic) => topic,
        Err(why) => return Answer::problem(StatusCode::BAD_REQUEST, &format!("this is no topic: {why}")),
    };
    match inspect.purge(&topic).await {
        Ok(purged) => {
            tracing::info!(%topic, purged, "history purged");
            Answer::json(StatusCode::OK, json!({"purged": purged}).to_string())
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) fn bad(error: &QueryError) -> Answer {
    Answer::problem(StatusCode::BAD_REQUEST, &error.to_string())
}

fn unreadable(error: &ReadError) -> Answer {
    match error {
        ReadError::Unavailable(_) => later(&error.to_string()),
        // Asking again would not help.
        ReadError::Unsupported => Answer::problem(StatusCode::NOT_IMPLEMENTED, &error.to_string()),
    }
}
