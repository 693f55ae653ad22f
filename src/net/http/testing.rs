//! A peer that speaks raw bytes to an application, for tests.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::services::Service as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lifecycle::Lifecycle;
use crate::net::{Address, Limits, Listener, Service, Settings};

/// How long a test waits for bytes that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The peer's end of a connection.
pub(crate) struct Peer<S = DuplexStream> {
    stream: S,
    unread: Vec<u8>,
}

/// An answer as it was on the wire.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wire {
    /// A header's value; names are compared without case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Runs `app` on `stream` until the connection ends.
pub(crate) fn run<A: HttpServerApp + Send + Sync + 'static>(app: &Arc<A>, stream: Stream) {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let (_keep, shutdown) = watch::channel(false);
        app.process_new(stream, &shutdown).await;
    });
}

/// A real listener with its accept loop in front of an application. Ends with the test.
pub(crate) struct Served {
    pub(crate) address: Address,
    /// Kept open: dropping it would stop the accept loop.
    _shutdown: watch::Sender<bool>,
}

impl Served {
    /// Listens on a free loopback port.
    pub(crate) fn tcp<A: HttpServerApp + Send + Sync + 'static>(app: &Arc<A>, lifecycle: Lifecycle) -> Self {
        Self::on(&"127.0.0.1:0".parse().unwrap(), app, lifecycle)
    }

    pub(crate) fn on<A: HttpServerApp + Send + Sync + 'static>(
        address: &Address,
        app: &Arc<A>,
        lifecycle: Lifecycle,
    ) -> Self {
        let listener = Listener::bind("test.listen", address).unwrap();
        let address = listener.local().clone();
        let settings = Settings { name: "test", threads: 1, connections: 100, limits: Limits::default() };
        let mut service = Service::new(settings, listener, Arc::clone(app), lifecycle);
        let (shutdown, watching) = watch::channel(false);
        tokio::spawn(async move { service.start_service(None, watching, 1).await });
        Self { address, _shutdown: shutdown }
    }

    pub(crate) async fn stream(&self) -> TcpStream {
        TcpStream::connect(self.address.to_string()).await.unwrap()
    }

    pub(crate) async fn peer(&self) -> Peer<TcpStream> {
        Peer::of(self.stream().await)
    }
}

impl Peer {
    /// A connection to `app` in memory.
    pub(crate) fn connect<A: HttpServerApp + Send + Sync + 'static>(app: &Arc<A>) -> Self {
        let (ours, theirs) = duplex(64 << 10);
        run(app, Box::new(theirs));
        Self::of(ours)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) fn of(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("the app reads").expect("open");
    }

    /// Ends the peer's side.
    pub(crate) async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends and receives.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Wire {
        self.send(request).await;
        self.receive().await
    }

    /// The next answer; its length must be announced (a 1xx has none).
    pub(crate) async fn receive(&mut self) -> Wire {
        self.receive_with(|length| length).await
    }

    /// The next answer, which was asked for with HEAD.
    pub(crate) async fn receive_head(&mut self) -> Wire {
        self.receive_with(|_| 0).await
    }

    async fn receive_with(&mut self, body: impl Fn(usize) -> usize) -> Wire {
        let end = loop {
            match self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.more().await > 0, "ended: {:?}", String::from_utf8_lossy(&self.unread)),
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut wire = Wire { status, head, body: String::new() };
        let length = wire.header("content-length").map_or(0, |v| v.parse().unwrap());
        assert!(matches!(status, 100..200 | 204) || wire.header("content-length").is_some(), "{wire:?}");
        let length = body(length);
        while self.unread.len() < length {
            assert!(self.more().await > 0, "ended in the body of {wire:?}");
        }
        wire.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        wire
    }

    /// Asserts that the app closes the connection without sending more.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.more().await, 0, "{:?}", String::from_utf8_lossy(&self.unread));
        assert!(self.unread.is_empty(), "{:?}", String::from_utf8_lossy(&self.unread));
    }

    async fn more(&mut self) -> usize {
        timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("bytes in time").unwrap()
    }
}
