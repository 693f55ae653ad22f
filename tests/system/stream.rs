//! Contract, section 4: the stream, byte for byte.

use std::time::Duration;

use crate::support::{Block, End, Gateway, Item, Request, Sender, Subscriber, within};

#[tokio::test]
async fn the_head_says_how_to_treat_a_stream() {
    let gateway = Gateway::start("").await;
    let subscriber = Request::topic("orders").header("Accept", "text/event-stream").open(&gateway).await;
    for (name, value) in [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
        ("Transfer-Encoding", "chunked"),
    ] {
        assert_eq!(subscriber.field(name), Some(value), "{}", subscriber.head);
    }
    assert_eq!(subscriber.field("Content-Length"), None);
}

#[tokio::test]
async fn the_first_block_has_a_retry_and_the_cursor_before_the_first_event() {
    let gateway = Gateway::start("edge: { retry: 2s..4s }").await;
    let mut sender = Sender::open(&gateway).await;
    let before = sender.publish("orders", "unseen").await;
    let mut subscriber = Request::topic("orders").open(&gateway).await;
    let opening = subscriber.opening().await;
    let retry = opening.retry.unwrap();
    assert!((2000..=4000).contains(&retry), "{retry}");
    assert_eq!(opening.raw, format!("retry: {retry}\nid: {}\n\n", before.cursor));

    let after = sender.publish("orders", "seen").await;
    assert_eq!(after.subscribers, 1);
    let event = subscriber.event().await;
    assert_eq!(event.raw, format!("id: {}\ndata: seen\n\n", after.cursor));
}

#[tokio::test]
async fn retry_is_another_for_each_subscriber() {
    let gateway = Gateway::start("edge: { retry: 1s..9s }").await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        seen.insert(Request::topic("orders").open(&gateway).await.opening().await.retry.unwrap());
    }
    // Twenty of 8,001 values, and all the same: one in 8,001^19.
    assert!(seen.len() > 1 && seen.iter().all(|retry| (1000..=9000).contains(retry)), "{seen:?}");
}

#[tokio::test]
async fn data_is_told_line_by_line_and_byte_by_byte() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let mut subscriber = Subscriber::open(&gateway, "orders").await;
    for (data, lines) in [
        ("plain", "data: plain\n"),
        ("", "data: \n"),
        ("a\nb", "data: a\ndata: b\n"),
        ("a\rb", "data: a\ndata: b\n"),
        ("a\r\nb", "data: a\ndata: b\n"),
        ("a\n\nb", "data: a\ndata: \ndata: b\n"),
        ("\n", "data: \ndata: \n"),
        ("\r\n\r", "data: \ndata: \ndata: \n"),
        ("end\n", "data: end\ndata: \n"),
        (" a: b ", "data:  a: b \n"),
        (": no comment\nid: 7\nretry: 1", "data: : no comment\ndata: id: 7\ndata: retry: 1\n"),
        ("{ \"a\" : 1.0, \"a\":1 }", "data: { \"a\" : 1.0, \"a\":1 }\n"),
        ("grüße, 世界, 😀", "data: grüße, 世界, 😀\n"),
        ("\u{feff}bom\u{2028}\u{0}\u{85}", "data: \u{feff}bom\u{2028}\u{0}\u{85}\n"),
    ] {
        let accepted = sender.publish("orders", data).await;
        let event = subscriber.event().await;
        assert_eq!(event.raw, format!("id: {}\n{lines}\n", accepted.cursor), "{data:?}");
    }
}

#[tokio::test]
async fn a_type_is_told_and_none_is_not() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    let mut subscriber = Subscriber::open(&gateway, "orders").await;
    let typed = sender.publish_typed("orders", "order.created", "1").await;
    assert_eq!(
        subscriber.event().await.raw,
        format!("id: {}\nevent: order.created\ndata: 1\n\n", typed.cursor)
    );
    let plain = sender.publish("orders", "2").await;
    assert_eq!(subscriber.event().await.raw, format!("id: {}\ndata: 2\n\n", plain.cursor));

    for refused in ["open", "error", "sidestream.gap", "a,b"] {
        let answer = sender.post("orders", &[("Sidestream-Event", refused)], "x").await;
        answer.assert_problem(400);
    }
    let last = sender.publish("orders", "3").await;
    assert_eq!(subscriber.event().await.id(), last.cursor, "nothing was published in between");
}

#[tokio::test]
async fn an_event_as_large_as_is_taken_arrives_whole() {
    let gateway = Gateway::start("history: { bytes: 8MiB }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut live = Subscriber::open(&gateway, "orders").await;
    let mut slow = Request::topic("orders").receive_buffer(4096).open(&gateway).await;
    let start = slow.opening().await;
    let line = "0123456789abcdef".repeat(64);
    let data = std::iter::repeat_n(line, 1024).collect::<Vec<_>>().join("\n")[..1 << 20].to_owned();
    let accepted = sender.publish("orders", &data).await;
    let next = sender.publish("orders", "next").await;
    let mut resumed = Request::topic("orders").after(start.id()).open(&gateway).await;
    resumed.opening().await;
    for subscriber in [&mut live, &mut slow, &mut resumed] {
        let event = subscriber.event().await;
        assert_eq!(event.id(), accepted.cursor);
        assert!(event.data() == data, "the data is another");
        assert_eq!(subscriber.event().await.id(), next.cursor);
    }
}

/// The stream says nothing but heartbeats until a block comes.
async fn beat_until_block(subscriber: &mut Subscriber) -> (usize, Block) {
    let mut comments = 0;
    loop {
        match subscriber.next().await.unwrap() {
            Item::Comment(comment) => {
                assert_eq!(comment, ":");
                comments += 1;
            }
            Item::Block(block) => return (comments, block),
        }
    }
}

#[tokio::test]
async fn a_heartbeat_is_a_comment_or_moves_a_cursor_that_would_go_stale() {
    let gateway = Gateway::start("edge: { heartbeat: 100ms }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut quiet = Subscriber::open(&gateway, "quiet").await;
    let mut busy = Subscriber::open(&gateway, "busy").await;
    for _ in 0..2 {
        assert_eq!(quiet.next().await.unwrap(), Item::Comment(":".into()));
    }
    let elsewhere = sender.publish("busy", "1").await;
    let (_, block) = beat_until_block(&mut quiet).await;
    assert_eq!(block.raw, format!("id: {}\n\n", elsewhere.cursor), "an id-only block");
    assert_eq!(busy.event().await.id(), elsewhere.cursor);
    for subscriber in [&mut quiet, &mut busy] {
        for _ in 0..2 {
            let item = subscriber.next().await.unwrap();
            assert_eq!(item, Item::Comment(":".into()), "each id is told once");
        }
    }

    // The cursor that was moved is good: what follows it, and nothing else, is what is missing.
    let missed = sender.publish("quiet", "2").await;
    assert_eq!(quiet.event().await.id(), missed.cursor);
    let mut resumed = Request::topic("quiet").after(&elsewhere.cursor).open(&gateway).await;
    assert_eq!(resumed.opening().await.id(), elsewhere.cursor);
    assert_eq!(resumed.event().await.id(), missed.cursor);
}

#[tokio::test]
async fn heartbeats_are_spread() {
    let gateway = Gateway::start("edge: { heartbeat: 2s }").await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        streams.push(Subscriber::open(&gateway, "quiet").await);
    }
    // Each is heard within one interval, and in the order of the beats: were they all together, the first would have
    // been heard in the same moment as the last.
    let (sender, mut beats) = tokio::sync::mpsc::unbounded_channel();
    for mut stream in streams {
        let sender = sender.clone();
        tokio::spawn(async move {
            assert_eq!(stream.next().await.unwrap(), Item::Comment(":".into()));
            let _ = sender.send(tokio::time::Instant::now());
        });
    }
    let mut at = Vec::new();
    for _ in 0..40 {
        at.push(within("a heartbeat", beats.recv()).await.unwrap());
    }
    let spread = *at.iter().max().unwrap() - *at.iter().min().unwrap();
    assert!(spread > Duration::from_millis(200), "{spread:?}");
}

#[tokio::test]
async fn a_stream_ends_cleanly_when_it_is_old() {
    let gateway = Gateway::start("edge: { max_connection_age: 1s, retry: 5s..6s }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut subscriber = Subscriber::open(&gateway, "orders").await;
    let mut old = Request::topic("orders").version("HTTP/1.0").open(&gateway).await;
    old.opening().await;
    let accepted = sender.publish("orders", "before the end").await;
    for stream in [&mut subscriber, &mut old] {
        let (items, end) = stream.rest().await;
        assert_eq!(end, End::Clean);
        let [Item::Block(event), Item::Block(farewell)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(event.id(), accepted.cursor);
        let retry = farewell.retry.unwrap();
        assert!((5000..=6000).contains(&retry));
        assert_eq!(farewell.raw, format!("retry: {retry}\n\n"));
    }
    gateway.connections(0).await;
    assert_eq!(gateway.metrics().await.get("sidestream_connections_closed_total{reason=\"age\"}"), 2.0);

    // Whoever comes back misses nothing.
    let missed = sender.publish("orders", "meanwhile").await;
    let mut again = Request::topic("orders").after(&accepted.cursor).open(&gateway).await;
    again.opening().await;
    assert_eq!(again.event().await.id(), missed.cursor);
}

#[tokio::test]
async fn the_order_is_the_same_for_everyone() {
    const SENDERS: usize = 8;
    const EACH: usize = 200;
    let gateway = Gateway::start("history: { events: 10000 }").await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        streams.push(Subscriber::open(&gateway, "orders").await);
    }
    let senders = (0..SENDERS).map(|number| {
        let gateway = &gateway;
        async move {
            let mut sender = Sender::open(gateway).await;
            sender.publish_many("orders", (0..EACH).map(|n| format!("{number} {n}"))).await
        }
    });
    let sent = futures(senders).await;
    let mut orders = Vec::new();
    for stream in &mut streams {
        let mut order = Vec::new();
        for _ in 0..SENDERS * EACH {
            let event = stream.event().await;
            order.push((event.id().to_owned(), event.data().to_owned()));
        }
        orders.push(order);
    }
    for order in &orders[1..] {
        assert!(*order == orders[0], "two subscribers saw two orders");
    }
    // What each sender was told is where its events are, in its own order.
    for (number, accepted) in sent.iter().enumerate() {
        let mut seen = orders[0].iter().filter(|(_, data)| data.starts_with(&format!("{number} ")));
        for (n, accepted) in accepted.iter().enumerate() {
            assert_eq!(seen.next(), Some(&(accepted.cursor.clone(), format!("{number} {n}"))));
        }
    }
}

/// Runs all at the same time.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, value) in &mut all {
            if value.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *value = Some(ready);
            }
        }
        if all.iter().all(|(_, value)| value.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().map(|(_, value)| value.unwrap()).collect()
}
