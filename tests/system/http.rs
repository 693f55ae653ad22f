//! What the listeners answer to requests that are no stream, or not in the usual form.

use crate::support::{Connection, End, Gateway, Item, Request, Sender, Subscriber, exchange, get, post};

#[tokio::test]
async fn head_gets_the_head_alone() {
    let gateway = Gateway::start("").await;
    let mut connection = Connection::open(&gateway.edge).await;
    connection.send("HEAD /topics/orders HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    let head = connection.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    for line in
        ["content-type: text/event-stream", "cache-control: no-store, no-transform", "x-accel-buffering: no"]
    {
        assert!(lower.contains(line), "{line} in {head}");
    }
    assert_eq!(connection.rest().await.unwrap(), b"");
    assert_eq!(gateway.metrics().await.get("sidestream_connections_opened_total"), 0.0);
}

#[tokio::test]
async fn refusals_are_statuses_and_problems() {
    let gateway = Gateway::start("").await;
    for (method, path, accept, status) in [
        ("GET", "/topics", "*/*", 404),
        ("GET", "/topics/", "*/*", 404),
        ("GET", "/", "*/*", 404),
        ("GET", "/topicsx/orders", "*/*", 404),
        ("POST", "/topics/orders", "*/*", 405),
        ("DELETE", "/topics/orders", "*/*", 405),
        ("GET", "/topics/orders", "text/html", 406),
        ("GET", "/topics/orders", "text/event-stream;q=0, application/json;q=0", 406),
        ("GET", "/topics/a..b", "*/*", 400),
        ("GET", "/topics/a%2Fb", "*/*", 400),
        ("GET", "/topics/%ff", "*/*", 400),
        ("GET", "/topics/sidestream.x", "*/*", 400),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\n\r\n");
        let answer = exchange(&gateway.edge, request).await;
        answer.assert_problem(status);
        if status == 405 {
            assert_eq!(answer.field("Allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
    let options = exchange(&gateway.edge, "OPTIONS /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!((options.status, options.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(gateway.metrics().await.get("sidestream_connections_opened_total"), 0.0);
}

#[tokio::test]
async fn each_listener_serves_its_own_paths_only() {
    let gateway = Gateway::start("").await;
    for path in ["/webhooks/orders", "/metrics", "/healthz", "/api/info"] {
        get(&gateway.edge, path).await.assert_problem(404);
    }
    post(&gateway.edge, "/webhooks/orders", "x").await.assert_problem(404);
    for path in ["/topics/orders", "/metrics", "/webhooks", "/webhooks/a/b"] {
        post(&gateway.ingress, path, "x").await.assert_problem(404);
    }
    let wrong = get(&gateway.ingress, "/webhooks/orders").await;
    wrong.assert_problem(405);
    assert_eq!(wrong.field("Allow"), Some("POST"));
    get(&gateway.admin, "/topics/orders").await.assert_problem(404);
    post(&gateway.admin, "/webhooks/orders", "x").await.assert_problem(404);
    assert_eq!(gateway.metrics().await.get("sidestream_events_total{source=\"default\"}"), 0.0);
}

#[tokio::test]
async fn http_1_0_gets_the_bare_stream_and_the_connections_end() {
    let gateway = Gateway::start("edge: { heartbeat: 100ms }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut old = Request::topic("orders").version("HTTP/1.0").open(&gateway).await;
    assert_eq!(old.field("Transfer-Encoding"), None, "{}", old.head);
    old.opening().await;
    let accepted = sender.publish("orders", "one\ntwo").await;
    assert_eq!(old.event().await.raw, format!("id: {}\ndata: one\ndata: two\n\n", accepted.cursor));
    assert_eq!(old.next().await.unwrap(), Item::Comment(":".into()));
    gateway.terminate();
    old.farewell().await;
    assert!(gateway.exit().await.status.success());
}

#[tokio::test]
async fn what_comes_behind_a_subscription_is_not_answered() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let pipelined = b"GET /topics/others HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut stream = Request::topic("orders").followed_by(pipelined.repeat(20)).open(&gateway).await;
    stream.opening().await;
    stream.send(pipelined).await;
    let accepted = sender.publish("orders", "1").await;
    assert_eq!(accepted.subscribers, 1);
    assert_eq!(sender.publish("others", "2").await.subscribers, 0);
    assert_eq!(stream.event().await.id(), accepted.cursor);
    gateway.terminate();
    // A reset for those unread bytes must not overtake the end.
    stream.farewell().await;
    assert!(gateway.exit().await.status.success());
}

#[tokio::test]
async fn a_request_before_a_subscription_keeps_the_connection() {
    let gateway = Gateway::start("").await;
    let mut connection = Connection::open(&gateway.edge).await;
    connection.send("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n").await;
    connection.answer().await.assert_problem(404);
    connection.send("HEAD /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n").await;
    connection.head().await.unwrap();
    connection.send(Request::topic("orders").bytes()).await;
    let mut stream = Subscriber::over(connection).await;
    stream.opening().await;
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
}

#[tokio::test]
async fn a_key_publishes_once() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let key = [("Sidestream-Id", "delivery-1")];
    let first = sender.post("orders", &key, "1").await;
    let second = sender.post("orders", &key, "1 again").await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json()["cursor"], second.json()["cursor"]);
    assert_eq!((&first.json()["duplicate"], &second.json()["duplicate"]), (&false.into(), &true.into()));
    let other = sender.publish("orders", "2").await;
    assert_eq!(first.json()["cursor"], stream.event().await.id());
    assert_eq!(stream.event().await.id(), other.cursor, "nothing in between");
    let metrics = gateway.metrics().await;
    let outcome =
        |name| metrics.get(&format!("sidestream_webhooks_total{{source=\"default\",outcome=\"{name}\"}}"));
    let swapped =
        |name| metrics.get(&format!("sidestream_webhooks_total{{outcome=\"{name}\",source=\"default\"}}"));
    assert_eq!(outcome("accepted") + swapped("accepted"), 2.0);
    assert_eq!(outcome("duplicate") + swapped("duplicate"), 1.0);
}

#[tokio::test]
async fn a_subscriber_that_half_closes_is_gone() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    gateway.connections(1).await;
    stream.half_close().await;
    let (items, end) = stream.rest().await;
    assert!(items.is_empty() && end != End::Reset, "{items:?} {end:?}");
    gateway.connections(0).await;
}
