//! Requests that are late, too large, cut off or wrong. Each is answered, publishes nothing, and harms nobody else.

use tokio::io::AsyncWriteExt as _;

use crate::support::{Answer, Connection, Gateway, Request, Sender, Subscriber, within};

/// Sends to the ingress and reads an answer; then the connection must end without a reset.
async fn refused(gateway: &Gateway, bytes: &[u8]) -> Answer {
    let mut connection = Connection::open(&gateway.ingress).await;
    connection.send_what_is_taken(bytes).await;
    let answer = connection.answer().await;
    connection.half_close().await;
    assert_eq!(connection.rest().await.unwrap(), b"", "{answer:?}");
    answer
}

/// Checks that a topic's next event is the next one that is published now: nothing came of what was refused.
async fn nothing_published(gateway: &Gateway, mut stream: Subscriber) {
    let accepted = Sender::open(gateway).await.publish("orders", "sentinel").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
    assert_eq!(gateway.metrics().await.get("sidestream_history_events"), 1.0);
}

#[tokio::test]
async fn half_a_request_and_silence_is_ended_in_time() {
    let gateway = Gateway::start("ingress: { body_timeout: 1s }").await;
    let stream = Subscriber::open(&gateway, "orders").await;
    let mut waiting = Vec::new();
    for address in [&gateway.edge, &gateway.ingress, &gateway.admin] {
        let mut connection = Connection::open(address).await;
        connection.send("POST /webhooks/orders HTTP/1.1\r\nHost: te").await;
        waiting.push(connection);
    }
    let mut body = Connection::open(&gateway.ingress).await;
    body.send("POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf").await;
    let mut chunks = Connection::open(&gateway.ingress).await;
    chunks
        .send(
            "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        )
        .await;
    waiting.extend([body, chunks]);
    for mut connection in waiting {
        connection.answer().await.assert_problem(408);
        connection.half_close().await;
        assert_eq!(connection.rest().await.unwrap(), b"");
    }
    let metrics = gateway.metrics().await;
    assert_eq!((metrics.get(UNKNOWN_MALFORMED), metrics.get(DEFAULT_MALFORMED)), (1.0, 2.0));
    nothing_published(&gateway, stream).await;
}

/// Heads that the ingress's listener refuses, and requests that its source does.
const UNKNOWN_MALFORMED: &str = "sidestream_webhooks_total{outcome=\"malformed\",source=\"unknown\"}";
const DEFAULT_MALFORMED: &str = "sidestream_webhooks_total{outcome=\"malformed\",source=\"default\"}";

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let gateway = Gateway::start("").await;
    let mut connection = Connection::open(&gateway.edge).await;
    for byte in Request::topic("orders").header("X-Filler", "y".repeat(200)).bytes() {
        connection.send([byte]).await;
    }
    let mut stream = Subscriber::over(connection).await;
    stream.opening().await;
    let mut connection = Connection::open(&gateway.ingress).await;
    let request = "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\none\r\n1;x=y\r\n,\r\n4\r\n two\r\n0\r\nTrailer: x\r\n\r\n";
    for byte in request.bytes() {
        connection.send([byte]).await;
    }
    assert_eq!(connection.answer().await.status, 202);
    assert_eq!(stream.event().await.data(), "one, two");
}

#[tokio::test]
async fn a_mebibyte_of_headers_is_refused() {
    let gateway = Gateway::start("").await;
    let one = format!("X-Filler: {}\r\n", "y".repeat(1 << 20));
    let many = "X-Filler: 0123456789012345678901234567890123456789012345678\r\n".repeat((1 << 20) / 60);
    let long = format!("GET /{} HTTP/1.1\r\n", "z".repeat(1 << 20));
    let line = "GET /topics/orders HTTP/1.1\r\n".to_owned();
    let post = "POST /webhooks/orders HTTP/1.1\r\n".to_owned();
    for (address, head) in [
        (&gateway.edge, line.clone() + &one),
        (&gateway.edge, line.clone() + &many),
        (&gateway.ingress, post + &one),
        (&gateway.admin, line + &many),
        (&gateway.edge, long),
    ] {
        let mut connection = Connection::open(address).await;
        connection.send_what_is_taken(head + "Host: test\r\n\r\n").await;
        connection.answer().await.assert_problem(431);
    }
    // The edge's and the admin's are no webhooks.
    assert_eq!(gateway.metrics().await.get(UNKNOWN_MALFORMED), 1.0);
    let stream = Subscriber::open(&gateway, "orders").await;
    nothing_published(&gateway, stream).await;
}

#[tokio::test]
async fn a_body_shorter_than_its_length_publishes_nothing() {
    let gateway = Gateway::start("").await;
    let stream = Subscriber::open(&gateway, "orders").await;
    for framing in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut connection = Connection::open(&gateway.ingress).await;
        connection.send(format!("POST /webhooks/orders HTTP/1.1\r\nHost: test\r\n{framing}")).await;
        connection.half_close().await;
        let rest = connection.rest().await.unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&rest));
    }
    nothing_published(&gateway, stream).await;
}

#[tokio::test]
async fn a_body_longer_than_its_length_is_cut_there() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut connection = Connection::open(&gateway.ingress).await;
    connection
        .send("POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nonetwo three\r\n\r\n")
        .await;
    assert_eq!(connection.answer().await.status, 202);
    connection.answer().await.assert_problem(400);
    connection.half_close().await;
    assert_eq!(connection.rest().await.unwrap(), b"");
    assert_eq!(stream.event().await.data(), "one");
    let next = Sender::open(&gateway).await.publish("orders", "next").await;
    assert_eq!(stream.event().await.id(), next.cursor);
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_however_it_is_framed() {
    let gateway = Gateway::start("ingress: { max_body: 64KiB }").await;
    let stream = Subscriber::open(&gateway, "orders").await;
    let head = "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\n";
    let body = "x".repeat((64 << 10) + 1);
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(64);
    for request in [
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{head}Content-Length: {}\r\n\r\n", 1u64 << 40),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{body}"),
        format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()),
    ] {
        refused(&gateway, request.as_bytes()).await.assert_problem(413);
    }
    nothing_published(&gateway, stream).await;
    let exact = Sender::open(&gateway).await.post("orders", &[], "x".repeat(64 << 10)).await;
    assert_eq!(exact.status, 202);
}

#[tokio::test]
async fn whoever_expects_a_100_gets_one() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut connection = Connection::open(&gateway.ingress).await;
    let head =
        "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    connection.send(head).await;
    assert_eq!(connection.head().await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send("body").await;
    assert_eq!(connection.answer().await.status, 202);
    assert_eq!(stream.event().await.data(), "body");
}

#[tokio::test]
async fn what_is_ambiguous_or_wrong_is_refused() {
    let gateway = Gateway::start("").await;
    let stream = Subscriber::open(&gateway, "orders").await;
    let post = "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\n";
    for (request, status) in [
        (format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), 400),
        (format!("{post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), 400),
        (format!("{post}Content-Length: -1\r\n\r\n"), 400),
        (format!("{post}Content-Length: 1\n\nx"), 400),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"), 400),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n"), 400),
        ("\0\u{1}\u{2}\r\n\r\n".to_owned(), 400),
        ("POST /webhooks/orders\r\n\r\n".to_owned(), 400),
        ("POST /webhooks/orders HTTP/2.0\r\nHost: test\r\n\r\n".to_owned(), 505),
        ("POST /webhooks/a..b HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx".to_owned(), 400),
    ] {
        refused(&gateway, request.as_bytes()).await.assert_problem(status);
    }
    let answer = Sender::open(&gateway).await.post("orders", &[], b"\xff\xfe").await;
    answer.assert_problem(415);
    nothing_published(&gateway, stream).await;
}

#[tokio::test]
async fn a_crowd_that_says_nothing_holds_up_nobody_else() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut crowd = Vec::new();
    for address in [&gateway.edge, &gateway.ingress, &gateway.admin] {
        for _ in 0..50 {
            let mut connection = Connection::open(address).await;
            connection.send("G").await;
            crowd.push(connection);
        }
    }
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
    gateway.connections(1).await;
    let files = gateway.open_files();
    drop(crowd);
    crate::support::until("the crowd is gone", async || (gateway.open_files() <= files - 150).then_some(()))
        .await;
}

/// A stream has ended, but its subscriber keeps sending on the same connection: neither the server nor the other streams
/// of its shard may suffer, and a flood is cut in the end.
#[tokio::test]
async fn a_subscriber_that_floods_a_stream_that_ends_harms_nobody() {
    let gateway = Gateway::start("edge: { max_connection_age: 1s }\nfanout: { shards: 1 }").await;
    let mut flooding = Request::topic("orders").connect(&gateway.edge).await;
    flooding.head().await.unwrap();
    let (mut stream, _) = flooding.into_parts();
    // Ends with an error when the server has cut it.
    let flood = tokio::spawn(async move {
        let block = vec![b'x'; 256 << 10];
        let mut sent = 0usize;
        while let Ok(()) = stream.write_all(&block).await {
            sent += block.len();
        }
        sent
    });
    gateway.wait_for_metric("sidestream_connections_closed_total{reason=\"age\"}", |n| n >= 1.0).await;
    let mut sender = Sender::open(&gateway).await;
    let mut other = Subscriber::open(&gateway, "orders").await;
    let accepted = sender.publish("orders", "meanwhile").await;
    assert_eq!(other.event().await.id(), accepted.cursor);
    within("the flood is cut", flood).await.unwrap();
    gateway.connections(0).await;
    gateway.terminate();
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}
