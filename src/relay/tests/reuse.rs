//! Connections that are used again, and those that the app has closed in the meantime.

use super::support::{Act, App, Bench, queued, status, sync, to};
use crate::relay::{Lost, RelayError};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_unless_the_app_says_otherwise() {
    let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut app =
        App::start(move |n| if n == 5 { Act::SayAndClose(close.into()) } else { status(200) }).await;
    let bench = Bench::new(sync(to(&app)));
    let mut connections = Vec::new();
    for _ in 0..10 {
        bench.send("x").await.unwrap();
        connections.push(app.next().await.connection);
    }
    assert!(connections[4] < connections[5], "{connections:?}");
    // Once in a while the pool does not give a connection back.
    assert!(connections[9] < 6, "{connections:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_nobody_asked_for_end_a_connection() {
    let double =
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 Forged\r\nContent-Length: 0\r\n\r\n";
    let app = App::start(move |_| Act::Say(double.into())).await;
    let bench = Bench::new(sync(to(&app)));
    for connections in 1..4 {
        assert_eq!(bench.send("x").await.unwrap().status, 200);
        assert_eq!(app.connections(), connections);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_app_closed_while_idle_is_not_used() {
    // It says nothing of closing, and closes.
    let quiet = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut app = App::start(move |_| Act::SayAndClose(quiet.into())).await;
    let bench = Bench::new(sync(to(&app)));
    for connection in 1..20 {
        assert_eq!(bench.send("x").await.unwrap().status, 200);
        assert_eq!(app.next().await.connection, connection);
        app.ended(connection).await;
    }
    app.no_more();
    bench.counted(19, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_the_app_may_have_taken_is_not_sent_again_while_its_sender_waits() {
    // The app takes the second request on a connection that was used before, and dies before it answers.
    let mut app = App::start(|n| if n == 2 { Act::Close } else { status(200) }).await;
    let bench = Bench::new(sync(to(&app)));
    bench.send("one").await.unwrap();
    let failed = bench.send("two").await.unwrap_err();
    assert_eq!((failed, failed.answer().status().as_u16()), (RelayError::Broken, 502));
    bench.send("three").await.unwrap();
    for body in ["one", "two", "three"] {
        assert_eq!(app.next().await.body, body.as_bytes());
    }
    app.no_more();
    bench.counted(2, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_the_app_cannot_have_taken_is_sent_again_at_once() {
    let large = vec![b'x'; 32 << 20];
    let mut interrupted = 0;
    for _ in 0..4 {
        // The app closes a connection that was used before, in the middle of a request.
        let mut app = App::start(|_| Act::InterruptLater).await;
        let bench = Bench::new(sync(to(&app)));
        assert_eq!(bench.send("small").await.unwrap().status, 200);
        assert_eq!(bench.send(large.clone()).await.unwrap().status, 200);
        assert_eq!(app.next().await.body, b"small");
        assert!(app.next().await.body == large);
        app.no_more();
        bench.counted(2, 0, 0);
        interrupted += app.asked() - 2;
    }
    assert!(interrupted > 0);
    // On a new connection that would be the app's way, and no reason to go on.
    let app = App::start(|_| Act::Interrupt(Vec::new())).await;
    let bench = Bench::new(sync(to(&app)));
    assert_eq!(bench.send(large).await.unwrap_err(), RelayError::Broken);
    assert_eq!(app.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_queue_what_may_have_been_taken_is_sent_again() {
    let mut app = App::start(|n| if n <= 2 { Act::Close } else { status(200) }).await;
    let bench = Bench::new(queued(to(&app)));
    assert_eq!(bench.queue("one"), Ok::<(), Lost>(()));
    bench.flushed().await;
    for _ in 0..3 {
        assert_eq!(app.next().await.body, b"one");
    }
    app.no_more();
    bench.counted(1, 0, 0);
    assert_eq!(bench.metric("relay_retries_total", &[]), 2);
}
