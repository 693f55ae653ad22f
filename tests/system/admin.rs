//! What the admin listener shows of streams and history, and what it may end.

use serde_json::{Value, json};

use crate::support::{Gateway, Request, Sender, Subscriber, exchange, get, until};

async fn delete(gateway: &Gateway, path: &str) -> u16 {
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    exchange(&gateway.admin, request).await.status
}

/// All rows of a list, read in pages of `limit`.
async fn rows(gateway: &Gateway, path: &str, list: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&gateway.admin, &format!("{path}limit={limit}{after}")).await.json();
        let some = page[list].as_array().unwrap();
        assert!(some.len() <= limit, "{page}");
        rows.extend(some.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn streams_are_listed_in_pages_and_ended_one_by_one() {
    let gateway = Gateway::start("fanout: { shards: 2 }").await;
    let mut streams = Vec::new();
    for n in 0..15 {
        let target = if n % 3 == 0 { "/topics?topic=users.1&topic=orders.*" } else { "/topics/users.2" };
        let mut stream = Request::to(target).open(&gateway).await;
        stream.opening().await;
        streams.push((n, stream));
    }
    let all = rows(&gateway, "/api/connections?", "connections", 4).await;
    assert_eq!(all.len(), 15);
    let mut ids: Vec<_> = all.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 15, "each once");
    let orders = rows(&gateway, "/api/connections?topic=orders.7&", "connections", 1000).await;
    assert_eq!(orders.len(), 5);
    for row in &orders {
        assert_eq!(row["topics"], json!(["orders.*", "users.1"]));
        assert_eq!((&row["lag"], &row["subject"]), (&json!(0), &Value::Null));
        assert!(row["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{row}");
        assert!(row["age"].is_u64(), "{row}");
    }

    for row in &orders {
        assert_eq!(delete(&gateway, &format!("/api/connections/{}", row["id"].as_str().unwrap())).await, 204);
    }
    let again = format!("/api/connections/{}", orders[0]["id"].as_str().unwrap());
    assert_eq!(delete(&gateway, &again).await, 404);
    gateway.connections(10).await;
    for (n, stream) in &mut streams {
        if *n % 3 == 0 {
            assert!(stream.farewell().await.is_empty(), "nothing was published");
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("sidestream_connections_closed_total{reason=\"admin\"}"), 5.0);
    let mut sender = Sender::open(&gateway).await;
    assert_eq!(sender.publish("users.2", "still here").await.subscribers, 10);
    for (n, stream) in &mut streams {
        if *n % 3 != 0 {
            assert_eq!(stream.event().await.data(), "still here");
        }
    }

    for row in rows(&gateway, "/api/connections?topic=users.2&", "connections", 4).await {
        assert_eq!(delete(&gateway, &format!("/api/connections/{}", row["id"].as_str().unwrap())).await, 204);
    }
    for (n, stream) in &mut streams {
        if *n % 3 != 0 {
            assert!(stream.farewell().await.is_empty(), "it has had its event");
        }
    }
    assert_eq!(rows(&gateway, "/api/connections?", "connections", 4).await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_slow_reader_shows_its_lag_until_it_reads() {
    let gateway = Gateway::start("history: { events: 100000, bytes: 64MiB }").await;
    let mut stream = Request::topic("orders").receive_buffer(4096).open(&gateway).await;
    stream.opening().await;
    let mut sender = Sender::open(&gateway).await;
    let sent = sender.publish_many("orders", (0..2000).map(|n| format!("{n:0>500}"))).await;
    let lag = async || {
        let page = get(&gateway.admin, "/api/connections").await.json();
        page["connections"][0]["lag"].as_u64().unwrap()
    };
    until("it lags", async || (lag().await > 0).then_some(())).await;
    for _ in &sent {
        stream.event().await;
    }
    until("it has caught up", async || (lag().await == 0).then_some(())).await;
}

#[tokio::test]
async fn topics_are_listed_and_a_purged_one_is_a_gap_to_who_resumes() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let first = sender.publish("secrets.1", "leaked").await;
    sender.publish("secrets.1", "leaked again").await;
    for topic in ["secrets.2", "orders", "users"] {
        sender.publish(topic, "fine").await;
    }
    let mut live = Subscriber::open(&gateway, "secrets.1").await;
    let names = async |query: &str| -> Vec<String> {
        let rows = rows(&gateway, &format!("/api/topics?{query}"), "topics", 2).await;
        rows.iter().map(|row| format!("{}:{}:{}", row["name"], row["events"], row["subscribers"])).collect()
    };
    let all = ["\"orders\":1:0", "\"secrets.1\":2:1", "\"secrets.2\":1:0", "\"users\":1:0"];
    assert_eq!(names("").await, all);
    assert_eq!(names("prefix=secrets.&").await, all[1..3]);
    let row = &rows(&gateway, "/api/topics?prefix=secrets.1&", "topics", 1).await[0];
    assert!(row["bytes"].as_u64().unwrap() > 18, "{row}");
    assert!(row["last"].as_str().unwrap().ends_with('Z'), "{row}");

    let request = "DELETE /api/topics/secrets.1/history HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = exchange(&gateway.admin, request).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"purged": 2})));
    assert_eq!(delete(&gateway, "/api/topics/secrets.1/history").await, 200);
    assert_eq!(names("prefix=secrets.&").await, all[2..3]);

    // Well within the ring's reach, and told all the same.
    let mut resumed = Request::topic("secrets.1").after(&first.cursor).open(&gateway).await;
    assert!(resumed.block().await.id.is_none());
    let gap = resumed.block().await.gap();
    assert_eq!((&gap["reason"], &gap["missed"]), (&json!("evicted"), &json!(1)), "{gap}");
    let mut all = Request::to("/topics/**?since=start").open(&gateway).await;
    all.opening().await;
    for _ in 0..3 {
        assert_eq!(all.event().await.data(), "fine");
    }
    sender.publish("secrets.1", "new").await;
    for stream in [&mut live, &mut resumed, &mut all] {
        assert_eq!(stream.event().await.data(), "new");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_ends_and_purges_nothing() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish("orders", "1").await;
    let page = get(&gateway.admin, "/api/connections").await.json();
    let id = page["connections"][0]["id"].as_str().unwrap();
    for path in [format!("/api/connections/{id}"), "/api/topics/orders/history".to_owned()] {
        let request =
            format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n");
        exchange(&gateway.admin, request).await.assert_problem(403);
    }
    sender.publish("orders", "2").await;
    let mut kept = Request::to("/topics/orders?since=start").open(&gateway).await;
    kept.opening().await;
    for stream in [&mut stream, &mut kept] {
        for data in ["1", "2"] {
            assert_eq!(stream.event().await.data(), data);
        }
    }
}
