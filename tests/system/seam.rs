//! The seam between history and what is live: no hole, and nothing twice, wherever and whenever a subscriber joins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Gateway, Request, Sender, until};

const EVENTS: usize = 4000;
const SUBSCRIBERS: usize = 200;

/// Two topics take turns by threes, so that a subscriber's events are not neighbours in the log.
fn topic(n: usize) -> &'static str {
    if n.is_multiple_of(3) { "b" } else { "a" }
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
        until("the publisher's turn", async || (published.load(Ordering::Acquire) > turn).then_some(()))
            .await;
        let known = log.lock().unwrap().clone();
        streams.push(tokio::spawn(listen(number, Arc::clone(&gateway), known)));
    }
    publisher.await.unwrap();
    let log = log.lock().unwrap().clone();
    for (number, stream) in streams.into_iter().enumerate() {
        let Heard { topic: mine, start, events } = stream.await.unwrap();
        let first = log.iter().position(|logged| *logged == start).unwrap() + 1;
        let wanted: Vec<_> =
            (first..EVENTS).filter(|&n| topic(n) == mine).map(|n| (n, log[n].clone())).collect();
        assert!(events == wanted, "{number} heard {} of {} from {start}", events.len(), wanted.len());
    }
    let metrics = gateway.metrics().await;
    for reason in ["evicted", "lagged", "restarted", "unknown", "log"] {
        assert_eq!(metrics.get(&format!("sidestream_gaps_total{{reason=\"{reason}\"}}")), 0.0, "{reason}");
    }
}

/// What one subscriber heard: each event's number and id, after the cursor it was opened with.
struct Heard {
    topic: &'static str,
    start: String,
    events: Vec<(usize, String)>,
}

/// One subscriber: from now, or from somewhere in what was published; some of them drop and come back on the way.
async fn listen(number: usize, gateway: Arc<Gateway>, known: Vec<String>) -> Heard {
    let mine = if number.is_multiple_of(4) { "b" } else { "a" };
    let request = Request::topic(mine);
    let at = (number * 7919) % known.len();
    let request = if number.is_multiple_of(3) { request } else { request.after(&known[at]) };
    let mut stream = request.open(&gateway).await;
    let start = stream.opening().await.id().to_owned();
    let last = (0..EVENTS).rev().find(|&n| topic(n) == mine).unwrap();
    let mut events = Vec::new();
    loop {
        let event = stream.event().await;
        let n: usize = event.data().parse().unwrap();
        events.push((n, event.id().to_owned()));
        if n == last {
            return Heard { topic: mine, start, events };
        }
        if number.is_multiple_of(5) && events.len() == 100 {
            stream = Request::topic(mine).after(event.id()).open(&gateway).await;
            assert_eq!(stream.opening().await.id(), event.id());
        }
    }
}
