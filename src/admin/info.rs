//! `GET /api/info`: what is running.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::log::Log;
use crate::net::http::Answer;

/// A listener, as it was bound: a port that was left to the kernel is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// `edge`, `ingress` or `admin`.
    pub name: &'static str,
    /// Its URL, or `unix:/path`.
    pub address: String,
}

/// `uptime_seconds` are whole seconds; `epoch` is the log's life, as in every cursor.
pub(super) fn answer(listeners: &[Listening], log: &dyn Log, uptime: Duration) -> Answer {
    let listeners: serde_json::Map<_, _> =
        listeners.iter().map(|l| (l.name.to_owned(), l.address.as_str().into())).collect();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "listeners": listeners,
        "log": log.kind(),
        "epoch": log.head().epoch.to_string(),
        "uptime_seconds": uptime.as_secs(),
    });
    Answer::json(StatusCode::OK, body.to_string())
}
