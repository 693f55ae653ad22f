//! Bodies of webhooks that are begun and not finished.

use std::sync::Arc;

use crate::support::{Connection, Gateway, Sender, Subscriber, raise_open_files, until};

/// Bytes of each body that are sent, of the mebibyte that is announced.
const SENT: usize = 512 << 10;

/// What bodies on their way in may hold together.
const ROOM: usize = 64 << 20;

/// The server's memory may grow by so much: what has arrived, what buffers have grown ahead by, and what is kept for the
/// next ones. Without the room the bodies alone would be 500 MiB.
const GROWTH: usize = 3 * ROOM;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unfinished_bodies_do_not_grow_the_server() {
    const SENDERS: usize = 1000;
    raise_open_files();
    let gateway = Arc::new(Gateway::start("ingress: { body_timeout: 5m }").await);
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let before = gateway.resident_bytes();
    let head = "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 1048576\r\n\r\n";
    let request: Arc<[u8]> = [head.as_bytes(), &vec![b'x'; SENT]].concat().into();
    // Each waits for an answer, and closes when it has one.
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (gateway, request) = (Arc::clone(&gateway), Arc::clone(&request));
            tokio::spawn(async move {
                let mut connection = Connection::open(&gateway.ingress).await;
                connection.send_what_is_taken(&request).await;
                let answer = connection.unbounded_answer().await.unwrap();
                answer.assert_problem(503);
                assert!(answer.field("Retry-After").is_some(), "{answer:?}");
            })
        })
        .collect();
    // Those who are let in hold all they sent, in the end: so many fit, and the others are refused.
    let refused = "sidestream_webhooks_total{outcome=\"unavailable\",source=\"default\"}";
    gateway.wait_for_metric(refused, |refused| refused >= (SENDERS - ROOM / SENT) as f64).await;
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH, "grown by {} MiB", grown >> 20);

    // Room is given back with the connections.
    for sender in senders {
        if sender.is_finished() {
            sender.await.unwrap();
        } else {
            sender.abort();
        }
    }
    let whole = "y".repeat(1 << 20);
    until("there is room for a whole body", async || {
        let answer = Sender::open(&gateway).await.post("orders", &[], &whole).await;
        (answer.status == 202).then_some(())
    })
    .await;
    assert!(stream.event().await.data() == whole, "something else was published");
    let next = Sender::open(&gateway).await.publish("orders", "next").await;
    assert_eq!(stream.event().await.id(), next.cursor);
}
