//! Contract, section 7: from the signal to the exit.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::support::{
    App, Connection, End, Gateway, Item, Metrics, Request, Sender, Subscriber, answer_as_app, get, post,
    raise_open_files, until,
};

/// How the server answers what it is too late for, while a request to the app holds the drain open.
async fn refusals_while_draining(overload: &str) -> (Gateway, App) {
    let mut app = App::start().await;
    let yaml = format!("edge: {{ upstream: \"{}\", overload: {overload} }}", app.url);
    let gateway = Gateway::start(&yaml).await;
    let mut held = Connection::open(&gateway.edge).await;
    held.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (_, mut in_flight) = app.request().await;
    let before = Sender::open(&gateway).await.publish("orders", "before").await;

    assert_eq!(get(&gateway.admin, "/readyz").await.status, 200);
    gateway.terminate();
    until("not ready", async || (get(&gateway.admin, "/readyz").await.status == 503).then_some(())).await;
    let missing = get(&gateway.admin, "/readyz").await.json();
    assert_eq!(missing["missing"][0], "draining", "{missing}");
    assert_eq!(get(&gateway.admin, "/healthz").await.status, 200);

    // From not ready to draining there is no delay here, but a moment.
    let answer = until("the ingress refuses", async || {
        Some(post(&gateway.ingress, "/webhooks/orders", "late").await).filter(|answer| answer.status != 202)
    })
    .await;
    answer.assert_problem(503);
    assert!(answer.field("Retry-After").is_some_and(|after| after.parse::<u32>().is_ok()), "{answer:?}");

    let mut late = Request::topic("orders").after(&before.cursor).connect(&gateway.edge).await;
    let head = late.head().await.unwrap().to_ascii_lowercase();
    if overload == "retry" {
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        let body = String::from_utf8(late.rest().await.unwrap()).unwrap();
        let retry = body.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let retry: u64 = retry.unwrap_or_else(|| panic!("{body:?}")).parse().unwrap();
        assert!((5000..=15_000).contains(&retry), "{retry}");
    } else {
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        assert!(head.contains("retry-after: "), "{head}");
    }
    assert_eq!(gateway.metrics().await.get("sidestream_connections_refused_total{reason=\"draining\"}"), 1.0);

    // What was in flight finishes, whole.
    assert!(!gateway.has_ended());
    answer_as_app(&mut in_flight, "done").await;
    let answer = held.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "done".into()));
    assert_eq!(held.rest().await.unwrap(), b"");
    (gateway, app)
}

#[tokio::test]
async fn a_drain_refuses_what_is_new_and_finishes_what_is_under_way() {
    let (gateway, _app) = refusals_while_draining("retry").await;
    let exit = gateway.exit().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.stderr.contains("\"drained\""), "{}", exit.stderr);
}

#[tokio::test]
async fn the_overload_answer_may_be_a_status() {
    let (gateway, _app) = refusals_while_draining("status").await;
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

#[tokio::test]
async fn while_the_delay_lasts_all_is_served() {
    let gateway = Gateway::start("drain: { delay: 3s, window: 1s }").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    gateway.terminate();
    until("not ready", async || (get(&gateway.admin, "/readyz").await.status == 503).then_some(())).await;
    let accepted = Sender::open(&gateway).await.publish("orders", "still").await;
    let mut new = Request::topic("orders").open(&gateway).await;
    assert_eq!(new.opening().await.id(), accepted.cursor);
    assert_eq!(stream.event().await.id(), accepted.cursor);
    assert!(stream.farewell().await.is_empty() && new.farewell().await.is_empty());
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

/// Opens `count` streams, tells the server to end, and sees each of them end.
async fn drain_of(count: usize, window: Duration) {
    raise_open_files();
    let yaml = format!("drain: {{ window: {}s, timeout: 55s }}", window.as_secs());
    let gateway = Arc::new(Gateway::start(&yaml).await);
    let mut sender = Sender::open(&gateway).await;
    let before = sender.publish("orders", "0").await;
    let mut streams = Vec::new();
    for n in 0..count {
        // One address of loopback has about 28,000 ports, and other tests need some.
        let from = Ipv4Addr::new(127, 0, 0, 2 + (n % 8) as u8);
        let request = Request::topic("orders").after(&before.cursor).from(from);
        streams.push(request.connect(&gateway.edge).await);
    }
    gateway.connections(count).await;
    let accepted = sender.publish("orders", "1").await;
    assert_eq!(accepted.subscribers, count as u64);
    let cursor: Arc<str> = accepted.cursor.into();
    let ends: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let cursor = Arc::clone(&cursor);
            tokio::spawn(async move {
                let mut stream = Subscriber::over(stream).await;
                stream.opening().await;
                let blocks = stream.farewell().await;
                assert_eq!((blocks.len(), blocks[0].id()), (1, &*cursor));
            })
        })
        .collect();
    gateway.wait_for_metric("sidestream_deliveries_total", |all| all >= count as f64).await;
    let told = Instant::now();
    gateway.terminate();
    gateway.says("draining").await;
    let begun = Instant::now();
    let mut looks = Vec::new();
    loop {
        let look = Look::at(&gateway).await;
        let Some(look) = look.filter(|look| look.left > 0) else { break };
        looks.push(look);
    }
    for end in ends {
        end.await.unwrap();
    }
    let ended = told.elapsed();
    let exit = gateway.exit().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(ended >= window, "the last end with the window, not after {ended:?}");
    evenly(&looks, count, window, told, begun);
}

/// How many streams were left at some moment between two.
struct Look {
    from: Instant,
    to: Instant,
    left: usize,
}

impl Look {
    /// None when the server is gone.
    async fn at(gateway: &Gateway) -> Option<Self> {
        let from = Instant::now();
        let mut connection = Connection::try_open(&gateway.admin).await.ok()?;
        connection
            .send_what_is_taken("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .await;
        let metrics = Metrics::parse(&connection.try_answer().await.ok()?.text());
        Some(Self { from, to: Instant::now(), left: metrics.get("sidestream_connections") as usize })
    }
}

/// The drain began somewhere between `told` and `begun`, and each look is somewhere between two moments: so what may have
/// ended by then, and what must have, is known however slow this process is. A server may be late with ends by a quarter
/// of the window, but never early.
fn evenly(looks: &[Look], count: usize, window: Duration, told: Instant, begun: Instant) {
    // Each shard rounds up.
    let rounding = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let share = |elapsed: Duration| elapsed.div_duration_f64(window).min(1.0) * count as f64;
    let mut within = 0;
    for look in looks {
        let ended = (count - look.left) as f64;
        let most = share(look.to - told) + rounding;
        assert!(ended <= most, "{ended} of {count} have ended {:?} after the signal", look.to - told);
        let due = look.from.saturating_duration_since(begun);
        let least = share(due.saturating_sub(window / 4)) - rounding;
        assert!(ended >= least, "only {ended} of {count} have ended {due:?} after the drain began");
        within += usize::from(due > window / 2 && look.to - told < window);
    }
    assert!(within > 0, "{} looks, and none in the second half of the window", looks.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_streams_end_cleanly_one_after_the_other() {
    drain_of(2000, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_end_cleanly_one_after_the_other() {
    drain_of(10_000, Duration::from_secs(8)).await;
}

#[tokio::test]
async fn an_interrupt_drains_too() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    gateway.signal(Signal::INT);
    assert!(stream.farewell().await.is_empty());
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_do_not_hold_a_drain_up() {
    // Shorter than any time-out of an idle connection.
    let gateway = Gateway::start("drain: { window: 1s, timeout: 5s }").await;
    let _sender = Sender::open(&gateway).await;
    let mut kept = Vec::new();
    for address in [&gateway.edge, &gateway.ingress, &gateway.admin] {
        kept.push(Connection::open(address).await);
        let mut connection = Connection::open(address).await;
        connection.send("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n").await;
        connection.answer().await.assert_problem(404);
        kept.push(connection);
    }
    gateway.terminate();
    let exit = gateway.exit().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.stderr.contains("\"drained\""), "{}", exit.stderr);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let mut app = App::start().await;
    let gateway =
        Gateway::start(&format!("edge: {{ upstream: \"{}\" }}\ndrain: {{ timeout: 1h }}", app.url)).await;
    let mut held = Connection::open(&gateway.edge).await;
    held.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let _in_flight = app.request().await;
    gateway.terminate();
    until("not ready", async || (get(&gateway.admin, "/readyz").await.status == 503).then_some(())).await;
    gateway.terminate();
    let exit = gateway.exit().await;
    assert!(exit.stderr.contains("exiting at once"), "{}", exit.stderr);
    assert_eq!(exit.status.code(), Some(1));
}

#[tokio::test]
async fn the_timeout_is_the_end_whoever_holds_on() {
    let gateway = Gateway::start("drain: { window: 1s, timeout: 2s }").await;
    let mut stuck = Request::topic("orders").receive_buffer(1024).open(&gateway).await;
    stuck.opening().await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish_many("orders", (0..3000).map(|n| format!("{n:0>200}"))).await;
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 1.0).await;
    gateway.terminate();
    let exit = gateway.exit().await;
    assert!(exit.stderr.contains("drain.timeout is over"), "{}", exit.stderr);
    assert_eq!(exit.status.code(), Some(1));
    // What did arrive is whole events.
    let (items, end) = stuck.rest().await;
    assert_ne!(end, End::Clean);
    for (n, item) in items.iter().enumerate() {
        let Item::Block(block) = item else { panic!("{item:?}") };
        assert_eq!(block.data().parse::<usize>().unwrap(), n);
    }
}

#[tokio::test]
async fn a_stream_of_the_apps_ends_with_the_window() {
    let mut app = App::start().await;
    let gateway =
        Gateway::start(&format!("edge: {{ upstream: \"{}\" }}\ndrain: {{ window: 1s }}", app.url)).await;
    let mut held = Connection::open(&gateway.edge).await;
    held.send("GET /own-stream HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (_, mut stream) = app.request().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let head = held.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    gateway.terminate();
    let _ = held.rest().await;
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

#[tokio::test]
async fn a_websocket_ends_with_the_window() {
    let mut app = App::start().await;
    let gateway =
        Gateway::start(&format!("edge: {{ upstream: \"{}\" }}\ndrain: {{ window: 1s }}", app.url)).await;
    let mut held = Connection::open(&gateway.edge).await;
    let upgrade = "GET /socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    held.send(upgrade).await;
    let (_, mut socket) = app.request().await;
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let head = held.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    gateway.terminate();
    let _ = held.rest().await;
    let exit = gateway.exit().await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.stderr.contains("\"drained\""), "{}", exit.stderr);
}

/// Publishes one after the other, through the signal and until refused, each on a connection of its own.
#[tokio::test]
async fn who_publishes_while_a_drain_begins_always_gets_an_answer() {
    let mut app = App::start().await;
    let yaml = format!("edge: {{ upstream: \"{}\" }}\ndrain: {{ delay: 1s }}", app.url);
    let gateway = Gateway::start(&yaml).await;
    let mut held = Connection::open(&gateway.edge).await;
    held.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (_, mut in_flight) = app.request().await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut accepted = Vec::new();
    gateway.terminate();
    let refused = loop {
        let answer = post(&gateway.ingress, "/webhooks/orders", &accepted.len().to_string()).await;
        if answer.status != 202 {
            break answer;
        }
        accepted.push(answer.json()["cursor"].as_str().unwrap().to_owned());
    };
    refused.assert_problem(503);
    assert!(refused.field("Retry-After").is_some(), "{refused:?}");
    // The stream may have ended before the last of them, but tells no other, and none out of order.
    let told = stream.farewell().await;
    assert!(!told.is_empty() && told.len() <= accepted.len(), "{} of {}", told.len(), accepted.len());
    for (n, (block, cursor)) in told.iter().zip(&accepted).enumerate() {
        assert_eq!((block.id(), block.data()), (&**cursor, &*n.to_string()));
    }
    answer_as_app(&mut in_flight, "done").await;
    assert_eq!(held.answer().await.text(), "done");
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

#[tokio::test]
async fn connections_of_all_kinds_of_subscribers_end_cleanly() {
    let gateway = Gateway::start("drain: { window: 1s }\nhistory: { events: 100000, bytes: 64MiB }").await;
    let mut sender = Sender::open(&gateway).await;
    let sent = sender.publish_many("orders", (0..2000).map(|n| format!("{n:0>200}"))).await;
    let mut replaying =
        Request::topic("orders").after(&sent[0].cursor).receive_buffer(1024).open(&gateway).await;
    let mut waiting = Subscriber::open(&gateway, "others").await;
    let mut restarted =
        Request::topic("orders").after("000000000000-7").receive_buffer(1024).open(&gateway).await;
    gateway.wait_for_metric("sidestream_lagging_connections", |lagging| lagging == 2.0).await;
    gateway.terminate();
    gateway.says("draining").await;
    assert!(waiting.farewell().await.is_empty());
    for (stream, from) in [(&mut replaying, 1), (&mut restarted, 0)] {
        let blocks = stream.farewell().await;
        let events: Vec<_> = blocks.iter().filter(|b| b.data.is_some() && b.event.is_none()).collect();
        let seen: BTreeSet<_> = events.iter().map(|b| b.id().to_owned()).collect();
        assert_eq!(seen.len(), events.len());
        for (event, sent) in events.iter().zip(&sent[from..]) {
            assert_eq!(event.id(), sent.cursor);
        }
    }
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}
