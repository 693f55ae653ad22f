//! While the sender waits: what it is told when the app says too much, too little or nothing.

use tokio::net::TcpListener;

use super::support::{Act, App, Bench, SOURCE, free_port, quick, say, status, sync, to, to_port};
use crate::net::{Roots, Upstream, UpstreamScheme};
use crate::relay::limits::REPLY_BYTES;
use crate::relay::{Extent, Plan, RelayError, To};

#[tokio::test(flavor = "multi_thread")]
async fn each_status_is_passed_on_and_counted_as_what_it_is() {
    let statuses = [200, 202, 204, 301, 400, 404, 413, 429, 500, 503];
    let app = App::start(move |n| status(statuses[n - 1])).await;
    let bench = Bench::new(sync(to(&app)));
    for status in statuses {
        let reply = bench.send("x").await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.extent), (status, Extent::Whole));
    }
    bench.counted(3, 7, 0);
    assert_eq!(bench.metric("relay_failed_total", &["reason=\"status\""]), 7);
    assert!(app.connections() < statuses.len());
}

fn with_body(size: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_answer_that_is_too_large_the_status_is_left() {
    // The field of its length counts too.
    let fits = REPLY_BYTES - "content-length".len() - 5;
    let huge_head = format!("HTTP/1.1 201 X\r\nA: {}\r\nContent-Length: 1\r\n\r\nx", "a".repeat(REPLY_BYTES));
    let chunked =
        "HTTP/1.1 202 X\r\nRetry-After: 7\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n10000000\r\n";
    let to_the_end = "HTTP/1.1 503 X\r\n\r\n";
    let acts = [
        say(&with_body(fits)),
        say(&with_body(fits + 1)),
        say(&with_body(fits + 1)),
        say(&huge_head),
        Act::Flood(chunked.into()),
        Act::Flood(to_the_end.into()),
        say(&with_body(3)),
    ];
    let app = App::start(move |n| acts[n - 1].clone()).await;
    let bench = Bench::new(sync(to(&app)));
    let whole = bench.send("x").await.unwrap();
    assert_eq!((whole.body.len(), whole.extent), (fits, Extent::Whole));
    for (status, fields) in [(200, 0), (200, 0), (201, 0), (202, 1), (503, 0)] {
        let reply = bench.send("x").await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.extent), (status, Extent::Cut));
        assert_eq!((reply.fields.len(), reply.body.len()), (fields, 0), "{reply:?}");
    }
    assert_eq!(bench.send("x").await.unwrap().body.as_ref(), b"xxx");
    assert_eq!(app.asked(), 7);
    // None of the connections of what was cut was used again.
    assert!(app.connections() >= 6);
    assert_eq!(bench.metric("relay_cut_answers_total", &[]), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_or_breaks_off_keeps_its_status() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let nonsense = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    let acts = [Act::Stall(half.into()), Act::SayAndClose(half.into()), Act::SayAndClose(nonsense.into())];
    let app = App::start(move |n| acts[n - 1].clone()).await;
    let bench = Bench::new(quick(to(&app)));
    for _ in 0..3 {
        let reply = bench.send("x").await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.extent), (200, Extent::Cut));
    }
    assert_eq!(app.connections(), 3);
    bench.counted(3, 0, 0);
}

async fn fails(plan: Plan, error: RelayError, status: u16) {
    let bench = Bench::new(plan);
    let failed = bench.send("x").await.unwrap_err();
    assert_eq!((failed, failed.answer().status().as_u16()), (error, status));
    bench.counted(0, 1, 0);
    assert_eq!(bench.metric("relay_failed_total", &[&format!("reason=\"{}\"", error.as_str())]), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_there_is_502() {
    fails(sync(to_port(free_port().await)), RelayError::Unreachable, 502).await;
    let host = "no-such-host.invalid".into();
    let nowhere = Upstream::Tcp { scheme: UpstreamScheme::Http, host, port: 80 };
    fails(sync(To::Server(nowhere)), RelayError::Unreachable, 502).await;
    let dir = tempfile::tempdir().unwrap();
    let nothing = Upstream::Unix(dir.path().join("none.sock"));
    fails(sync(To::Server(nothing)), RelayError::Unreachable, 502).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_answer_is_504() {
    let slow = App::start(|_| Act::Wait).await;
    fails(quick(to(&slow)), RelayError::TimedOut, 504).await;
    let half = App::start(|_| Act::Stall(b"HTTP/1.1 200 O".into())).await;
    fails(quick(to(&half)), RelayError::TimedOut, 504).await;
    // Its attempt's end is its connection's.
    half.ended(1).await;
    // One that accepts nothing: the kernel does, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    fails(quick(to_port(listener.local_addr().unwrap().port())), RelayError::TimedOut, 504).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_502() {
    for bytes in [
        "",
        "HTTP/1.1 200",
        "220 smtp.example ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let app = App::start(|_| Act::SayAndClose(bytes.into())).await;
        fails(sync(to(&app)), RelayError::Broken, 502).await;
        assert_eq!(app.asked(), 1, "{bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_answers_before_it_has_read_all_is_heard() {
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    let app = App::start(|_| Act::Interrupt(answer.into())).await;
    let bench = Bench::new(sync(to(&app)));
    for _ in 0..3 {
        // More than the sockets' buffers take.
        let reply = bench.send(vec![b'x'; 32 << 20]).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.as_ref()), (413, &b"no"[..]));
    }
    assert_eq!((app.asked(), app.connections()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_with_the_app_than_there_are_connections() {
    let mut app = App::start(|_| Act::Wait).await;
    // Two in use, two idle.
    let bench = std::sync::Arc::new(Bench::with([(SOURCE, sync(to(&app)))], 4, Roots::System));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let bench = std::sync::Arc::clone(&bench);
            tokio::spawn(async move { bench.send("x").await })
        })
        .collect();
    app.next().await;
    app.next().await;
    bench.reload(quick(to(&app)));
    let busy = bench.send("x").await.unwrap_err();
    assert_eq!((busy, busy.answer().status().as_u16()), (RelayError::Busy, 503));
    assert_eq!(app.asked(), 2);
    app.open_gate();
    for sent in waiting {
        assert_eq!(sent.await.unwrap().unwrap().status, 200);
    }
    assert!(bench.send("x").await.is_ok());
    bench.counted(3, 1, 0);
}
