//! Contract, section 4, points 1 to 3: from where a stream goes on, and what is told when it can't.

use crate::support::{Accepted, Connection, Gateway, Request, Sender};

/// Publishes `data` for each of `range`.
async fn publish(gateway: &Gateway, topic: &str, range: std::ops::Range<usize>) -> Vec<Accepted> {
    let mut sender = Sender::open(gateway).await;
    sender.publish_many(topic, range.map(|n| n.to_string())).await
}

/// What was published just now is at hand whatever history keeps: within a shard's reach, or for a shard that nothing has
/// woken since, as long as the ring holds it. After more than the ring holds only history is.
async fn forget_recent(gateway: &Gateway) {
    publish(gateway, "filler", 0..9000).await;
}

/// The cursor `more` places after `cursor`.
fn ahead(cursor: &str, more: u64) -> String {
    let (epoch, sequence) = cursor.split_once('-').unwrap();
    format!("{epoch}-{}", sequence.parse::<u64>().unwrap() + more)
}

#[tokio::test]
async fn a_stream_goes_on_after_its_cursor() {
    let gateway = Gateway::start("").await;
    let sent = publish(&gateway, "orders", 0..10).await;
    let other = publish(&gateway, "others", 0..3).await;
    for (cursor, next) in [(&sent[0], 1), (&sent[8], 9), (&other[2], 10)] {
        let mut stream = Request::topic("orders").after(&cursor.cursor).open(&gateway).await;
        assert_eq!(stream.opening().await.id(), cursor.cursor);
        for accepted in &sent[next.min(sent.len())..] {
            assert_eq!(stream.event().await.id(), accepted.cursor);
        }
        let live = publish(&gateway, "orders", 100..101).await.remove(0);
        // Earlier rounds of this loop have published too.
        while stream.event().await.id() != live.cursor {}
    }
}

#[tokio::test]
async fn the_query_is_for_those_who_cannot_set_a_header_and_the_header_wins() {
    let gateway = Gateway::start("").await;
    let sent = publish(&gateway, "orders", 0..4).await;
    let with_query = |cursor: &str| Request::to(format!("/topics/orders?x=1&last-event-id={cursor}&y=2"));
    for query in [sent[1].cursor.clone(), sent[1].cursor.replace('-', "%2D")] {
        let mut stream = with_query(&query).open(&gateway).await;
        assert_eq!(stream.opening().await.id(), sent[1].cursor, "{query}");
        assert_eq!(stream.event().await.id(), sent[2].cursor);
    }
    let mut stream = with_query(&sent[0].cursor).after(&sent[2].cursor).open(&gateway).await;
    assert_eq!(stream.opening().await.id(), sent[2].cursor);
    assert_eq!(stream.event().await.id(), sent[3].cursor);

    let mut empty = Request::topic("orders").after("").open(&gateway).await;
    assert_eq!(empty.opening().await.id(), sent[3].cursor, "an empty id is none");
}

#[tokio::test]
async fn what_was_evicted_is_told_and_counted() {
    let gateway = Gateway::start("history: { events: 5 }").await;
    let sent = publish(&gateway, "orders", 0..12).await;
    forget_recent(&gateway).await;
    // 0 to 6 are gone, 7 to 11 are kept.
    for (after, missed) in [(Some(&sent[0]), 6), (Some(&sent[5]), 1), (None, 7)] {
        let cursor = after.map_or_else(
            || format!("{}-0", sent[0].cursor.split_once('-').unwrap().0),
            |after| after.cursor.clone(),
        );
        let mut stream = Request::topic("orders").after(&cursor).open(&gateway).await;
        let opening = stream.opening().await;
        assert_eq!(opening.id, None, "no id before the gap is told");
        let block = stream.block().await;
        let gap = block.gap();
        assert_eq!(gap["requested"], *cursor);
        assert_eq!(gap["reason"], "evicted");
        assert_eq!(gap["missed"], missed);
        assert_eq!(gap["resumed"], block.id());
        assert_eq!(
            block.raw,
            format!(
                "id: {0}\nevent: sidestream.gap\ndata: {{\"requested\":\"{cursor}\",\"resumed\":\"{0}\",\
                 \"reason\":\"evicted\",\"missed\":{missed}}}\n\n",
                sent[6].cursor
            )
        );
        for accepted in &sent[7..] {
            assert_eq!(stream.event().await.id(), accepted.cursor);
        }
    }
    let mut exact = Request::topic("orders").after(&sent[6].cursor).open(&gateway).await;
    assert_eq!(exact.opening().await.id(), sent[6].cursor, "nothing after it is gone");
    assert_eq!(exact.event().await.id(), sent[7].cursor);
    assert_eq!(gateway.metrics().await.get("sidestream_gaps_total{reason=\"evicted\"}"), 3.0);
}

#[tokio::test]
async fn another_topics_losses_are_not_told() {
    let gateway = Gateway::start("history: { events: 5 }").await;
    let first = publish(&gateway, "orders", 0..1).await.remove(0);
    publish(&gateway, "others", 0..50).await;
    forget_recent(&gateway).await;
    let second = publish(&gateway, "orders", 1..2).await.remove(0);
    let mut stream = Request::topic("orders").after(&first.cursor).open(&gateway).await;
    assert_eq!(stream.opening().await.id(), first.cursor);
    assert_eq!(stream.event().await.id(), second.cursor);
}

#[tokio::test]
async fn a_kill_and_a_restart_are_told_and_all_of_the_new_epoch_follows() {
    let old = Gateway::start("").await;
    let before = publish(&old, "orders", 0..3).await;
    let mut cut = Request::topic("orders").open(&old).await;
    cut.opening().await;
    old.kill();
    let (_, end) = cut.rest().await;
    assert_ne!(end, crate::support::End::Clean, "a killed process does not say farewell");

    let new = Gateway::start("").await;
    let after = publish(&new, "orders", 3..6).await;
    let (epoch, _) = after[0].cursor.split_once('-').unwrap();
    assert!(!before[0].cursor.starts_with(epoch));
    let mut stream = Request::topic("orders").after(&before[2].cursor).open(&new).await;
    assert_eq!(stream.opening().await.id, None);
    let block = stream.block().await;
    assert_eq!(block.id(), format!("{epoch}-0"));
    let gap = block.gap();
    assert_eq!((&gap["requested"], &gap["reason"]), (&before[2].cursor.clone().into(), &"restarted".into()));
    assert!(gap["missed"].is_null());
    for accepted in &after {
        assert_eq!(stream.event().await.id(), accepted.cursor, "all of the new epoch is unseen");
    }
}

#[tokio::test]
async fn what_is_no_cursor_of_ours_is_told_and_begins_now() {
    let gateway = Gateway::start("").await;
    let mut head = publish(&gateway, "orders", 0..3).await[2].cursor.clone();
    let long = "x".repeat(64 << 10);
    for requested in [
        ahead(&head, 100),
        ahead(&head, 1 << 40),
        "garbage".into(),
        "0".into(),
        format!("{head}.0"),
        // With a sign, with leading zeros, cut short, and past the largest number.
        format!("+{head}"),
        format!("-{head}"),
        format!("0{head}"),
        head[..head.len() - 1].trim_end_matches(|c: char| c != '-').into(),
        head.replace('-', "-+"),
        head.replace('-', "--"),
        head.replace('-', "-0"),
        head.replace('-', "-99999999999999999999"),
        format!("{head}\t\"quoted\\\" {{}}"),
        long,
    ] {
        let mut stream = Request::topic("orders").after(&requested).open(&gateway).await;
        assert_eq!(stream.opening().await.id, None, "{requested:.200}");
        let block = stream.block().await;
        assert_eq!(block.id(), head);
        let gap = block.gap();
        assert_eq!(gap["requested"], requested[..requested.len().min(128)]);
        assert_eq!((&gap["reason"], &gap["missed"]), (&"unknown".into(), &serde_json::Value::Null));
        let live = publish(&gateway, "orders", 3..4).await.remove(0);
        assert_eq!(stream.event().await.id(), live.cursor, "from now on");
        head = live.cursor;
    }
    assert_eq!(gateway.metrics().await.get("sidestream_gaps_total{reason=\"unknown\"}"), 15.0);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_too() {
    let gateway = Gateway::start("").await;
    let sent = publish(&gateway, "orders", 0..1).await;
    for (request, told) in [
        (Request::topic("orders").after(b"\xff\xfe"), "\u{fffd}\u{fffd}"),
        (Request::to("/topics/orders?last-event-id=a%00b"), "a\u{0}b"),
        (Request::to("/topics/orders?last-event-id=a%0D%0Aid:%20b"), "a\r\nid: b"),
        (Request::to("/topics/orders?last-event-id=%zz"), "%zz"),
    ] {
        let mut stream = request.open(&gateway).await;
        assert_eq!(stream.opening().await.id, None);
        let block = stream.block().await;
        assert_eq!(block.gap()["requested"], told);
        assert_eq!((block.gap()["reason"].as_str(), block.id()), (Some("unknown"), &*sent[0].cursor));
    }
}

#[tokio::test]
async fn what_http_forbids_in_a_header_is_refused() {
    let gateway = Gateway::start("").await;
    for (value, status) in
        [(&b"a\0b"[..], 400), (b"a\rb", 400), (b"a\nb", 400), (&vec![b'x'; 200 << 10], 431)]
    {
        let mut connection = Connection::open(&gateway.edge).await;
        connection.send_what_is_taken(Request::topic("orders").after(value).bytes()).await;
        let answer = connection.answer().await;
        answer.assert_problem(status);
        connection.rest().await.unwrap();
    }
    assert_eq!(gateway.metrics().await.get("sidestream_connections_opened_total"), 0.0);
}
