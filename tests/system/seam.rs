//! The seam between history and what is live: no hole, and nothing twice, wherever and whenever a subscriber joins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Gateway, Request, Sender, until};

const EVENTS: usize = 4000;
const SUBSCRIBERS: usize = 200;

/// Two topics take turns by threes, so that a subscriber's events are not neighbours in the log.
fn topic(n: usize) -> &'static str {
    if n % 3 == 0 { "b" } else { "a" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_while_events_pass_sees_each_once() {
    let gateway = Arc::new(Gateway::start("history: { events: 100000, bytes: 64MiB }").await);
    let published = Arc::new(AtomicUsize::new(0));
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let publisher = tokio::spawn({
        let (gateway, published, log) = (Arc::clone(&gateway), Arc::clone(&published), Arc::clone(&log));
        async move {
            let mut sender = Sender::open(&gateway).await;
            for n in 0..EVENTS {
                let accepted = sender.publish(topic(n), n.to_string()).await;
                log.lock().unwrap().push(accepted.cursor);
                published.store(n + 1, Ordering::Release);
            }
        }
    });
    let mut streams = Vec::new();
    for number in 0..SUBSCRIBERS {
        // They come all through the first three quarters of the run.
        let turn = number * EVENTS * 3 / 4 / SUBSCRIBERS;
        until("the publisher's turn", async || (published.load(Ordering::Acquire) > turn).then_some(())).await;
        let (gateway, log) = (Arc::clone(&gateway), Arc::clone(&log));
        streams.push(tokio::spawn(listen(number, gateway, log)));
    }
    publisher.await.unwrap();
    for stream in streams {
        stream.await.unwrap();
    }
    let metrics = gateway.metrics().await;
    for reason in ["evicted", "lagged", "restarted", "unknown", "log"] {
        assert_eq!(metrics.get(&format!("sidestream_gaps_total{{reason=\"{reason}\"}}")), 0.0, "{reason}");
    }
}

/// One subscriber: from now, or from somewhere in what was published; and once more in the middle.
async fn listen(number: usize, gateway: Arc<Gateway>, log: Arc<std::sync::Mutex<Vec<String>>>) {
    let topic_of_mine = if number % 4 == 0 { "b" } else { "a" };
    let request = Request::topic(topic_of_mine);
    let known = log.lock().unwrap().clone();
    let at = (number * 7919) % known.len();
    let request = if number % 3 == 0 { request } else { request.after(&known[at]) };
    let mut stream = request.open(&gateway).await;
    let mut cursor = stream.opening().await.id().to_owned();
    let mut seen = Vec::new();
    let last = (0..EVENTS).rev().find(|&n| topic(n) == topic_of_mine).unwrap();
    let start = cursor.clone();
    loop {
        let event = stream.event().await;
        cursor = event.id().to_owned();
        let n: usize = event.data().parse().unwrap();
        seen.push((n, cursor.clone()));
        if n == last {
            break;
        }
        if number % 5 == 0 && seen.len() == 100 {
            stream = Request::topic(topic_of_mine).after(&cursor).open(&gateway).await;
            assert_eq!(stream.opening().await.id(), cursor);
        }
    }
    let log = until("the publisher's end", async || {
        let log = log.lock().unwrap();
        (log.len() == EVENTS).then(|| log.clone())
    })
    .await;
    let first = log.iter().position(|logged| *logged == start).map_or(0, |n| n + 1);
    let wanted: Vec<_> =
        (first..EVENTS).filter(|&n| topic(n) == topic_of_mine).map(|n| (n, log[n].clone())).collect();
    let seen: Vec<_> = seen;
    assert!(seen == wanted, "subscriber {number} from {start} saw {} of {}", seen.len(), wanted.len());
}
