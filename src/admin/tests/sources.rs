//! `GET /api/sources`.

use serde_json::json;

use super::*;
use crate::admin::{Exposed, SourceRow, Sources};
use crate::event::Millis;

/// Three sources, of which one has seen something.
pub(super) struct TestSources;

impl Sources for TestSources {
    fn list(&self, after: Option<&str>, limit: usize) -> Option<Vec<SourceRow>> {
        let names = ["github", "slack", "shop"];
        let begin = match after {
            None => 0,
            Some(after) => 1 + names.iter().position(|name| *name == after)?,
        };
        let row = |name: &&str| SourceRow {
            name: (*name).to_owned(),
            path: format!("/webhooks/{name}"),
            verify: "github".to_owned(),
            exposed: if *name == "slack" { Exposed::OnEdge } else { Exposed::No },
            outcomes: vec![("accepted", u64::from(*name == "github") * 3), ("unauthorized", 0)],
            events: u64::from(*name == "github") * 4,
            last_error: (*name == "github").then(|| (Millis(1_700_000_000_000), "too old".to_owned())),
        };
        Some(names[begin..].iter().take(limit).map(row).collect())
    }
}

#[tokio::test]
async fn sources_are_listed_page_by_page() {
    let bench = Setup::default().bench();
    let answer = bench.get("/api/sources?limit=2").await;
    assert_eq!(answer.status, 200);
    let first = json!({
        "name": "github",
        "path": "/webhooks/github",
        "verify": "github",
        "exposed_on_edge": false,
        "outcomes": { "accepted": 3 },
        "events": 4,
        "last_error": { "time": "2023-11-14T22:13:20.000Z", "error": "too old" },
    });
    assert_eq!(answer.json()["sources"][0], first);
    assert_eq!(answer.json()["sources"][1]["last_error"], serde_json::Value::Null);
    assert_eq!(answer.json()["sources"][1]["exposed_on_edge"], true);
    assert_eq!(answer.json()["next"], "slack");
    let rest = bench.get("/api/sources?after=slack").await.json();
    assert_eq!(
        (rest["sources"][0]["name"].as_str(), &rest["next"]),
        (Some("shop"), &serde_json::Value::Null)
    );
    assert_eq!(bench.get("/api/sources?after=gone").await.status, 400);
    assert_eq!(bench.get("/api/sources?limit=0").await.status, 400);
}
