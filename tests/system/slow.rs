//! Subscribers that read slowly, wrongly or not at all: nobody else notices, and the server does not grow.

use std::sync::Arc;

use crate::support::{Block, End, Gateway, Request, Sender, Subscriber, raise_open_files, until};

/// A number, padded so that an event weighs about 200 bytes.
fn numbered(n: usize) -> String {
    format!("{n:0>200}")
}

/// Opens so many streams that are not read, and publishes `events` to them, until each is behind.
async fn left_behind(gateway: &Gateway, streams: usize, events: usize) -> Vec<Subscriber> {
    let mut slow = Vec::new();
    for _ in 0..streams {
        let mut stream = Request::topic("orders").receive_buffer(1024).open(gateway).await;
        stream.opening().await;
        slow.push(stream);
    }
    let mut sender = Sender::open(gateway).await;
    sender.publish_many("orders", (0..events).map(numbered)).await;
    gateway.wait_for_metric("sidestream_lagging_connections", |all| all == streams as f64).await;
    slow
}

fn number(block: &Block) -> usize {
    block.data().parse().unwrap()
}

/// Resident memory may grow by so much while history and the ring fill, and by no more.
const ROOM: usize = 48 << 20;

/// And by so much after that, whatever passes: what the allocator keeps differs a little from time to time.
const FLAT: usize = 16 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_reads_harms_nobody_and_is_told_what_it_missed() {
    const EVENTS: usize = 100_000;
    // Far more than a reader falls behind that is only short of processor time, and far less than what passes.
    let gateway = Arc::new(Gateway::start("history: { events: 20000, bytes: 8MiB }").await);
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = Request::topic("orders").receive_buffer(4096).open(&gateway).await;
        stream.opening().await;
        idle.push(stream);
    }
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut stream = Subscriber::open(&gateway, "orders").await;
        readers.push(tokio::spawn(async move {
            for n in 0..EVENTS {
                assert_eq!(number(&stream.event().await), n);
            }
        }));
    }
    let before = gateway.resident_bytes();
    let mut sender = Sender::open(&gateway).await;
    let mut sent = sender.publish_many("orders", (0..EVENTS / 4).map(numbered)).await;
    let filled = gateway.resident_bytes();
    sent.extend(sender.publish_many("orders", (EVENTS / 4..EVENTS).map(numbered)).await);
    assert_eq!(sent.len(), EVENTS);
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 20.0).await;
    for reader in readers {
        reader.await.unwrap();
    }
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < ROOM, "grown by {} MiB", grown >> 20);
    let later = gateway.resident_bytes().saturating_sub(filled);
    assert!(later < FLAT, "grown by {} KiB of {} after a quarter", later >> 10, grown >> 10);

    let mut told = 0;
    for stream in &mut idle {
        let (mut next, mut gaps) = (0, 0);
        while next < EVENTS {
            let block = stream.event().await;
            if block.event.is_some() {
                let gap = block.gap();
                assert_eq!(gap["reason"], "lagged");
                let resumed = sent.iter().position(|sent| sent.cursor == block.id()).unwrap();
                if let Some(missed) = gap["missed"].as_u64() {
                    assert_eq!(next as u64 + missed, resumed as u64 + 1, "{gap}");
                }
                (next, gaps) = (resumed + 1, gaps + 1);
            } else {
                assert_eq!(number(&block), next, "a hole that is not told, or a double");
                assert_eq!(block.id(), sent[next].cursor);
                next += 1;
            }
        }
        assert!(gaps >= 1);
        told += gaps;
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("sidestream_gaps_total{reason=\"lagged\"}"), f64::from(told));
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 0.0).await;
    let live = sender.publish("orders", "live").await;
    for stream in &mut idle {
        assert_eq!(stream.event().await.id(), live.cursor);
    }
}

#[tokio::test]
async fn one_that_reads_in_tiny_steps_gets_whole_frames() {
    let gateway = Gateway::start("history: { events: 100000, bytes: 64MiB }").await;
    let mut tiny = Request::topic("orders").receive_buffer(1024).open(&gateway).await;
    tiny.read_in_steps_of(1);
    tiny.opening().await;
    let mut odd = Request::topic("orders").receive_buffer(1024).open(&gateway).await;
    odd.read_in_steps_of(1013);
    odd.opening().await;
    let mut sender = Sender::open(&gateway).await;
    // More than all buffers on the way hold, so that frames are cut in the middle.
    let large = |n: usize| format!("{n}\n{}", "x".repeat(1 + n * 7919 % 30_000));
    let sent = sender.publish_many("orders", (0..60).map(large)).await;
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 2.0).await;
    for stream in [&mut tiny, &mut odd] {
        for (n, sent) in sent.iter().enumerate() {
            let event = stream.event().await;
            assert_eq!(event.id(), sent.cursor);
            assert!(event.data() == large(n), "event {n} is another");
        }
    }
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 0.0).await;
}

#[tokio::test]
async fn one_that_reads_while_a_page_is_on_its_way_ends_cleanly_when_told_to() {
    let gateway = Gateway::start("history: { events: 100000, bytes: 64MiB }\ndrain: { window: 1s }").await;
    let mut slow = left_behind(&gateway, 20, 5000).await;
    gateway.terminate();
    gateway.says("draining").await;
    // They begin to read only now: whatever frame is under way is finished, then comes the end.
    for stream in &mut slow {
        let blocks = stream.farewell().await;
        for (n, block) in blocks.iter().enumerate() {
            assert_eq!(number(block), n);
        }
    }
    assert!(gateway.exit().await.status.success());
}

#[tokio::test]
async fn a_lost_idle_connection_is_noticed_without_a_heartbeat() {
    let gateway = Gateway::start("edge: { heartbeat: 1h }").await;
    let mut kept = Subscriber::open(&gateway, "orders").await;
    let closed = Subscriber::open(&gateway, "orders").await;
    let reset = Subscriber::open(&gateway, "orders").await;
    let other = Subscriber::open(&gateway, "others").await;
    gateway.connections(4).await;
    drop(closed);
    reset.reset();
    drop(other);
    gateway.connections(1).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("sidestream_subscriptions{rule=\"default\"}"), 1.0);
    let closed = |reason| metrics.get(&format!("sidestream_connections_closed_total{{reason=\"{reason}\"}}"));
    assert_eq!(closed("client") + closed("error"), 3.0);
    let mut sender = Sender::open(&gateway).await;
    let accepted = sender.publish("orders", "1").await;
    assert_eq!(accepted.subscribers, 1);
    assert_eq!(sender.publish("others", "2").await.subscribers, 0);
    assert_eq!(kept.event().await.id(), accepted.cursor);
}

#[tokio::test]
async fn one_that_resets_while_it_is_behind_leaves_nothing() {
    let gateway = Gateway::start("").await;
    let streams = left_behind(&gateway, 10, 2000).await;
    for stream in streams {
        stream.reset();
    }
    gateway.connections(0).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("sidestream_lagging_connections"), 0.0);
    assert_eq!(metrics.get("sidestream_subscriptions{rule=\"default\"}"), 0.0);
    assert_eq!(Sender::open(&gateway).await.publish("orders", "1").await.subscribers, 0);
}

#[tokio::test]
async fn two_thousand_come_and_go_and_leave_nothing() {
    raise_open_files();
    let gateway = Gateway::start("").await;
    gateway.connections(0).await;
    let files = gateway.open_files();
    let mut sender = Sender::open(&gateway).await;
    for round in 0..4 {
        let mut streams = Vec::new();
        for n in 0..2000 {
            streams.push(Request::topic(&format!("topic-{}", n % 7)).connect(&gateway.edge).await);
        }
        gateway.connections(2000).await;
        let accepted = sender.publish("topic-3", round.to_string()).await;
        assert_eq!(accepted.subscribers, 286);
        if round % 2 == 0 {
            let stream = streams.swap_remove(3);
            let mut stream = Subscriber::over(stream).await;
            stream.opening().await;
            assert_eq!(stream.event().await.id(), accepted.cursor);
        } else {
            for stream in streams.drain(..1000) {
                stream.into_parts().0.set_zero_linger().unwrap();
            }
        }
        drop(streams);
        gateway.connections(0).await;
        // One is the sender's.
        until("descriptors are given back", async || (gateway.open_files() <= files + 2).then_some(())).await;
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.get("sidestream_subscriptions{rule=\"default\"}"), 0.0);
    assert_eq!(metrics.get("sidestream_lagging_connections"), 0.0);
    assert_eq!(metrics.get("sidestream_connections_opened_total"), 8000.0);
}

#[tokio::test]
async fn a_reader_that_vanishes_mid_event_comes_back_without_loss() {
    let gateway = Gateway::start("history: { events: 100000, bytes: 64MiB }").await;
    let mut sender = Sender::open(&gateway).await;
    let mut stream = Request::topic("orders").receive_buffer(1024).open(&gateway).await;
    stream.read_in_steps_of(997);
    stream.opening().await;
    let sent = sender.publish_many("orders", (0..3000).map(numbered)).await;
    let mut seen = 0;
    for visit in 1..8 {
        for _ in 0..visit * 50 {
            let event = stream.event().await;
            assert_eq!(event.id(), sent[seen].cursor);
            seen += 1;
        }
        let cursor = stream.cursor.clone().unwrap();
        stream.reset();
        stream = Request::topic("orders").after(&cursor).receive_buffer(1024).open(&gateway).await;
        stream.read_in_steps_of(997);
        assert_eq!(stream.opening().await.id(), cursor);
    }
    for sent in &sent[seen..] {
        assert_eq!(stream.event().await.id(), sent.cursor);
    }
    gateway.terminate();
    let (items, end) = stream.rest().await;
    assert_eq!((items.len(), end), (1, End::Clean));
}

/// The kernel's memory for a subscriber counts in a pod's too. Without a cap its send buffer takes more than 2 MiB on
/// loopback; capped, 128 KiB. What else has been taken is in the subscriber's own receive buffer, about 64 KiB.
#[tokio::test]
async fn the_kernel_takes_little_for_one_that_never_reads() {
    const MOST: usize = 1 << 20;
    let gateway = Gateway::start("history: { bytes: 16MiB }\nfanout: { shards: 1 }").await;
    let mut idle = Request::topic("orders").connect(&gateway.edge).await;
    idle.head().await.unwrap();
    let mut reading = Subscriber::open(&gateway, "orders").await;
    gateway.connections(2).await;
    let mut sender = Sender::open(&gateway).await;
    let large = "x".repeat(64 << 10);
    for _ in 0..64 {
        let accepted = sender.publish("orders", &large).await;
        // They are on one shard: when the one has the event, the other was offered it.
        assert_eq!(reading.event().await.id(), accepted.cursor);
    }
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 1.0).await;
    // What a killed process has given to the kernel still arrives, and nothing else does.
    gateway.kill();
    let taken = idle.rest().await.unwrap().len();
    assert!((16 << 10..MOST).contains(&taken), "{taken} bytes");
}
