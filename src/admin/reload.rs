//! `POST /api/reload`: the configuration is read again, at once.

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Map, json};

use crate::net::http::Answer;

/// Reads the configuration again and swaps the snapshot. The application implements it, for every way to ask for a
/// reload, and counts there.
#[async_trait]
pub trait Reload: Send + Sync + 'static {
    /// Swaps the snapshot, or leaves the running one as it is.
    ///
    /// # Errors
    /// Every problem of the new configuration, one text each.
    async fn reload(&self) -> Result<Reloaded, Vec<String>>;
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Paths of the keys that changed and are in force.
    pub changed: Vec<String>,
    /// Paths of the keys that changed and wait for a restart.
    pub needs_restart: Vec<String>,
}

pub(super) fn answer(result: Result<Reloaded, Vec<String>>) -> Answer {
    match result {
        Ok(Reloaded { changed, needs_restart }) => {
            let body = json!({"changed": changed, "needs_restart": needs_restart});
            Answer::json(StatusCode::OK, body.to_string())
        }
        Err(problems) => {
            let mut members = Map::new();
            members.insert("problems".into(), problems.into());
            let detail = "the configuration is not valid; the running one is unchanged";
            Answer::problem_with(StatusCode::UNPROCESSABLE_ENTITY, detail, members)
        }
    }
}
