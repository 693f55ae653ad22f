//! `GET /api/sources`: who may send webhooks, and what became of what they sent.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::page::{PageQuery, QueryError};
use super::topics::bad;
use crate::event::Millis;
use crate::net::http::Answer;
use crate::sse::time::rfc3339;

/// The sources behind the API. The application implements it over the ingress.
pub trait Sources: Send + Sync + 'static {
    /// At most `limit` rows, after the source of the name `after`. None when there is no source of that name.
    fn list(&self, after: Option<&str>, limit: usize) -> Option<Vec<SourceRow>>;
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// Its path, as configured.
    pub path: String,
    /// Its verifier's name; `none` for one that believes everybody.
    pub verify: String,
    /// Whether the public listener serves it too.
    pub exposed: Exposed,
    /// How often each outcome came, by the label of `sidestream_webhooks_total`.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Events published.
    pub events: u64,
    /// Its newest refusal: when, and why, in words that hold no secret.
    pub last_error: Option<(Millis, String)>,
}

/// Whether the public listener serves a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposed {
    /// It does.
    OnEdge,
    /// It does not.
    No,
}

/// `GET /api/sources?limit=&after=`: the sources, in the order of the configuration. `next`, unless null, is the next
/// page's `after`.
pub(super) fn list(sources: &dyn Sources, query: &str) -> Answer {
    // Nothing narrows this list.
    let page = match PageQuery::read(query, []) {
        Ok(page) => page,
        Err(error) => return bad(&error),
    };
    let limit = page.limit();
    let Some(rows) = sources.list(page.after.as_deref(), limit) else { return bad(&QueryError::After) };
    let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.name.clone());
    let rows: Vec<Value> = rows.iter().map(row).collect();
    Answer::json(StatusCode::OK, json!({"sources": rows, "next": next}).to_string())
}

/// Outcomes that never came are left out.
fn row(row: &SourceRow) -> Value {
    let came = row.outcomes.iter().filter(|(_, count)| *count > 0);
    let outcomes: Map<String, Value> =
        came.map(|(outcome, count)| ((*outcome).to_owned(), (*count).into())).collect();
    let error = row.last_error.as_ref().map(|(time, text)| json!({"time": rfc3339(*time), "error": text}));
    json!({
        "name": row.name,
        "path": row.path,
        "verify": row.verify,
        "exposed_on_edge": row.exposed == Exposed::OnEdge,
        "outcomes": outcomes,
        "events": row.events,
        "last_error": error,
    })
}
