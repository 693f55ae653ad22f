//! The API over streams and topics: what it asks, and how it tells what it hears.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::admin::connections;
use crate::event::{Millis, Pattern, Topic};
use crate::fanout::{ConnId, ListFrom, ListOnly, Listed, Outcome};
use crate::log::TopicUsage;

/// What is wrong behind the API.
#[derive(Clone, Debug)]
enum Trouble {
    Error(ReadError),
    /// No answer ever comes.
    Silence,
}

/// Three topics and four streams, and a record of what was asked.
#[derive(Default)]
pub(super) struct TestInspect {
    trouble: Option<Trouble>,
    asked: Mutex<Vec<String>>,
}

impl TestInspect {
    fn troubled(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }

    async fn ask(&self, what: String) -> Result<(), ReadError> {
        self.asked.lock().unwrap().push(what);
        match &self.trouble {
            None => Ok(()),
            Some(Trouble::Error(error)) => Err(error.clone()),
            Some(Trouble::Silence) => pending().await,
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Inspect for TestInspect {
    async fn topics(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> Result<Vec<TopicUsage>, ReadError> {
        self.ask(format!("topics {prefix:?} {:?} {limit}", after.map(Topic::as_str))).await?;
        let all = ["orders.1", "orders.2", "users"].into_iter().zip(1..);
        let usage =
            |(name, n)| TopicUsage { topic: topic(name), events: n, bytes: 100 * n, last: Millis(1_000 * n) };
        Ok(all.map(usage).take(limit).collect())
    }

    fn subscribers(&self, topic: &Topic) -> u64 {
        topic.as_str().len() as u64
    }

    async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        self.ask(format!("purge {topic}")).await?;
        Ok(7)
    }

    async fn list(&self, from: ListFrom, limit: usize, only: &ListOnly) -> (Vec<Listed>, Option<ListFrom>) {
        let _ = self
            .ask(format!(
                "list {from} {limit} {:?} {:?}",
                only.topic.as_ref().map(Topic::as_str),
                only.subject
            ))
            .await;
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let listed = |id, remote: Option<&str>, names: &[&str], millis, lag| Listed {
            subject: (names == ["users"]).then(|| "anna".into()),
            id: ConnId::parse(id).unwrap(),
            remote: remote.map(|remote| remote.parse().unwrap()),
            selector: Selector::of(patterns(names)),
            age: Duration::from_millis(millis),
            lag,
        };
        let all = vec![
            listed("0-0-1", Some("192.0.2.7:5000"), &["orders.1"], 1_999, 0),
            listed("0-1-1", Some("[2001:db8::7]:5000"), &["users", "orders.*"], 60_000, 12),
            listed("1-0-9", Some("[2001:db8::7]:0"), &["**"], 0, 0),
            listed("1-1-9", None, &["users"], 0, 0),
        ];
        (all, ListFrom::parse("1-40"))
    }

    async fn end(&self, id: ConnId) -> Outcome {
        let _ = self.ask(format!("end {id}")).await;
        if id.to_string() == "0-0-1" { Outcome::Done } else { Outcome::Unknown }
    }
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

impl Bench {
    /// Asks for a write, as one who has the token.
    async fn delete(&self, path: &str) -> Wire {
        let request = format!("DELETE {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer hush\r\n\r\n");
        Peer::connect(&self.app).ask(request).await
    }

    fn asked(&self) -> Vec<String> {
        self.inspect.asked()
    }
}

fn with_token() -> Setup {
    Setup { token: Some(Secret::new(*b"hush")), ..Setup::default() }
}

fn troubled(trouble: Trouble) -> Bench {
    Setup { inspect: TestInspect::troubled(trouble), ..with_token() }.bench()
}

#[tokio::test]
async fn what_is_read_is_checked_before_anything_is_asked() {
    let bench = Setup::default().bench();
    for (path, asked) in [
        ("/api/topics", r#"topics "" None 100"#),
        ("/api/topics?limit=2&prefix=or%64ers.&after=orders.1", r#"topics "orders." Some("orders.1") 2"#),
        ("/api/topics?limit=1000&topic=ignored", r#"topics "" None 1000"#),
        ("/api/connections", "list 0-0 100 None None"),
        ("/api/connections?topic=orders.1&limit=1&after=1-40", r#"list 1-40 1 Some("orders.1") None"#),
        ("/api/connections?subject=a%26+b&prefix=x", r#"list 0-0 100 None Some("a& b")"#),
    ] {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
        assert_eq!(bench.asked(), [asked], "{path}");
    }
    for (path, why) in [
        ("/api/topics?limit=0", "1 to 1000"),
        ("/api/topics?limit=1001", "1 to 1000"),
        ("/api/topics?limit=", "1 to 1000"),
        ("/api/topics?limit=ten", "1 to 1000"),
        ("/api/topics?limit=18446744073709551616", "1 to 1000"),
        ("/api/topics?limit=1&limit=2", "limit comes twice"),
        ("/api/topics?after=a..b", "`next`"),
        ("/api/topics?prefix=%zz", "prefix is not percent-encoded text"),
        ("/api/topics?prefix=%ff", "prefix is not percent-encoded text"),
        ("/api/connections?limit=1001", "1 to 1000"),
        ("/api/connections?after=x", "`next`"),
        ("/api/connections?after=0-01", "`next`"),
        ("/api/connections?after=0-4294967296", "`next`"),
        ("/api/connections?topic=a..b", "topic is not a topic"),
        ("/api/connections?topic=orders.*", "topic is not a topic"),
        ("/api/connections?topic=a&topic=b", "topic comes twice"),
        ("/api/connections?subject=a&subject=a", "subject comes twice"),
        ("/api/connections?subject=%ff", "subject is not percent-encoded text"),
    ] {
        let answer = bench.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{path}: {}", answer.body);
    }
    assert_eq!(bench.asked(), [""; 0]);
}

#[tokio::test]
async fn topics_are_told_with_what_they_hold_and_where_to_go_on() {
    let bench = Setup::default().bench();
    let row = |name: &str, n: u64| {
        let last = format!("1970-01-01T00:00:0{n}.000Z");
        json!({"name": name, "subscribers": name.len(), "events": n, "bytes": 100 * n, "last": last})
    };
    let rows = [row("orders.1", 1), row("orders.2", 2), row("users", 3)];
    assert_eq!(bench.get("/api/topics").await.json(), json!({"topics": rows, "next": null}));
    let page = bench.get("/api/topics?limit=2").await.json();
    assert_eq!(page, json!({"topics": rows[..2], "next": "orders.2"}));
}

#[tokio::test]
async fn streams_are_told_with_who_listens_and_to_what() {
    let bench = Setup::default().bench();
    let page = bench.get("/api/connections").await.json();
    let row = |id: &str, remote: Value, topics: &[&str], age: u64, lag: u64| json!({"id": id, "remote": remote, "subject": if topics == ["users"] { json!("anna") } else { Value::Null }, "topics": topics, "age": age, "lag": lag});
    assert_eq!(
        page["connections"],
        json!([
            row("0-0-1", json!("192.0.2.7:5000"), &["orders.1"], 1, 0),
            row("0-1-1", json!("[2001:db8::7]:5000"), &["orders.*", "users"], 60, 12),
            row("1-0-9", json!("2001:db8::7"), &["**"], 0, 0),
            row("1-1-9", Value::Null, &["users"], 0, 0),
        ])
    );
    assert_eq!(page["next"], "1-40");
}

#[tokio::test]
async fn what_is_to_end_is_named_exactly_and_decoded_once() {
    let bench = with_token().bench();
    for (path, status, asked) in [
        ("/api/topics/orders.1/history", 200, Some("purge orders.1")),
        ("/api/topics/orders%2E1/history", 200, Some("purge orders.1")),
        ("/api/topics/orders%252E1/history", 400, None),
        ("/api/topics/a%2Fb/history", 400, None),
        ("/api/topics/a+b/history", 400, None),
        ("/api/topics/a..b/history", 400, None),
        ("/api/topics/orders.*/history", 400, None),
        ("/api/topics/%zz/history", 400, None),
        ("/api/topics/a/history/", 404, None),
        ("/api/connections/0-0-2", 404, Some("end 0-0-2")),
        ("/api/connections/0-0-01", 400, None),
        ("/api/connections/0-0", 400, None),
        ("/api/connections/nonsense", 400, None),
    ] {
        let answer = bench.delete(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(bench.asked(), asked.into_iter().collect::<Vec<_>>(), "{path}");
    }
    assert_eq!(bench.delete("/api/topics/orders.1/history").await.json(), json!({"purged": 7}));
    // The one answer without a length, which the tests' client does not read.
    let ended = connections::end(&TestInspect::default(), "0-0-1").await;
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn methods_are_those_of_the_path() {
    let bench = with_token().bench();
    let mut peer = Peer::connect(&bench.app);
    let ask = |method: &str, path: &str| {
        let token = "Authorization: Bearer hush\r\nContent-Length: 0";
        format!("{method} {path} HTTP/1.1\r\nHost: t\r\n{token}\r\n\r\n")
    };
    for (path, allow, refused) in [
        ("/api/topics", "GET, HEAD", ["DELETE", "POST", "OPTIONS"]),
        ("/api/connections", "GET, HEAD", ["DELETE", "POST", "OPTIONS"]),
        ("/api/topics/a/history", "DELETE", ["GET", "POST", "OPTIONS"]),
        ("/api/connections/0-0-1", "DELETE", ["GET", "POST", "OPTIONS"]),
    ] {
        for method in refused {
            let answer = peer.ask(ask(method, path)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        }
    }
    assert_eq!(bench.asked(), [""; 0]);
    for path in ["/api/topics", "/api/connections"] {
        peer.send(ask("HEAD", path)).await;
        assert_eq!(peer.receive_head().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn whoever_may_not_write_ends_and_purges_nothing() {
    let bench = Setup::default().bench();
    let paths = ["/api/topics/a/history", "/api/connections/0-0-2"];
    for path in paths {
        for headers in [
            "Host: localhost:9090\r\nOrigin: https://evil.example\r\n",
            "Host: localhost:9090\r\nSec-Fetch-Site: cross-site\r\n",
            "Host: localhost:9090\r\nX-Forwarded-For: 192.0.2.1\r\n",
            "Host: rebound.example\r\n",
        ] {
            let answer = bench.tcp(format!("DELETE {path} HTTP/1.1\r\n{headers}\r\n")).await;
            assert_eq!(answer.status, 403, "{path} {headers}");
        }
    }
    let guarded = with_token().bench();
    for path in paths {
        let answer = guarded.tcp(format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
    }
    assert_eq!((bench.asked(), guarded.asked()), (vec![], vec![]));
    for path in paths {
        let answer = bench.tcp(format!("DELETE {path} HTTP/1.1\r\nHost: localhost:9090\r\n\r\n")).await;
        assert!([200, 404].contains(&answer.status), "{path}");
    }
    assert_eq!(bench.asked(), ["purge a", "end 0-0-2"]);
}

#[tokio::test]
async fn a_log_that_is_away_is_to_be_asked_again_and_one_that_can_t_is_not() {
    let away = troubled(Trouble::Error(ReadError::Unavailable("connection lost")));
    let unable = troubled(Trouble::Error(ReadError::Unsupported));
    for (bench, status, retry) in [(away, 503, Some("1")), (unable, 501, None)] {
        for answer in [bench.get("/api/topics").await, bench.delete("/api/topics/a/history").await] {
            assert_eq!((answer.status, answer.header("retry-after")), (status, retry), "{}", answer.body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_what_stands_still_is_let_go() {
    let bench = troubled(Trouble::Silence);
    for path in ["/api/topics", "/api/connections"] {
        let answer = bench.get(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{path}");
    }
    for path in ["/api/topics/a/history", "/api/connections/0-0-1"] {
        let answer = bench.delete(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{path}");
    }
    assert_eq!(bench.get("/healthz").await.status, 200);
}
