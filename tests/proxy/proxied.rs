//! Listeners whose connections begin with a PROXY header.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::services::Service as _;
use prometheus::IntCounter;
use sidestream::lifecycle::{Lifecycle, Phase};
use sidestream::net::{Conn, Limits, Listener, ProxyProtocol, Service, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::{Caller, PATIENCE, answer, finish};

/// Answers with the peer, as the connection and as the HTTP library knows it.
struct Who;

#[async_trait]
impl HttpServerApp for Who {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        assert!(session.read_request().await.ok()?);
        let peer = session.stream()?.as_any().downcast_ref::<Conn>()?.peer();
        let known = session.client_addr().map(ToString::to_string);
        answer(&mut session, &format!("{peer:?} {known:?}")).await;
        finish(session).await
    }
}

/// A listener that requires the header, until it is dropped.
struct Strict {
    address: String,
    errors: IntCounter,
    phase: watch::Sender<Phase>,
    _shutdown: watch::Sender<bool>,
}

impl Strict {
    fn start(address: &str, limits: Limits) -> Self {
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let listener = Listener::bind("test.listen", &address.parse().unwrap()).unwrap();
        let address = listener.local().to_string();
        let errors = IntCounter::new("errors_total", "Errors.").unwrap();
        let settings = Settings { name: "test", threads: 2, connections: 100, limits };
        let mut service = Service::new(settings, listener, Arc::new(Who), lifecycle)
            .with_proxy_protocol(ProxyProtocol::Required, errors.clone());
        let (shutdown, watch) = watch::channel(false);
        tokio::spawn(async move { service.start_service(None, watch, 1).await });
        Self { address, errors, phase, _shutdown: shutdown }
    }

    fn tcp() -> Self {
        Self::start("127.0.0.1:0", Limits::default())
    }

    fn quick() -> Self {
        Self::start("127.0.0.1:0", Limits { head: Duration::from_millis(300), ..Limits::default() })
    }

    async fn connect(&self) -> Caller {
        Caller(TcpStream::connect(&self.address).await.unwrap())
    }

    /// Sends `bytes`; the connection must be closed without an answer, and be counted if it is `counted`.
    async fn refuses(&self, bytes: &[u8], counted: u64) {
        let before = self.errors.get();
        let mut caller = self.connect().await;
        // It may be closed before all is sent, and be reset for what was left unread.
        let _ = caller.0.write_all(bytes).await;
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, caller.0.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after {}", bytes.escape_ascii());
        assert_eq!(answer.escape_ascii().to_string(), "", "{}", bytes.escape_ascii());
        assert_eq!(self.errors.get() - before, counted, "{}", bytes.escape_ascii());
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";
const V1_PEER: &str = "Ip(192.0.2.7:51000) Some(\"192.0.2.7:51000\")";

/// From `2001:db8::7` port 51000 to `::1` port 443, with a TLV.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29".to_vec();
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    header.extend([0; 15]);
    header.extend([1, 0xc7, 0x38, 1, 0xbb]);
    header.extend(b"\x01\x00\x02h2");
    header
}
const V2_PEER: &str = "Ip([2001:db8::7]:51000) Some(\"[2001:db8::7]:51000\")";

#[tokio::test(flavor = "multi_thread")]
async fn the_header_says_who_asks_for_all_of_a_connections_requests() {
    let strict = Strict::tcp();
    for (header, peer) in [(V1.to_vec(), V1_PEER), (v2(), V2_PEER)] {
        // Header and two requests in one segment.
        let mut caller = strict.connect().await;
        caller.send([&header[..], GET, GET].concat()).await;
        assert_eq!(caller.answer().await.1, peer);
        assert_eq!(caller.answer().await.1, peer);
        // And a third one later.
        caller.send(GET).await;
        assert_eq!(caller.answer().await.1, peer);
    }
    assert_eq!(strict.errors.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_may_come_byte_by_byte() {
    let strict = Strict::tcp();
    for (header, peer) in [(V1.to_vec(), V1_PEER), (v2(), V2_PEER)] {
        let mut caller = strict.connect().await;
        caller.0.set_nodelay(true).unwrap();
        for byte in [&header[..], GET].concat() {
            caller.send([byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(caller.answer().await.1, peer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_nobody_keeps_the_sockets_address() {
    let strict = Strict::tcp();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN 192.0.2.7 x y z\r\n", local] {
        let mut caller = strict.connect().await;
        let own = caller.0.local_addr().unwrap();
        caller.send([header, GET].concat()).await;
        assert_eq!(caller.answer().await.1, format!("Ip({own}) Some(\"{own}\")"));
    }
    // A caller of the proxy's over a unix socket has no address.
    let unix = [b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8".as_slice(), &[b'/'; 216]].concat();
    let mut caller = strict.connect().await;
    caller.send([&unix[..], GET].concat()).await;
    assert_eq!(caller.answer().await.1, "Unix None");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_takes_headers_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.sock");
    let _strict = Strict::start(&format!("unix:{}", path.display()), Limits::default());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(&[V1, b"GET / HTTP/1.0\r\n\r\n"].concat()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(V1_PEER), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_valid_header_is_closed_unanswered() {
    let strict = Strict::tcp();
    let lying = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b"[..], &[0; 11], GET].concat();
    let version_3 = [&b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"[..], &[0; 12], GET].concat();
    let huge = [&b"\r\n\r\n\0\r\nQUIT\n\x20\0\xff\xff"[..], GET].concat();
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    for bytes in
        [GET, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP5 a b c d\r\n"]
            .into_iter()
            .chain([&lying[..], &version_3, &huge, &endless])
    {
        strict.refuses(bytes, 1).await;
    }
    // A header belongs to a connection, not to a request: a second one is no request.
    let mut caller = strict.connect().await;
    caller.send([V1, V1, GET].concat()).await;
    let (head, _) = caller.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_ends_early_is_an_error_and_a_connection_without_a_byte_is_none() {
    let strict = Strict::tcp();
    for (bytes, counted) in [(&b""[..], 0), (b"P", 1), (&V1[..20], 1), (&v2()[..30], 1)] {
        let mut caller = strict.connect().await;
        caller.send(bytes).await;
        let before = strict.errors.get();
        caller.0.shutdown().await.unwrap();
        assert_eq!(caller.rest().await, "");
        assert_eq!(strict.errors.get() - before, counted, "{}", bytes.escape_ascii());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_is_due_within_the_heads_time() {
    let strict = Strict::quick();
    let mut caller = strict.connect().await;
    caller.send(V1).await;
    strict.refuses(b"", 1).await;
    strict.refuses(&V1[..20], 1).await;
    // A length that promises more than comes.
    strict.refuses(&[&b"\r\n\r\n\0\r\nQUIT\n\x20\0\x0f\xff"[..], GET].concat(), 1).await;
    // Behind the header a connection may be idle, as one that a browser opens in advance: by now for three times that.
    caller.send(GET).await;
    assert_eq!(caller.answer().await.1, V1_PEER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_a_header() {
    let strict = Strict::tcp();
    let mut silent = strict.connect().await;
    strict.phase.send_replace(Phase::Draining);
    assert_eq!(silent.rest().await, "");
    assert_eq!(strict.errors.get(), 0);
    // One that comes in the drain's first moments is still told that it is late.
    let mut late = strict.connect().await;
    late.send([V1, GET].concat()).await;
    assert!(late.answer().await.0.contains("onnection: close"));
}
