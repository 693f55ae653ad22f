//! Revoking over the API: who may, what is asked, and what is told of what was done.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::auth::{RevokedFull, Whom};

/// Ends three streams of whomever, unless it is full; and a record of whom.
#[derive(Default)]
pub(super) struct TestRevoke {
    full: bool,
    asked: Mutex<Vec<(Whom, Duration)>>,
}

#[async_trait]
impl Revoke for TestRevoke {
    async fn revoke(&self, whom: Whom, lasts: Duration) -> Result<usize, RevokedFull> {
        self.asked.lock().unwrap().push((whom, lasts));
        if self.full { Err(RevokedFull) } else { Ok(3) }
    }
}

impl Bench {
    fn revoked(&self) -> Vec<(Whom, Duration)> {
        std::mem::take(&mut self.revoke.asked.lock().unwrap())
    }
}

/// A request that revokes, with these header lines.
fn request(headers: &str, body: &str) -> String {
    format!("POST /api/revoke HTTP/1.1\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

const LOCAL: &str = "Host: localhost:9090\r\n";
const ANNA: &str = r#"{"sub":"anna"}"#;

#[tokio::test]
async fn whoever_may_write_revokes_and_hears_how_many_streams_that_ended() {
    let bench = Setup::default().bench();
    let answer = bench.tcp(request(LOCAL, r#"{"jti":"t1","for":"2h"}"#)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), json!({"ended": 3, "for_seconds": 7200}));
    assert!(bench.revoked() == [(Whom::token("t1").unwrap(), Duration::from_hours(2))]);

    let guarded = Setup { token: Some(Secret::new(*b"hush")), ..Setup::default() }.bench();
    let mut peer = Peer::connect(&guarded.app);
    let token = "Host: t\r\nAuthorization: Bearer hush\r\n";
    assert_eq!(peer.ask(request(token, ANNA)).await.json(), json!({"ended": 3, "for_seconds": 2_592_000}));
    assert_eq!(guarded.revoked().len(), 1);
}

#[tokio::test]
async fn whoever_may_not_write_revokes_nobody() {
    let bench = Setup::default().bench();
    for headers in [
        "Host: localhost:9090\r\nOrigin: https://evil.example\r\n",
        "Host: localhost:9090\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost:9090\r\nX-Forwarded-For: 192.0.2.1\r\n",
        "Host: rebound.example\r\n",
    ] {
        assert_eq!(bench.tcp(request(headers, ANNA)).await.status, 403, "{headers}");
    }
    let guarded = Setup { token: Some(Secret::new(*b"hush")), ..Setup::default() }.bench();
    let answer = guarded.tcp(request(LOCAL, ANNA)).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = bench.get("/api/revoke").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert!(bench.revoked().is_empty() && guarded.revoked().is_empty());
}

#[tokio::test]
async fn what_names_nobody_is_refused_with_the_reason() {
    let bench = Setup::default().bench();
    for (body, why) in [
        ("", "JSON object"),
        ("sub=anna", "JSON object"),
        ("{}", "one of sub and jti"),
        (r#"{"sub":"anna","jti":"t1"}"#, "not both"),
        (r#"{"user":"anna"}"#, "unknown field"),
        (r#"{"sub":""}"#, "1 to 256 bytes"),
        (r#"{"sub":"anna","for":"forever"}"#, "at most 365 d"),
    ] {
        let answer = bench.tcp(request(LOCAL, body)).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{body}: {}", answer.body);
    }
    let large = format!(r#"{{"sub":"{}"}}"#, "x".repeat(64 << 10));
    assert_eq!(bench.tcp(request(LOCAL, &large)).await.status, 413);
    assert!(bench.revoked().is_empty());
}

#[tokio::test]
async fn where_there_is_no_room_it_says_so() {
    let bench =
        Setup { revoke: TestRevoke { full: true, ..TestRevoke::default() }, ..Setup::default() }.bench();
    let answer = bench.tcp(request(LOCAL, ANNA)).await;
    assert_eq!(answer.status, 507);
    assert!(answer.json()["detail"].as_str().unwrap().contains("revoked already"), "{}", answer.body);
}
