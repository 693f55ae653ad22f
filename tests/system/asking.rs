//! Contract, section 4: what may be asked of the edge, and how a request that makes no sense is told so.

use crate::support::{Gateway, Request, Sender, exchange, get};

fn listed(count: usize) -> String {
    (0..count).map(|n| format!("topic=t{n}")).collect::<Vec<_>>().join("&")
}

/// All of it in one server: not one of these opens a stream, and each says why.
#[tokio::test]
async fn bad_input_is_told_what_is_wrong() {
    let gateway = Gateway::start("").await;
    let (too_many, long) = (format!("?{}", listed(65)), format!("/a?x={}", "x".repeat(10 << 10)));
    for (target, why) in [
        ("/a*", "* must be a whole token"),
        ("/**.a", "* must be a whole token"),
        ("/a..*", "empty token"),
        ("/orders/", "'/' is not allowed"),
        ("/a%2Fb", "'/' is not allowed"),
        ("/a%252Eb", "'%' is not allowed"),
        ("/a+b", "'+' is not allowed"),
        ("/a%2", "two hex digits"),
        ("/%ff", "not UTF-8"),
        ("?topic=a&topic=b**", "\"b**\""),
        ("?topic=a+b", "' ' is not allowed"),
        ("?topic=a%252Eb", "'%' is not allowed"),
        ("?topic=", "it is empty"),
        ("/sidestream.x", "the server's own"),
        ("/sidestream.*", "the server's own"),
        ("/a?event=sidestream.gap", "the server's own"),
        ("/a?format=xml", "expected plain, envelope or envelope-json"),
        ("/a?since=tomorrow", "expected start, or a duration"),
        ("/a?last=many", "expected a whole number"),
        ("/a?since=5m&last=1", "expected one of them"),
        ("/a?limit=1001", "from 1 to 1000"),
        ("/a?wait=61s", "at most 60s"),
        (&too_many, "65 topics; at most 64"),
        (&long, "at most 8192"),
    ] {
        let answer = get(&gateway.edge, &format!("/topics{target}")).await;
        answer.assert_problem(400);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{target}: {detail}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{target}");
    }
    assert_eq!(gateway.metrics().await.get("sidestream_connections_opened_total"), 0.0);
}

#[tokio::test]
async fn one_topic_may_be_named_in_many_ways() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    for target in
        ["/a.b", "/a%2Eb", "?topic=a.b", "/?topic=a%2eb&utm_source=x", "/a.b?topic=a.b&access_token=x"]
    {
        let mut stream = Request::to(format!("/topics{target}")).open(&gateway).await;
        stream.opening().await;
        let accepted = sender.publish("a.b", "1").await;
        assert_eq!(stream.event().await.id(), accepted.cursor, "{target}");
    }
}

#[tokio::test]
async fn a_reload_changes_how_many_topics_may_be_named() {
    let gateway = Gateway::start("edge: { limits: { topics_per_connection: 2 } }").await;
    let refused = get(&gateway.edge, &format!("/topics?{}", listed(3))).await;
    refused.assert_problem(400);
    assert!(refused.text().contains("at most 2 "), "{}", refused.text());
    gateway.rewrite("edge: { limits: { topics_per_connection: 0 } }");
    gateway.says("edge.limits.topics_per_connection: 2, now 0").await;
    gateway.says("configuration reloaded").await;
    let head = format!("HEAD /topics?{} HTTP/1.1\r\nHost: test\r\n\r\n", listed(200));
    assert_eq!(exchange(&gateway.edge, head).await.status, 200);
}

/// Each part of what is asked reaches the stream.
#[tokio::test]
async fn what_is_asked_for_is_what_is_streamed() {
    let gateway = Gateway::start("edge: { heartbeat: 100ms }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut sent = Vec::new();
    for (topic, kind) in [("a.1", "x"), ("a.2", "y"), ("b", "x"), ("a.3", "x"), ("c", "x")] {
        sent.push(sender.publish_typed(topic, kind, "{\"n\":1}").await.cursor);
    }
    let ask = "/topics/a.*?topic=b&event=x&format=envelope-json&heartbeat=event";
    for (begin, want) in
        [("since=start", &[0, 2, 3][..]), ("since=1h", &[0, 2, 3]), ("last=2", &[2, 3]), ("last=0", &[])]
    {
        let mut stream = Request::to(format!("{ask}&{begin}")).open(&gateway).await;
        let open = stream.block().await;
        assert_eq!(open.event.as_deref(), Some("sidestream.open"), "{begin}: {open:?}");
        for &index in want {
            let block = stream.event().await;
            assert_eq!((block.id(), block.event.as_deref()), (sent[index].as_str(), Some("x")), "{begin}");
            let envelope: serde_json::Value = serde_json::from_str(block.data()).unwrap();
            assert_eq!((&envelope["type"], &envelope["data"]["n"]), (&"x".into(), &1.into()), "{begin}");
        }
        let beat = stream.event().await;
        assert_eq!(beat.event.as_deref(), Some("sidestream.heartbeat"), "{begin}: {beat:?}");
    }
    // A reconnect to the same URL: the cursor wins.
    let mut stream = Request::to(format!("{ask}&since=start")).after(&sent[2]).open(&gateway).await;
    assert_eq!(stream.block().await.id(), sent[2]);
    assert_eq!(stream.event().await.id(), sent[3]);
}
