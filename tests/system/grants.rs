//! What a subject is to limits, to the admin API and to a file of keys that changes; over the wire.

use serde_json::{Value, json};

use crate::support::token::{SECRET, auth, but, claims, signed};
use crate::support::{End, Gateway, Request, Sender, Subscriber, exchange, get, until};

fn token(sub: &str) -> String {
    let said = but(claims(&["orders"]), "sub", Some(json!(sub)));
    signed(&json!({ "alg": "HS256" }), &said, SECRET.as_bytes())
}

fn with(token: &str) -> Request {
    Request::topic("orders").header("Authorization", format!("Bearer {token}"))
}

async fn open(gateway: &Gateway, sub: &str) -> Subscriber {
    let mut stream = with(&token(sub)).open(gateway).await;
    stream.opening().await;
    stream
}

/// The subjects of the streams that this query finds, sorted.
async fn subjects(gateway: &Gateway, query: &str) -> Vec<Value> {
    let listed = get(&gateway.admin, &format!("/api/connections{query}")).await.json();
    let mut found: Vec<_> =
        listed["connections"].as_array().unwrap().iter().map(|row| row["subject"].clone()).collect();
    found.sort_by_key(Value::to_string);
    found
}

async fn revoke(gateway: &Gateway, body: &str) -> Value {
    let head = format!("POST /api/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", body.len());
    exchange(&gateway.admin, format!("{head}\r\n\r\n{body}")).await.json()
}

#[tokio::test]
async fn a_subject_is_limited_shown_found_and_revoked() {
    let yaml = format!("edge: {{ limits: {{ per_subject: 2 }} }}\n{}", auth(""));
    let gateway = Gateway::start(&yaml).await;
    let mut annas = [open(&gateway, "anna").await, open(&gateway, "anna").await];
    let mut bert = open(&gateway, "bert").await;
    // One more is too many now, and not for good.
    let answer = with(&token("anna")).connect(&gateway.edge).await.answer().await;
    let text = answer.text();
    assert!(answer.status == 200 && text.starts_with("retry: ") && text.lines().count() == 2, "{text:?}");
    let refused = "sidestream_connections_refused_total{reason=\"per_subject\"}";
    assert_eq!(gateway.metrics().await.get(refused), 1.0);

    assert_eq!(subjects(&gateway, "").await, ["anna", "anna", "bert"]);
    assert_eq!(subjects(&gateway, "?subject=anna&topic=orders").await, ["anna", "anna"]);
    assert!(subjects(&gateway, "?subject=ann").await.is_empty());

    assert_eq!(
        revoke(&gateway, r#"{"sub":"anna","for":"1h"}"#).await,
        json!({"ended": 2, "for_seconds": 3600})
    );
    for one in &mut annas {
        assert_eq!(one.rest().await.1, End::Clean);
    }
    assert_eq!(subjects(&gateway, "").await, ["bert"]);
    let closed = "sidestream_connections_closed_total{reason=\"revoked\"}";
    assert_eq!(gateway.metrics().await.get(closed), 2.0);
    assert_eq!(revoke(&gateway, r#"{"sub":"anna"}"#).await["ended"], 0);
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(bert.event().await.data(), "1");
}

#[tokio::test]
async fn a_secret_s_file_that_changes_ends_what_it_had_granted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let yaml = auth("").replace(&format!("\"{SECRET}\""), &format!("{{ file: {} }}", file.display()));
    let gateway = Gateway::start(&yaml).await;
    let mut stream = open(&gateway, "anna").await;
    std::fs::write(&file, "another secret of the tests, long enough").unwrap();
    assert_eq!(stream.rest().await.1, End::Clean);
    until("its token is nobody's", async || {
        let mut connection = with(&token("anna")).connect(&gateway.edge).await;
        (connection.answer().await.status == 401).then_some(())
    })
    .await;
}
