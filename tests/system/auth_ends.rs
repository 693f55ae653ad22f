//! Contract, section 5: a stream ends with its grant, cleanly, and comes back with a fresh token without missing anything.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::token::{SECRET, auth, but, claims, now, signed};
use crate::support::{End, Gateway, Item, Request, Sender, exchange, post};

/// No leeway, so that an end is soon.
fn strict(more: &str) -> String {
    auth(more).replace("audience: sidestream", "audience: sidestream, leeway: 0s")
}

fn ending_in(seconds: u64, more: &[(&str, serde_json::Value)]) -> String {
    let mut said = but(claims(&["orders"]), "exp", Some(json!(now() + seconds)));
    for (name, value) in more {
        said = but(said, name, Some(value.clone()));
    }
    signed(&json!({ "alg": "HS256" }), &said, SECRET.as_bytes())
}

fn with(token: &str) -> Request {
    Request::topic("orders").header("Cookie", format!("session={token}"))
}

/// The last thing said is a fresh `retry:`.
fn ended_well((items, end): &(Vec<Item>, End)) {
    assert_eq!(*end, End::Clean, "{items:?}");
    assert!(matches!(items.last(), Some(Item::Block(block)) if block.retry.is_some()), "{items:?}");
}

async fn status(gateway: &Gateway, request: &Request) -> u16 {
    let mut connection = request.connect(&gateway.edge).await;
    connection.answer().await.status
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_comes_back_with_another() {
    let gateway = Gateway::start(&strict(", cookie: session")).await;
    let mut sender = Sender::open(&gateway).await;
    let stale = ending_in(4, &[]);
    let mut stream = with(&stale).open(&gateway).await;
    stream.opening().await;
    sender.publish("orders", "1").await;
    stream.event().await;
    let cursor = stream.cursor.clone().unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(30), stream.rest()).await.expect("it ends");
    ended_well(&rest);
    sender.publish("orders", "2").await;
    // Never an anonymous stream.
    gateway.connections(0).await;
    crate::support::until("the token is over", async || {
        let request = with(&stale).after(&cursor).header("Accept", "application/json");
        (status(&gateway, &request).await == 401).then_some(())
    })
    .await;
    assert_eq!(status(&gateway, &with(&stale).after(&cursor)).await, 401);
    let mut again = with(&ending_in(600, &[])).after(&cursor).open(&gateway).await;
    assert_eq!(again.opening().await.id.as_deref(), Some(&*cursor));
    assert_eq!(again.event().await.data(), "2");
}

#[tokio::test]
async fn a_revocation_ends_streams_and_waiting_pages_now() {
    let gateway = Gateway::start(&strict(", cookie: session")).await;
    let [one, other] = ["a", "b"].map(|id| ending_in(600, &[("jti", json!(id)), ("iat", json!(now()))]));
    let (mut stream, mut kept) = (with(&one).open(&gateway).await, with(&other).open(&gateway).await);
    stream.opening().await;
    kept.opening().await;
    let waiting = with(&one).header("Accept", "application/json");
    let mut page = waiting.clone().connect(&gateway.edge).await;
    page.answer().await;
    page.send(format!("GET /topics/orders?wait=60s HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\nCookie: session={one}\r\n\r\n"))
        .await;
    gateway.connections(3).await;
    let revoked = post_json(&gateway, "/api/revoke", r#"{"jti":"a"}"#).await;
    assert!((200..300).contains(&revoked), "{revoked}");
    ended_well(&stream.rest().await);
    assert_eq!(status(&gateway, &with(&one)).await, 401);
    Sender::open(&gateway).await.publish("orders", "1").await;
    page.answer().await.assert_problem(401);
    assert_eq!(kept.event().await.data(), "1");
    assert_eq!(gateway.metrics().await.get("sidestream_auth_failures_total{reason=\"withdrawn\"}"), 1.0);
    assert_eq!(gateway.metrics().await.get("sidestream_auth_failures_total{reason=\"revoked\"}"), 1.0);
    let revoked = post_json(&gateway, "/api/revoke", r#"{"sub":"42"}"#).await;
    assert!((200..300).contains(&revoked), "{revoked}");
    ended_well(&kept.rest().await);
    assert_eq!(status(&gateway, &with(&other)).await, 401);
}

async fn post_json(gateway: &Gateway, path: &str, body: &str) -> u16 {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    exchange(&gateway.admin, format!("{head}\r\n\r\n{body}")).await.status
}

#[tokio::test]
async fn a_reload_judges_again_who_listens() {
    let open = format!("topics: [ {{ name: o, match: orders, access: public }} ]\n{}", strict(""));
    let gateway = Gateway::start(&open).await;
    let token = ending_in(600, &[]);
    let mut known =
        Request::topic("orders").header("Authorization", format!("Bearer {token}")).open(&gateway).await;
    let mut anyone = Request::topic("orders").open(&gateway).await;
    known.opening().await;
    anyone.opening().await;
    // Now only for who is known.
    gateway.rewrite(&strict(""));
    gateway.signal(Signal::HUP);
    ended_well(&anyone.rest().await);
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(known.event().await.data(), "1");
    // Another secret: the token is nobody's.
    gateway.rewrite(&strict("").replace(SECRET, "another secret of the tests, long enough"));
    gateway.signal(Signal::HUP);
    ended_well(&known.rest().await);
    let _ = post(&gateway.admin, "/api/reload", "").await;
    gateway.connections(0).await;
}
