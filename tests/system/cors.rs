//! Contract, section 4 and 6: which pages of other origins may read what is under the prefix, on every kind of answer.

use tokio::io::AsyncWriteExt as _;

use crate::support::{Answer, App, Gateway, Request, Subscriber, exchange};

const CORS: &str = "cors: { origins: [https://app.example, \"https://*.example.com\"], credentials: true }";

const ORIGIN: &str = "access-control-allow-origin";

async fn ask(gateway: &Gateway, method: &str, target: &str, headers: &str) -> Answer {
    exchange(&gateway.edge, format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await
}

/// Whether the answer may be read by a page of `origin`; every answer says that it depends on that.
fn readable(answer: &Answer, origin: &str) -> bool {
    assert_eq!(answer.field("vary"), Some("Accept, Origin"), "{}", answer.head);
    let credentials = answer.field("access-control-allow-credentials");
    let Some(allowed) = answer.field(ORIGIN) else {
        assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{}", answer.head);
        return false;
    };
    assert_eq!((allowed, credentials), (origin, Some("true")), "{}", answer.head);
    true
}

#[tokio::test]
async fn the_lines_are_on_every_answer_for_who_is_allowed_and_on_none_for_who_is_not() {
    let gateway = Gateway::start(&format!("edge: {{ {CORS} }}")).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://a.b.example.com", true),
        ("https://example.com", false),
        ("http://app.example", false),
        ("https://app.example.evil", false),
        ("null", false),
    ] {
        for (method, target, accept, status) in [
            ("HEAD", "/topics/orders", "*/*", 200),
            ("OPTIONS", "/topics/orders", "*/*", 204),
            ("GET", "/topics/a..b", "*/*", 400),
            ("GET", "/topics", "*/*", 404),
            ("POST", "/topics/orders", "*/*", 405),
            ("GET", "/topics/orders", "text/html", 406),
        ] {
            let headers = format!("Origin: {origin}\r\nAccept: {accept}\r\n");
            let answer = ask(&gateway, method, target, &headers).await;
            assert_eq!(answer.status, status, "{method} {target}");
            assert_eq!(readable(&answer, origin), allowed, "{origin} {method} {target}");
        }
        let mut stream = Request::topic("orders").header("Origin", origin).open(&gateway).await;
        stream.opening().await;
        assert_eq!(stream.field(ORIGIN), allowed.then_some(origin), "{}", stream.head);
        assert_eq!(stream.field("vary"), Some("Accept, Origin"));
    }
    let plain = ask(&gateway, "HEAD", "/topics/orders", "").await;
    assert!(!readable(&plain, ""));
}

#[tokio::test]
async fn a_preflight_says_what_may_be_sent_and_for_how_long() {
    let gateway = Gateway::start(&format!("edge: {{ {CORS} }}")).await;
    let asks = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id\r\n";
    // Also where the real request will be refused: only then the page is told why.
    for target in ["/topics/orders", "/topics?topic=a", "/topics/a..b", "/topics"] {
        let allowed =
            ask(&gateway, "OPTIONS", target, &format!("Origin: https://app.example\r\n{asks}")).await;
        assert_eq!(allowed.status, 204);
        assert!(readable(&allowed, "https://app.example"), "{}", allowed.head);
        for (name, value) in [
            ("access-control-allow-methods", "GET, HEAD"),
            ("access-control-allow-headers", "Last-Event-ID, Authorization, Cache-Control, Accept"),
            ("access-control-max-age", "7200"),
        ] {
            assert_eq!(allowed.field(name), Some(value), "{}", allowed.head);
        }
    }
    let refused =
        ask(&gateway, "OPTIONS", "/topics/a", &format!("Origin: https://evil.example\r\n{asks}")).await;
    assert_eq!(refused.status, 204);
    assert!(!readable(&refused, ""));
}

#[tokio::test]
async fn the_overload_answer_can_be_read_too() {
    let origin = "https://app.example";
    for (overload, status) in [("retry", 200), ("status", 503)] {
        let gateway = Gateway::start(&format!(
            "edge: {{ {CORS}, overload: {overload}, limits: {{ connections: 1 }} }}"
        ))
        .await;
        let _only = Subscriber::open(&gateway, "orders").await;
        let asked = |origin: &'static str| ask_for_stream(&gateway, origin);
        let answer = asked(origin).await;
        assert_eq!(answer.status, status);
        assert!(readable(&answer, origin));
        assert!(!readable(&asked("https://evil.example").await, ""));
    }
}

async fn ask_for_stream(gateway: &Gateway, origin: &str) -> Answer {
    ask(gateway, "GET", "/topics/orders", &format!("Origin: {origin}\r\nAccept: text/event-stream\r\n")).await
}

#[tokio::test]
async fn without_the_key_nobody_may_and_the_apps_own_answers_are_left_alone() {
    let mut app = App::start().await;
    let gateway = Gateway::start(&format!("edge: {{ upstream: \"{}\" }}", app.url)).await;
    let origin = "Origin: https://app.example\r\n";
    let none = ask(&gateway, "HEAD", "/topics/orders", origin).await;
    assert_eq!((none.field(ORIGIN), none.field("vary")), (None, Some("Accept")));

    gateway.rewrite(&format!("edge: {{ upstream: \"{}\", {CORS} }}", app.url));
    gateway.says("configuration reloaded").await;
    let some = ask(&gateway, "HEAD", "/topics/orders", origin).await;
    assert!(readable(&some, "https://app.example"));
    let answer_it = async {
        let (_, mut stream) = app.request().await;
        let head =
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: https://its.own\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let (proxied, _stream) = tokio::join!(ask(&gateway, "GET", "/", origin), answer_it);
    assert_eq!(proxied.field(ORIGIN), Some("https://its.own"));
    assert_eq!(proxied.field("vary"), None);
}

#[tokio::test]
async fn every_origin_may_without_credentials() {
    let gateway = Gateway::start("edge: { cors: { origins: [\"*\"] } }").await;
    let answer = ask(&gateway, "HEAD", "/topics/orders", "Origin: https://any.example\r\n").await;
    assert_eq!(answer.field(ORIGIN), Some("*"));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
}
