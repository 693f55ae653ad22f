//! Contract, section 4, "JSON pages": history for whoever prefers JSON, and waiting for what comes.

use crate::support::{Answer, Connection, Gateway, Request, Sender, Subscriber, exchange, until};

const CONNECTIONS: &str = "sidestream_connections";

fn request(target: &str) -> String {
    format!("GET /topics{target} HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n")
}

async fn page(gateway: &Gateway, target: &str) -> serde_json::Value {
    let answer = exchange(&gateway.edge, request(target)).await;
    assert_page(&answer);
    answer.json()
}

fn assert_page(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    for (name, value) in
        [("content-type", "application/json"), ("cache-control", "no-store"), ("vary", "Accept")]
    {
        assert_eq!(answer.field(name), Some(value), "{}", answer.head);
    }
}

/// A request for a page that waits, which has begun to.
async fn waiting(gateway: &Gateway, target: &str, among: u32) -> Connection {
    let mut connection = Connection::open(&gateway.edge).await;
    connection.send(request(target)).await;
    gateway.wait_for_metric(CONNECTIONS, |open| open == f64::from(among)).await;
    connection
}

fn data(page: &serde_json::Value) -> Vec<&str> {
    page["events"].as_array().unwrap().iter().map(|row| row["data"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_filter_would_have_let_through_of_the_lost_is_not_counted() {
    let gateway = Gateway::start("history: { events: 2 }").await;
    let mut sender = Sender::open(&gateway).await;
    let first = sender.publish("orders", "0").await;
    for n in 1..6 {
        sender.publish_typed("orders", if n == 3 { "a" } else { "b" }, n.to_string()).await;
    }
    let resumed = async |more: &str| {
        page(&gateway, &format!("/orders?last-event-id={}{more}", first.cursor)).await["gap"]["missed"]
            .clone()
    };
    assert_eq!(resumed("").await, 3);
    assert_eq!(resumed("&event=a").await, serde_json::Value::Null);
}

#[tokio::test]
async fn a_page_holds_what_a_stream_would_tell() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let first = sender.publish("orders.1", "{\"a\":1}").await;
    sender.publish("others", "x").await;
    let second = sender.publish_typed("orders.2", "created", "two\nlines").await;
    let all = page(&gateway, "/orders.*").await;
    assert_eq!(data(&all), ["{\"a\":1}", "two\nlines"]);
    let (one, two) = (&all["events"][0], &all["events"][1]);
    assert_eq!((&one["id"], &two["id"]), (&first.cursor.clone().into(), &second.cursor.clone().into()));
    assert_eq!((&one["topic"], &one["type"]), (&"orders.1".into(), &"message".into()));
    assert_eq!((&two["topic"], &two["type"]), (&"orders.2".into(), &"created".into()));
    let time = one["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    assert_eq!((&all["more"], &all["gap"]), (&false.into(), &serde_json::Value::Null));

    assert_eq!(
        data(&page(&gateway, "/orders.*?limit=1").await),
        ["two\nlines"],
        "the newest, without a place"
    );
    assert_eq!(data(&page(&gateway, "?topic=orders.1&topic=others").await), ["{\"a\":1}", "x"]);
    assert_eq!(data(&page(&gateway, "/**?event=created&since=start").await), ["two\nlines"]);
    let cut = page(&gateway, "/**?since=start&limit=2").await;
    assert_eq!((data(&cut), &cut["more"]), (vec!["{\"a\":1}", "x"], &true.into()));
    assert_eq!(data(&page(&gateway, "/**?last=2&limit=5").await), ["x", "two\nlines"]);

    let mut connection = Connection::open(&gateway.edge).await;
    connection.send(request("/orders.*?wait=60s").replacen("GET", "HEAD", 1)).await;
    assert!(connection.head().await.unwrap().contains("application/json"), "a HEAD does not wait");
}

#[tokio::test]
async fn a_cursor_goes_on_in_the_other_form() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    for n in 0..6 {
        sender.publish("orders", n.to_string()).await;
    }
    // Page, stream, page.
    let first = page(&gateway, "/orders?since=start&limit=2").await;
    assert_eq!(data(&first), ["0", "1"]);
    let mut stream = Request::topic("orders").after(first["cursor"].as_str().unwrap()).open(&gateway).await;
    assert_eq!(stream.opening().await.id(), first["cursor"]);
    assert_eq!(stream.event().await.data(), "2");
    assert_eq!(stream.event().await.data(), "3");
    let seen = stream.cursor.clone().unwrap();
    let second = page(&gateway, &format!("/orders?last-event-id={seen}&since=start")).await;
    assert_eq!(data(&second), ["4", "5"], "a cursor wins over since");

    // A page of a filtered subscription that holds nothing moves its cursor on.
    let nothing = page(&gateway, "/orders?event=rare&since=start").await;
    assert_eq!((data(&nothing), &nothing["cursor"]), (vec![], &second["cursor"]));
}

#[tokio::test]
async fn a_gap_is_in_the_page() {
    let gateway = Gateway::start("history: { events: 2 }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(sender.publish("orders", n.to_string()).await.cursor);
    }
    let gap = |requested: &str, resumed: &str, reason: &str, missed: Option<u64>| serde_json::json!({"requested":requested,"resumed":resumed,"reason":reason,"missed":missed});
    let evicted = page(&gateway, &format!("/orders?last-event-id={}", sent[0])).await;
    assert_eq!(evicted["gap"], gap(&sent[0], &sent[2], "evicted", Some(2)));
    assert_eq!(data(&evicted), ["3", "4"]);
    let restarted = page(&gateway, "/orders?last-event-id=0123456789ab-1").await;
    assert_eq!(restarted["gap"], gap("0123456789ab-1", &sent[2], "restarted", None));
    assert_eq!(data(&restarted), ["3", "4"]);
    // It is told at once: there is no waiting for a page that holds a gap.
    let unknown = page(&gateway, "/orders?last-event-id=bogus&wait=60s").await;
    assert_eq!(unknown["gap"], gap("bogus", &sent[4], "unknown", None));
    assert!(data(&unknown).is_empty());
    for reason in ["evicted", "restarted", "unknown"] {
        let metric = format!("sidestream_gaps_total{{reason=\"{reason}\"}}");
        gateway.wait_for_metric(&metric, |told| told == 1.0).await;
    }
}

#[tokio::test]
async fn who_waits_is_told_as_soon_as_something_comes_and_not_of_others() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let begin = sender.publish("orders", "0").await.cursor;
    let target = format!("/orders?event=created&last-event-id={begin}&wait=60s");
    let mut all = Vec::new();
    for among in 1..=3 {
        all.push(waiting(&gateway, &target, among).await);
    }
    sender.publish_many("others", (0..500).map(|n| n.to_string())).await;
    sender.publish("orders", "untyped").await;
    let accepted = sender.publish_typed("orders", "created", "1").await;
    for mut connection in all {
        let answer = connection.answer().await;
        assert_page(&answer);
        assert_eq!(data(&answer.json()), ["1"]);
        assert_eq!(answer.json()["cursor"], accepted.cursor);
        // The connection takes the next request, which waits again.
        connection.send(request(&format!("/orders?last-event-id={begin}"))).await;
        assert_eq!(data(&connection.answer().await.json()), ["untyped", "1"]);
    }
    gateway.connections(0).await;
}

#[tokio::test]
async fn waiting_ends_with_its_time() {
    let gateway = Gateway::start("").await;
    let empty = page(&gateway, "/orders?wait=50ms").await;
    assert_eq!(
        (data(&empty), &empty["more"], &empty["gap"]),
        (vec![], &false.into(), &serde_json::Value::Null)
    );
    gateway.connections(0).await;
}

#[tokio::test]
async fn waiting_ends_with_its_connection() {
    let gateway = Gateway::start("").await;
    let gone = waiting(&gateway, "/orders?wait=60s", 1).await;
    drop(gone);
    gateway.connections(0).await;
    assert!(!gateway.stderr().contains("WARN\",\"message\":\"the app"), "{}", gateway.stderr());
}

#[tokio::test]
async fn waiting_ends_with_a_drain() {
    // Whoever still waited at the end of this would be cut.
    let gateway = Gateway::start("drain: { window: 2s, timeout: 10s }").await;
    let mut connection = waiting(&gateway, "/orders?wait=60s", 1).await;
    gateway.terminate();
    let answer = connection.answer().await;
    assert_page(&answer);
    assert_eq!(answer.field("connection"), Some("close"), "{}", answer.head);
    assert!(data(&answer.json()).is_empty());
    assert!(gateway.exit().await.status.success());
}

#[tokio::test]
async fn who_waits_counts_and_who_does_not_is_served_all_the_same() {
    let gateway = Gateway::start("edge: { limits: { connections: 2 } }").await;
    let _stream = Subscriber::open(&gateway, "orders").await;
    let mut waits = waiting(&gateway, "/orders?wait=60s", 2).await;
    let refused = exchange(&gateway.edge, request("/orders?wait=60s")).await;
    refused.assert_problem(503);
    let retry: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((5..=15).contains(&retry));
    assert_eq!(refused.field("vary"), Some("Accept"));
    assert!(data(&page(&gateway, "/orders").await).is_empty());
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(data(&waits.answer().await.json()), ["1"]);
    // There is room again.
    until("room", async || {
        let target = "/orders?last-event-id=&event=none&wait=50ms";
        (exchange(&gateway.edge, request(target)).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_page_can_be_read_by_whom_cors_allows() {
    let gateway = Gateway::start("edge: { cors: { origins: [https://app.example] } }").await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let asked = request("/orders").replacen("Host:", &format!("Origin: {origin}\r\nHost:"), 1);
        let answer = exchange(&gateway.edge, asked).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("vary"), Some("Accept, Origin"));
        assert_eq!(answer.field("access-control-allow-origin"), allowed.then_some(origin));
    }
}
