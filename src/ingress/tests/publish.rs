//! What is published, how it is answered, and every refusal that comes from the request alone.

use super::fake::{Bench, MAX_BODY, post};

#[tokio::test]
async fn a_post_is_answered_with_its_place_and_published_as_it_came() {
    let bench = Bench::new();
    let answer =
        bench.ask(post("/webhooks/orders", "Sidestream-Event: order.created\r\n", "{\"id\":7}\n")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("connection"), None);
    assert_eq!(
        answer.body,
        r#"{"topic":"orders","cursor":"000000000007-1","subscribers":6,"duplicate":false}"#
    );
    let event = ("orders".into(), Some("order.created".into()), "{\"id\":7}\n".into());
    assert_eq!(bench.published(), [event]);
    assert_eq!(bench.outcomes("accepted"), 1);
    assert_eq!(bench.metric("sidestream_events_total", "source=\"default\""), 1);
    assert_eq!(bench.metric("sidestream_event_bytes_total", ""), 9);
}

#[tokio::test]
async fn a_body_may_be_empty_or_exactly_as_long_as_the_limit() {
    let bench = Bench::new();
    let longest = "x".repeat(MAX_BODY);
    assert_eq!(bench.ask("POST /webhooks/a HTTP/1.1\r\nHost: t\r\n\r\n").await.status, 202);
    assert_eq!(bench.ask(post("/webhooks/b", "", &longest)).await.status, 202);
    let published = bench.published();
    assert_eq!(published[0], ("a".into(), None, String::new()));
    assert_eq!(published[1], ("b".into(), None, longest));
}

#[tokio::test]
async fn the_path_is_decoded_once_and_must_be_a_name() {
    let long = "a".repeat(300);
    let (at_limit, over_limit) = (format!("/webhooks/{}", "a".repeat(256)), format!("/webhooks/{long}"));
    let cases = [
        ("/webhooks/orders", 202),
        ("/webhooks/orders?topic=other", 202),
        ("/webhooks/users%2E42", 202),
        ("/webhooks/a%7EC3", 202),
        ("/webhooks/a~C3", 202),
        ("http://here/webhooks/orders", 202),
        (at_limit.as_str(), 202),
        (over_limit.as_str(), 400),
        ("/webhooks/a%2Fb", 400),
        ("/webhooks/a%252Eb", 400),
        ("/webhooks/a%25", 400),
        ("/webhooks/a%", 400),
        ("/webhooks/a%zz", 400),
        ("/webhooks/a+b", 400),
        ("/webhooks/a%20b", 400),
        ("/webhooks/a%00b", 400),
        ("/webhooks/a..b", 400),
        ("/webhooks/a.", 400),
        ("/webhooks/orders.*", 400),
        ("/webhooks/%2A%2A", 400),
        ("/webhooks/sidestream.gap", 400),
        ("/webhooks/caf%C3%A9", 400),
        ("/webhooks/%FF", 400),
        ("/webhooks/..", 400),
        ("/webhooks/", 404),
        ("/webhooks", 404),
        ("/webhooks/orders/", 404),
        ("/webhooks//orders", 404),
        ("//webhooks/orders", 404),
        ("/webhooks/a/b", 404),
        ("/", 404),
        ("/topics/orders", 404),
    ];
    for (path, want) in cases {
        let bench = Bench::new();
        let host = if path.starts_with("http") { "here" } else { "t" };
        let answer =
            bench.ask(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx")).await;
        assert_eq!(answer.status, want, "{path}: {}", answer.body);
        match want {
            202 => assert_eq!(bench.published().len(), 1, "{path}"),
            400 => bench.refused("malformed"),
            _ => bench.refused("not_found"),
        }
    }
}

#[tokio::test]
async fn bytes_that_no_target_may_hold_do_not_reach_a_topic() {
    for path in [&b"/webhooks/a\0b"[..], b"/webhooks/a\xff", b"/webhooks/a b", b"/webhooks/a\x7f"] {
        let bench = Bench::new();
        let request = [b"POST ", path, b" HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx"].concat();
        let answer = bench.ask(request).await;
        assert_eq!(answer.status, 400, "{}: {}", path.escape_ascii(), answer.body);
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_is_taken() {
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let bench = Bench::new();
        let answer = bench.ask(format!("{method} /webhooks/orders HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        bench.refused("malformed");
    }
    let bench = Bench::new();
    let mut peer = bench.peer();
    peer.send("HEAD /webhooks/orders HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(peer.receive_head().await.status, 405);
    // The connection is not out of step after an answer without a body.
    assert_eq!(peer.ask(post("/webhooks/orders", "", "x")).await.status, 202);
}

#[tokio::test]
async fn headers_of_ours_must_be_single_and_valid() {
    let long_type = format!("Sidestream-Event: {}\r\n", "x".repeat(129));
    let long_id = format!("Sidestream-Id: {}\r\n", "x".repeat(1025));
    let huge = format!("Sidestream-Event: {}\r\n", "x".repeat(64 << 10));
    let cases = [
        "Sidestream-Event:\r\n",
        "Sidestream-Event: a,b\r\n",
        "Sidestream-Event: a\tb\r\n",
        "Sidestream-Event: open\r\n",
        "Sidestream-Event: sidestream.gap\r\n",
        "Sidestream-Event: a\r\nSidestream-Event: a\r\n",
        "Sidestream-Id:  \r\n",
        "Sidestream-Id: a\r\nsidestream-id: b\r\n",
        &long_type,
        &long_id,
        &huge,
    ];
    for extra in cases {
        let bench = Bench::new();
        let answer = bench.ask(post("/webhooks/orders", extra, "x")).await;
        assert_eq!(answer.status, 400, "{extra:.40}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        bench.refused("malformed");
    }
    let bench = Bench::new();
    let latin = b"POST /webhooks/o HTTP/1.1\r\nHost: t\r\nSidestream-Event: caf\xe9\r\n\r\n";
    assert_eq!(bench.ask(latin).await.status, 400);
    bench.refused("malformed");
    assert_eq!(
        bench.ask("POST /webhooks/o HTTP/1.1\r\nHost: t\r\nSidestream-Event: café\r\n\r\n").await.status,
        202
    );
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_refused() {
    for body in [&b"caf\xe9"[..], b"\x1f\x8b\x08\0", b"ok\xf0\x9f\x98"] {
        let bench = Bench::new();
        let head =
            format!("POST /webhooks/orders HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = bench.ask([head.as_bytes(), body].concat()).await;
        assert_eq!(answer.status, 415);
        bench.refused("malformed");
    }
}

#[tokio::test]
async fn a_problem_says_what_is_wrong() {
    let answer = Bench::new().ask(post("/webhooks/a..b", "", "x")).await;
    let problem = answer.json();
    assert_eq!(problem["title"], "Bad Request");
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().contains("empty token"), "{problem}");
}
