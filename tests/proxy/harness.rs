//! Starts services in this process and speaks to them in raw bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::services::Service as _;
use sidestream::lifecycle::{Lifecycle, Phase};
use sidestream::net::{Address, Limits, Listener, Open, Service, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// What a healthy machine needs a small part of, and a hung test is ended by.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a service can run.
pub trait App: HttpServerApp + Send + Sync + 'static {}

impl<A: HttpServerApp + Send + Sync + 'static> App for A {}

/// A service that runs until it is dropped.
pub struct Running {
    /// `127.0.0.1:port`.
    pub address: String,
    pub open: Open,
    pub phase: watch::Sender<Phase>,
    shutdown: watch::Sender<bool>,
}

impl Running {
    /// On a free port of loopback.
    pub fn start(app: Arc<impl App>, connections: usize, limits: Limits) -> Self {
        let (phase, lifecycle) = Lifecycle::new();
        phase.send(Phase::Serving).unwrap();
        Self::start_in(app, connections, limits, phase, lifecycle)
    }

    /// With a lifecycle that the application shares.
    pub fn start_in(
        app: Arc<impl App>,
        connections: usize,
        limits: Limits,
        phase: watch::Sender<Phase>,
        lifecycle: Lifecycle,
    ) -> Self {
        let address = Address::Tcp { host: "127.0.0.1".into(), port: 0 };
        Self::start_at(&address, app, connections, limits, phase, lifecycle)
    }

    /// On an address of choice.
    pub fn start_at(
        address: &Address,
        app: Arc<impl App>,
        connections: usize,
        limits: Limits,
        phase: watch::Sender<Phase>,
        lifecycle: Lifecycle,
    ) -> Self {
        let listener = Listener::bind("test.listen", address).unwrap();
        let address = listener.local().to_string();
        let settings = Settings { name: "test", threads: 2, connections, limits };
        let mut service = Service::new(settings, listener, app, lifecycle);
        let open = service.open();
        let (shutdown, watch) = watch::channel(false);
        tokio::spawn(async move { service.start_service(None, watch, 1).await });
        Self { address, open, phase, shutdown }
    }

    pub async fn connect(&self) -> Caller {
        Caller(TcpStream::connect(&self.address).await.unwrap())
    }

    /// Sends `bytes` and reads until the other side closes.
    pub async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut caller = self.connect().await;
        caller.send(bytes).await;
        caller.rest().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.shutdown.send(true);
    }
}

/// One connection of a caller.
pub struct Caller(pub TcpStream);

impl Caller {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until the other side closes; fails on a reset.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the connection stays open").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads until what was read ends with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let byte = timeout(PATIENCE, self.0.read_u8()).await;
            match byte.unwrap_or_else(|_| panic!("no {end:?} in {:?}", String::from_utf8_lossy(&bytes))) {
                Ok(byte) => bytes.push(byte),
                Err(error) => panic!("{error} before {end:?} in {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Reads one answer with a `Content-Length`: head and body.
    pub async fn answer(&mut self) -> (String, String) {
        let head = self.until("\r\n\r\n").await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        (head, String::from_utf8(body).unwrap())
    }
}

/// The head of a good answer with so many bytes, or with chunks.
pub fn head(length: Option<usize>) -> Box<ResponseHeader> {
    let mut head = ResponseHeader::build(200, None).unwrap();
    match length {
        Some(length) => head.insert_header("Content-Length", length).unwrap(),
        None => head.insert_header("Transfer-Encoding", "chunked").unwrap(),
    }
    Box::new(head)
}

/// Answers a request that was read.
pub async fn answer(session: &mut ServerSession, body: &str) {
    session.write_response_header(head(Some(body.len()))).await.unwrap();
    session.write_response_body(Bytes::copy_from_slice(body.as_bytes()), true).await.unwrap();
}

/// Gives the connection back for its next request.
pub async fn finish(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let reusable = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
}

/// The first line's status.
pub fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

/// A field's value.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
