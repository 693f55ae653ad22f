//! Connections, heads and their limits.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use sidestream::lifecycle::Phase;
use sidestream::net::{Control, Limits, MAX_HEAD, Wait, take_conn};
use tokio::io::AsyncWriteExt;

use crate::harness::{Running, answer, field, finish, head, status};

/// Answers by path.
struct App;

#[async_trait]
impl HttpServerApp for App {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let control = session.take_connection_user_context()?.downcast::<Control>().ok()?;
        assert!(session.read_request().await.ok()?);
        let path = session.req_header().uri.path().to_owned();
        match path.as_str() {
            "/take" => take(&mut session),
            "/take-unflushed" => {
                let mut conn = take_conn(&mut session)?;
                conn.write_all(b"a few bytes").await.ok()?;
                assert!(conn.into_socket().is_err(), "bytes were lost");
            }
            "/early" => answer(&mut session, "early").await,
            "/silent" => {
                control.arm(Wait::Answer, Duration::from_millis(50));
                let error = session.read_body_or_idle(true).await.unwrap_err();
                assert_eq!(control.expired(), Some(Wait::Answer), "{error}");
                answer(&mut session, "late").await;
            }
            "/trickle" => trickle(&mut session).await,
            "/stream" => {
                control.end_with_drain();
                session.write_response_header(head(None)).await.unwrap();
                std::future::pending::<()>().await;
            }
            _ => {
                let mut body = Vec::new();
                while let Some(bytes) = session.read_request_body().await.ok()? {
                    body.extend(bytes);
                }
                answer(&mut session, &format!("{path} {}", String::from_utf8_lossy(&body))).await;
            }
        }
        finish(session).await
    }
}

/// Half of the body, and the rest never.
async fn trickle(session: &mut ServerSession) {
    session.write_response_header(head(Some(10))).await.unwrap();
    session.write_response_body(Bytes::from_static(b"half"), false).await.unwrap();
    let _ = session.read_body_or_idle(true).await;
}

fn take(session: &mut ServerSession) {
    let conn = take_conn(session).unwrap();
    assert!(take_conn(session).is_none(), "taken twice");
    let (early, peer) = (conn.has_early_bytes(), conn.peer().ip().unwrap());
    let mut socket = conn.into_socket().unwrap();
    write!(socket, "taken early={early} peer={peer}").unwrap();
}

fn serve() -> Running {
    Running::start(Arc::new(App), 1000, Limits::default())
}

fn quick() -> Running {
    let limits =
        Limits { head: Duration::from_millis(200), idle: Duration::from_millis(400), ..Limits::default() };
    Running::start(Arc::new(App), 1000, limits)
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_each_other_also_when_they_are_sent_at_once() {
    let service = serve();
    let mut caller = service.connect().await;
    let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    for _ in 0..3 {
        caller.send(format!("\r\n{GET}{post}{GET}")).await;
        assert_eq!(caller.answer().await.1, "/a ");
        assert_eq!(caller.answer().await.1, "/b body");
        assert_eq!(caller.answer().await.1, "/a ");
    }
    caller.send(chunked).await;
    assert_eq!(caller.answer().await.1, "/c body");
    caller.send(GET).await;
    let (head, body) = caller.answer().await;
    assert_eq!((field(&head, "connection"), body.as_str()), (Some("keep-alive"), "/a "));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_larger_than_any_buffer_arrive_whole() {
    let service = serve();
    let body = "x".repeat(300_000);
    let mut caller = service.connect().await;
    caller.send(format!("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    caller.send(format!("{body}{GET}")).await;
    assert_eq!(caller.answer().await.1, format!("/b {body}"));
    assert_eq!(caller.answer().await.1, "/a ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_answered_408_and_closed() {
    let service = quick();
    let mut half = service.connect().await;
    half.send("GET / HTTP/1.1\r\nHo").await;
    let answer = half.rest().await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert_eq!(field(&answer, "content-type"), Some("application/problem+json"));

    // A byte every few milliseconds never lets a time-out per read come.
    let mut caller = service.connect().await;
    let start = Instant::now();
    let trickle = async {
        for byte in "GET / HTTP/1.1\r\nX: ".bytes().chain(std::iter::repeat(b'x')) {
            if caller.0.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, trickle).await.expect("a slow head is read for ever");
    assert!(start.elapsed() >= Duration::from_millis(200));

    // After an answer the same holds, and the head's time starts at its first byte.
    let mut caller = service.connect().await;
    caller.send(GET).await;
    caller.answer().await;
    caller.send("GET /").await;
    assert_eq!(status(&caller.rest().await), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_one_by_one_in_time_are_a_request() {
    let service = serve();
    let mut caller = service.connect().await;
    caller.0.set_nodelay(true).unwrap();
    for byte in GET.bytes() {
        caller.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.answer().await.1, "/a ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_without_a_word() {
    let service = quick();
    assert_eq!(service.connect().await.rest().await, "");
    let mut caller = service.connect().await;
    caller.send(GET).await;
    caller.answer().await;
    assert_eq!(caller.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_are_431_and_the_answer_arrives() {
    let service = serve();
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = service.exchange(&large).await;
    assert_eq!(status(&answer), 431, "{answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(500));
    assert_eq!(status(&service.exchange(&many).await), 431);
    let mut caller = service.connect().await;
    caller.send(format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD - 100))).await;
    assert_eq!(status(&caller.answer().await.0), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_read_in_two_ways_is_400() {
    let service = serve();
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "X: a\r\n b\r\n",
        "Host: b\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X : a\r\n",
        "X: a\n",
    ] {
        let answer =
            service.exchange(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n{GET}")).await;
        assert_eq!(status(&answer), 400, "{fields:?}: {answer}");
        assert_eq!(field(&answer, "connection"), Some("close"));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {answer}");
    }
    assert_eq!(status(&service.exchange("GET /\n\n").await), 400);
    assert_eq!(status(&service.exchange(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n\n").await), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_is_not_lost_to_a_reset() {
    let service = serve();
    let mut caller = service.connect().await;
    caller.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 800000\r\n\r\n").await;
    let (head, body) = caller.answer().await;
    assert_eq!((field(&head, "connection"), body.as_str()), (Some("close"), "early"));
    // The end has been sent too, and nothing that still comes is met with a reset.
    for _ in 0..8 {
        caller.send("x".repeat(100_000)).await;
    }
    assert_eq!(caller.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_goes_out_when_nothing_follows() {
    let service = serve();
    let mut caller = service.connect().await;
    caller.send("GET /trickle HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.until("half").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_deadline_can_still_be_answered() {
    let service = serve();
    let mut caller = service.connect().await;
    caller.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(caller.answer().await.1, "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_can_be_taken_as_a_socket() {
    let service = serve();
    let request = "GET /take HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(service.exchange(request).await, "taken early=false peer=127.0.0.1");
    assert_eq!(service.exchange(format!("{request}{GET}")).await, "taken early=true peer=127.0.0.1");
    assert_eq!(service.exchange("GET /take-unflushed HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    service.open.none().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_than_the_cap_are_open_and_the_next_is_served_when_one_ends() {
    let service = Running::start(Arc::new(App), 2, Limits::default());
    let mut first = service.connect().await;
    let mut second = service.connect().await;
    for caller in [&mut first, &mut second] {
        caller.send(GET).await;
        caller.answer().await;
    }
    let mut third = service.connect().await;
    third.send(GET).await;
    let served = tokio::time::timeout(Duration::from_millis(100), third.answer()).await;
    assert!(served.is_err(), "a third connection was served");
    assert_eq!(service.open.count(), 2);
    drop(first);
    assert_eq!(third.answer().await.1, "/a ");
    drop((second, third));
    service.open.none().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_closes_the_idle_at_once_and_the_busy_after_their_answer() {
    let service = serve();
    let mut idle = service.connect().await;
    idle.send(GET).await;
    idle.answer().await;
    let mut stream = service.connect().await;
    stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stream.until("\r\n\r\n").await;

    service.phase.send(Phase::Draining).unwrap();
    assert_eq!(idle.rest().await, "");
    let mut late = service.connect().await;
    late.send(GET).await;
    let answer = late.rest().await;
    assert_eq!((status(&answer), field(&answer, "connection")), (200, Some("close")), "{answer}");
    assert_eq!(service.open.count(), 1);

    service.phase.send(Phase::Ending).unwrap();
    stream.rest().await;
    service.open.none().await;
}
