//! Over real sockets, where resets and writes can be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::testing::{Peer, run};
use super::{Answer, BodyLimit, Exchange, Reuse};
use crate::lifecycle::Lifecycle;

/// Answers every request with its body, up to 64 KiB; `/unread` is refused without reading.
struct Echo {
    lifecycle: Lifecycle,
    finished: AtomicUsize,
}

impl Echo {
    fn new() -> Arc<Self> {
        Arc::new(Self { lifecycle: Lifecycle::new().1, finished: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl HttpServerApp for Echo {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = match Exchange::read(session, &self.lifecycle).await {
            Ok(exchange) => exchange?,
            Err(unreadable) => return unreadable.answer().await.finish().await,
        };
        let answer = if exchange.request().uri.path() == "/unread" {
            Answer::problem(StatusCode::NOT_FOUND, "unread")
        } else {
            match exchange.body(BodyLimit { bytes: 64 << 10, time: Duration::from_secs(10) }).await {
                Ok(body) => Answer::text(StatusCode::OK, body),
                Err(error) => Answer::problem(StatusCode::BAD_REQUEST, &error.to_string()),
            }
        };
        let next = exchange.answer(&answer, Reuse::Keep).await.finish().await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        next
    }
}

async fn connect(app: &Arc<Echo>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    theirs.set_nodelay(true).unwrap();
    run(app, Box::new(L4Stream::from(theirs)));
    ours
}

/// A sender that reads only after it has sent everything, as simple ones do, still gets its answer.
#[tokio::test]
async fn a_refusal_outlives_the_body_that_was_not_read() {
    let app = Echo::new();
    let mut stream = connect(&app).await;
    let length = 8 << 20;
    let head = format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; length]).await.expect("no reset while sending");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("no reset before the answer");
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

/// The same for a body of unknown length that the sender never ends: the drain is bounded.
#[tokio::test]
async fn a_sender_that_never_stops_is_cut_off() {
    let app = Echo::new();
    let mut stream = connect(&app).await;
    stream
        .write_all(b"POST /unread HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0usize;
    while stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
        assert!(sent < 256 << 20, "not cut off");
    }
    assert!(sent >= 16 << 20, "cut off after {sent} bytes");
}

#[tokio::test]
async fn a_connection_takes_request_after_request() {
    let app = Echo::new();
    let mut peer = Peer::of(connect(&app).await);
    for length in [0, 1, 1000, 4096, 60_000, 64 << 10] {
        let body = "y".repeat(length);
        let answer =
            peer.ask(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}")).await;
        assert_eq!((answer.status, answer.body == body), (200, true), "{length}");
    }
}

/// An answer in two writes would reach a peer in two segments, or wait for a delayed acknowledgement.
#[tokio::test]
async fn an_answer_is_one_write() {
    let app = Echo::new();
    let mut stream = connect(&app).await;
    for round in 0..50 {
        stream.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nping").await.unwrap();
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(
            buffer[..read].ends_with(b"\r\n\r\nping"),
            "round {round}: {}",
            buffer[..read].escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_peer_that_leaves_ends_its_connection() {
    let app = Echo::new();
    let mut stream = connect(&app).await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nhi").await.unwrap();
    drop(stream);
    while app.finished.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
