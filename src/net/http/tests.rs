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

use super::testing::{Peer, Served, run};
use super::{Answer, BodyLimit, Exchange, Reuse};
use crate::lifecycle::Lifecycle;

/// Answers every request with its body, up to 64 KiB; `/unread` is refused without reading.
struct Echo {
    finished: AtomicUsize,
}

impl Echo {
    fn new() -> Arc<Self> {
        Arc::new(Self { finished: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl HttpServerApp for Echo {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = match Exchange::read(session).await {
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

/// On both kinds of stream: those of our accept loop, and pingora's.
async fn connect(app: &Arc<Echo>) -> [TcpStream; 2] {
    let (phase, lifecycle) = Lifecycle::new();
    let served = Served::tcp(app, lifecycle);
    let ours = served.stream().await;
    // The accept loop goes on until the test's runtime ends.
    std::mem::forget((served, phase));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pingoras = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    theirs.set_nodelay(true).unwrap();
    run(app, Box::new(L4Stream::from(theirs)));
    [ours, pingoras]
}

/// A sender that reads only after it has sent everything, as simple ones do, still gets its answer.
#[tokio::test]
async fn a_refusal_outlives_the_body_that_was_not_read() {
    for mut stream in connect(&Echo::new()).await {
        let length = 8 << 20;
        let head = format!("POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; length]).await.expect("no reset while sending");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("no reset before the answer");
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("\r\nConnection: close\r\n"),
            "{answer}"
        );
    }
}

/// The same for a sender that never ends: what is dropped is bounded.
#[tokio::test]
async fn a_sender_that_never_stops_is_cut_off() {
    for mut stream in connect(&Echo::new()).await {
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
}

#[tokio::test]
async fn a_connection_takes_request_after_request() {
    for stream in connect(&Echo::new()).await {
        let mut peer = Peer::of(stream);
        for length in [0, 1, 1000, 4096, 60_000, 64 << 10] {
            let body = "y".repeat(length);
            let request = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}");
            let answer = peer.ask(request).await;
            assert_eq!((answer.status, answer.body == body), (200, true), "{length}");
        }
    }
}

/// Requests in one packet, one of them chunked: only its reader knows where that one ends.
#[tokio::test]
async fn requests_behind_a_chunked_one_are_answered() {
    for stream in connect(&Echo::new()).await {
        let mut peer = Peer::of(stream);
        let chunked = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n";
        let plain = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\ntwo";
        peer.send(format!("{chunked}{plain}{chunked}{chunked}{plain}")).await;
        for want in ["one", "two", "one", "one", "two"] {
            assert_eq!(peer.receive().await.body, want);
        }
        assert_eq!(peer.ask(plain).await.body, "two");
    }
}

/// An answer in two writes would reach a peer in two segments, or wait for a delayed acknowledgement.
#[tokio::test]
async fn an_answer_is_one_write() {
    for mut stream in connect(&Echo::new()).await {
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
}

#[tokio::test]
async fn a_peer_that_leaves_ends_its_exchange() {
    let app = Echo::new();
    for (i, mut stream) in connect(&app).await.into_iter().enumerate() {
        stream.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nhi").await.unwrap();
        drop(stream);
        while app.finished.load(Ordering::SeqCst) == i {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Bytes behind a last request are dropped, however many: they are neither answered nor a reason for a reset, and the
/// connection ends when the peer does.
#[tokio::test]
async fn bytes_behind_the_last_request_are_dropped() {
    let app = Echo::new();
    for (i, mut stream) in connect(&app).await.into_iter().enumerate() {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.unwrap();
        stream.write_all(&vec![b'x'; 1 << 20]).await.expect("no reset while sending");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("no reset before the answer");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        drop(stream);
        let ended = async {
            while app.finished.load(Ordering::SeqCst) == i {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3), ended).await.expect("sooner than by time-out");
    }
}

/// Answers on a session that it only borrows, as a proxy's filter does.
struct Borrower;

#[async_trait]
impl HttpServerApp for Borrower {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.read_request().await.ok().filter(|&read| read)?;
        let answer = Answer::problem(StatusCode::BAD_GATEWAY, "no app")
            .with(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
        answer.write(&mut session).await.ok()?;
        let settings = pingora::apps::HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

#[tokio::test]
async fn a_borrowed_session_gives_the_same_answer() {
    let app = Arc::new(Borrower);
    let mut peer = Peer::connect(&app);
    for _ in 0..2 {
        let answer = peer.ask("GET / HTTP/1.1\r\nHost: t\r\n\r\n").await;
        assert_eq!((answer.status, answer.header("retry-after")), (502, Some("1")));
        assert_eq!(answer.json()["detail"], "no app");
        peer.send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n").await;
        assert_eq!(peer.receive_head().await.status, 502);
    }
}
