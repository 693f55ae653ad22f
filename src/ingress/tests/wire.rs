//! Framing: lengths, chunks, deadlines, pipelining, old versions.

use std::time::Duration;

use super::fake::{BODIES, Bench, MAX_BODY, post, settings};
use crate::ingress::Settings;

const CHUNKED: &str = "POST /webhooks/orders HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_length_over_the_cap_is_refused_unread() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let answer = peer
        .ask(format!("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1))
        .await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert!(answer.json()["detail"].as_str().unwrap().contains("100 bytes"));
    bench.refused("too_large");
    // The sender may finish what it began; then the connection ends.
    peer.send("x".repeat(MAX_BODY + 1)).await;
    peer.closed().await;
}

#[tokio::test]
async fn chunks_are_counted_as_they_come() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    peer.send(CHUNKED).await;
    peer.send(format!("32\r\n{}\r\n", "x".repeat(50))).await;
    peer.send(format!("33\r\n{}\r\n", "x".repeat(51))).await;
    let answer = peer.receive().await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    bench.refused("too_large");
}

#[tokio::test]
async fn bodies_on_their_way_share_a_budget_and_nothing_is_lost_by_its_end() {
    let bench = Bench::new();
    let (mut slow, mut refused) = (bench.peer(), bench.peer());
    slow.send(CHUNKED).await;
    slow.send(format!("5a\r\n{}\r\n", "a".repeat(90))).await;
    // Announced is not arrived: as much again would fit.
    let whole = post("/webhooks/orders", "", &"b".repeat(60));
    let head = whole.len() - 60;
    until(|| bench.held() == 90).await;
    refused.send(&whole[..head + 50]).await;
    until(|| bench.held() == 140).await;
    refused.send(&whole[head + 50..]).await;
    assert_eq!(refused.receive().await.status, 202);
    until(|| bench.held() == 90).await;

    let mut refused = bench.peer();
    let answer = refused.ask(post("/webhooks/orders", "", &"c".repeat(61))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(bench.outcomes("unavailable"), 1);
    slow.send("5\r\naaaaa\r\n0\r\n\r\n").await;
    assert_eq!(slow.receive().await.status, 202);
    until(|| bench.held() == 0).await;
    assert_eq!(bench.ask(post("/webhooks/orders", "", &"c".repeat(61))).await.status, 202);
    let lengths: Vec<_> = bench.published().iter().map(|(_, _, data)| data.len()).collect();
    assert_eq!(lengths, [60, 95, 61]);
}

/// A reload may raise `ingress.max_body` beyond the budget; such a body would be refused however often it is sent again.
#[tokio::test]
async fn the_largest_body_fits_when_it_is_alone_whatever_the_budget() {
    let bench = Bench::with(Settings { max_body: 4 * BODIES, ..settings() }, Duration::from_secs(10));
    let mut first = bench.peer();
    first.send(CHUNKED).await;
    first.send("1\r\na\r\n").await;
    until(|| bench.held() == 1).await;
    let largest = post("/webhooks/orders", "", &"b".repeat(4 * BODIES));
    assert_eq!(bench.ask(&largest).await.status, 503);
    first.send("0\r\n\r\n").await;
    assert_eq!(first.receive().await.status, 202);
    until(|| bench.held() == 0).await;
    assert_eq!(bench.ask(&largest).await.status, 202);
}

/// Waits for a state that another task brings about.
async fn until(state: impl Fn() -> bool) {
    while !state() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn chunks_within_the_cap_are_one_body() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    peer.send(CHUNKED).await;
    for piece in ["3\r\nfir\r\n", "2;ext=1\r\nst\r", "\n", "1", "\r\n+\r\n", "0\r\nTrailer: x\r\n", "\r\n"] {
        peer.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.receive().await.status, 202);
    assert_eq!(bench.published(), [("orders".into(), None, "first+".into())]);
    assert_eq!(peer.ask(post("/webhooks/orders", "", "next")).await.status, 202);
}

#[tokio::test]
async fn broken_chunks_publish_nothing() {
    for body in ["zz\r\nx\r\n0\r\n\r\n", "2\r\nxyz\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx"] {
        let bench = Bench::new();
        let mut peer = bench.peer();
        let answer = peer.ask(format!("{CHUNKED}{body}")).await;
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{body:?}");
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn a_body_shorter_than_its_length_publishes_nothing() {
    for request in ["POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED] {
        let bench = Bench::new();
        let mut peer = bench.peer();
        peer.send(request).await;
        peer.end().await;
        assert_eq!(peer.receive().await.status, 400);
        peer.closed().await;
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn what_follows_a_body_is_the_next_request() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let answer =
        peer.ask("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nabcdef\r\n\r\n").await;
    assert_eq!(answer.status, 202);
    let rest = peer.receive().await;
    assert_eq!((rest.status, rest.header("connection")), (400, Some("close")));
    peer.closed().await;
    assert_eq!(bench.published(), [("o".into(), None, "ab".into())]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let topics: Vec<_> = (0..20).map(|i| format!("t{i}")).collect();
    let requests: String = topics.iter().map(|t| post(&format!("/webhooks/{t}"), "", t)).collect();
    // Cut anywhere: the seams between reads must not matter.
    let (first, second) = requests.split_at(requests.len() / 2 + 7);
    peer.send(first).await;
    for (i, topic) in topics.iter().enumerate() {
        if i == 5 {
            peer.send(second).await;
        }
        let answer = peer.receive().await;
        assert_eq!((answer.status, answer.json()["topic"].as_str()), (202, Some(topic.as_str())));
    }
    let data: Vec<_> = bench.published().into_iter().map(|(_, _, data)| data).collect();
    assert_eq!(data, topics);
}

#[tokio::test]
async fn half_a_body_and_silence_is_408() {
    let settings = Settings { body_timeout: Duration::from_millis(30), ..settings() };
    for request in ["POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED] {
        let bench = Bench::with(settings.clone(), Duration::from_secs(10));
        let answer = bench.ask(request).await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn a_body_that_trickles_runs_into_the_same_deadline() {
    let settings = Settings { body_timeout: Duration::from_millis(50), ..settings() };
    let bench = Bench::with(settings, Duration::from_secs(10));
    let mut peer = bench.peer();
    peer.send("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n").await;
    let answer = loop {
        tokio::select! {
            answer = peer.receive() => break answer,
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        peer.send("x").await;
    };
    assert_eq!(answer.status, 408);
    bench.refused("malformed");
}

#[tokio::test]
async fn continue_is_said_only_for_a_wanted_body() {
    let expect = "Expect: 100-Continue\r\n";
    let bench = Bench::new();
    let mut peer = bench.peer();
    let head =
        |n: usize| format!("POST /webhooks/o HTTP/1.1\r\nHost: t\r\n{expect}Content-Length: {n}\r\n\r\n");
    assert_eq!(peer.ask(head(4)).await.status, 100);
    assert_eq!(bench.published(), []);
    let answer = peer.ask("data").await;
    assert_eq!((answer.status, answer.header("connection")), (202, None));
    assert_eq!(peer.ask(head(0)).await.status, 202);
    let refused = peer.ask(head(MAX_BODY + 1)).await;
    assert_eq!((refused.status, refused.header("connection")), (413, Some("close")));
    peer.end().await;
    peer.closed().await;
    assert_eq!(bench.published().len(), 2);

    let bench = Bench::new();
    let elsewhere = format!("POST /elsewhere HTTP/1.1\r\nHost: t\r\n{expect}Content-Length: 4\r\n\r\n");
    assert_eq!(bench.ask(elsewhere).await.status, 404);
    bench.refused("not_found");
}

#[tokio::test]
async fn http_1_0_is_served_and_closed_unless_it_asks() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let answer =
        peer.ask("POST /webhooks/o HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx").await;
    assert_eq!((answer.status, answer.header("connection")), (202, Some("keep-alive")));
    let answer = peer.ask("POST /webhooks/o HTTP/1.0\r\nContent-Length: 1\r\n\r\ny").await;
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    peer.closed().await;
    assert_eq!(bench.published().len(), 2);
    // RFC 9112 §6.1: HTTP/1.0 with a transfer coding is faulty framing.
    let coded =
        bench.ask("POST /webhooks/o HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").await;
    assert_eq!(coded.status, 400);
    assert_eq!(bench.published().len(), 2);
}

#[tokio::test]
async fn connection_close_is_kept() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let answer = peer.ask(post("/webhooks/o", "Connection: close\r\n", "x")).await;
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    peer.closed().await;
}

/// RFC 9112 §6.1: the coding overrides the length, and the connection is closed after the answer.
#[tokio::test]
async fn a_length_beside_a_coding_is_ignored_and_the_connection_closed() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    let smuggled = "POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
        1\r\nx\r\n0\r\n\r\nPOST /webhooks/smuggled HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n";
    let answer = peer.ask(smuggled).await;
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    peer.end().await;
    peer.closed().await;
    assert_eq!(bench.published(), [("o".into(), None, "x".into())]);
}

#[tokio::test]
async fn ambiguous_framing_and_heads_are_refused() {
    let cases = [
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nSidestream-Event: a\rb\r\n\r\n", 400),
        ("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nSidestream-Event: a\0b\r\n\r\n", 400),
        ("garbage\r\n\r\n", 400),
    ];
    for (request, want) in cases {
        let bench = Bench::new();
        let mut peer = bench.peer();
        let answer = peer.ask(request).await;
        assert_eq!((answer.status, answer.header("connection")), (want, Some("close")), "{request:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn headers_beyond_measure_are_refused() {
    let bench = Bench::new();
    let many = (0..300).map(|i| format!("X-{i}: y\r\n")).collect::<Vec<_>>().concat();
    let answer = bench.ask(format!("POST /webhooks/o HTTP/1.1\r\nHost: t\r\n{many}\r\n")).await;
    assert_eq!(answer.status, 431);
    bench.refused("malformed");

    let bench = Bench::new();
    let mut peer = bench.peer();
    peer.send("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nX: ").await;
    let mut sent = 0;
    let answer = loop {
        tokio::select! {
            answer = peer.receive() => break answer,
            () = tokio::task::yield_now() => {}
        }
        assert!(sent < 4 << 20, "no limit after {sent} bytes");
        peer.send(vec![b'x'; 32 << 10]).await;
        sent += 32 << 10;
    };
    assert_eq!((answer.status, answer.header("connection")), (431, Some("close")));
    bench.refused("malformed");
}

#[tokio::test]
async fn a_request_byte_by_byte_is_one_request() {
    let bench = Bench::new();
    let mut peer = bench.peer();
    for byte in post("/webhooks/o", "Sidestream-Event: e\r\n", "data").bytes() {
        peer.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.receive().await.status, 202);
    assert_eq!(bench.published(), [("o".into(), Some("e".into()), "data".into())]);
}
