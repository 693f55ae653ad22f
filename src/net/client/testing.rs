//! For tests: an app on a real socket that answers as it is told and remembers what it was sent.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What a healthy machine needs a small part of, and a hung test is ended by.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the app does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads it whole and writes these bytes.
    Say(Vec<u8>),
    /// The same, and closes.
    SayAndClose(Vec<u8>),
    /// Reads its head alone, writes these bytes and closes, unread bytes or not.
    Interrupt(Vec<u8>),
    /// The same, but on a connection's first request, which gets a 200.
    InterruptLater,
    /// Reads it whole and closes.
    Close,
    /// Reads it whole, writes these bytes, and then nothing more.
    Stall(Vec<u8>),
    /// Reads it whole, and answers 200 once the gate is open.
    Wait,
    /// Writes zeros for ever, behind these bytes.
    Flood(Vec<u8>),
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Act {
    Act::Say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

/// A request as it was on the wire.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Which of the app's connections it came by, from 1.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn head(&self) -> String {
        self.head.escape_ascii().to_string().replace("\\r\\n", "\n")
    }
}

/// Decides on the n-th request, from 1.
type Script = Arc<dyn Fn(usize) -> Act + Send + Sync>;

/// An app until it is dropped.
pub(crate) struct App {
    pub(crate) port: u16,
    seen: mpsc::UnboundedReceiver<Seen>,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    script: Script,
    asked: AtomicUsize,
    connections: AtomicUsize,
    /// Connections that the app has seen the end of.
    ended: watch::Sender<usize>,
    gate: watch::Sender<bool>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl App {
    pub(crate) async fn start(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start_on(0, script).await
    }

    pub(crate) async fn start_on(port: u16, script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self::serve(port, script, move |state| async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                served.spawn(connection(stream, Arc::clone(&state)));
            }
        })
    }

    pub(crate) fn start_unix(path: &Path, script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::serve(0, script, move |state| async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(connection(stream, Arc::clone(&state)));
            }
        })
    }

    fn serve<F: Future<Output = ()> + Send + 'static>(
        port: u16,
        script: impl Fn(usize) -> Act + Send + Sync + 'static,
        accept: impl FnOnce(Arc<State>) -> F,
    ) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            script: Arc::new(script),
            asked: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
            gate: watch::Sender::new(false),
            seen: sender,
        });
        let task = tokio::spawn(accept(Arc::clone(&state)));
        Self { port, seen, state, task }
    }

    /// The next request that was read whole.
    pub(crate) async fn next(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("a request in time").unwrap()
    }

    /// Asserts that no other request was read whole.
    pub(crate) fn no_more(&mut self) {
        assert!(self.seen.try_recv().is_err());
    }

    /// Requests so far, those that were not read whole too.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until it has seen the end of so many connections.
    pub(crate) async fn ended(&self, connections: usize) {
        let mut ended = self.state.ended.subscribe();
        timeout(PATIENCE, ended.wait_for(|ended| *ended >= connections)).await.unwrap().unwrap();
    }

    /// Lets [`Act::Wait`] answer, from now on.
    pub(crate) fn open_gate(&self) {
        self.state.gate.send_replace(true);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that nobody listens on.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, state: Arc<State>) {
    let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let mut stream = BufReader::new(stream);
    let mut first = true;
    while let Some(head) = read_head(&mut stream).await {
        let act = match (state.script)(state.asked.fetch_add(1, Ordering::SeqCst) + 1) {
            Act::InterruptLater if std::mem::take(&mut first) => status(200),
            Act::InterruptLater => Act::Interrupt(Vec::new()),
            act => act,
        };
        if let Act::Interrupt(bytes) = act {
            let _ = stream.write_all(&bytes).await;
            break;
        }
        let mut body = vec![0; length(&head)];
        if stream.read_exact(&mut body).await.is_err() {
            break;
        }
        let _ = state.seen.send(Seen { head, body, connection: number });
        match act {
            Act::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(&bytes).await;
                break;
            }
            Act::Close | Act::Interrupt(_) | Act::InterruptLater => break,
            Act::Stall(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                let _ = stream.read_u8().await;
                break;
            }
            Act::Wait => {
                let _ = state.gate.subscribe().wait_for(|open| *open).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            Act::Flood(bytes) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(&[b'0'; 4096]).await.is_ok() {}
                break;
            }
        }
    }
    state.ended.send_modify(|ended| *ended += 1);
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    if head.starts_with("get ") {
        return 0;
    }
    let value = head.split("\r\ncontent-length: ").nth(1).expect("every request with a body says its length");
    value.split("\r\n").next().unwrap().parse().unwrap()
}

/// A file of the certificates that the proxy's tests use: `ca.pem` vouches for `localhost` alone.
pub(crate) fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/tls").join(name)
}

/// An app behind TLS, on the port that is returned. Each request, whose body is to be short, gets these bytes.
pub(crate) fn start_tls(answer: &'static [u8]) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(tls_file("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(tls_file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let tls = ServerConnection::new(config).unwrap();
                // Whoever does not trust the certificate ends it here.
                let _ = serve_tls(StreamOwned::new(tls, stream?), answer);
                std::io::Result::Ok(())
            });
        }
    });
    port
}

fn serve_tls(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    answer: &[u8],
) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};
    let mut read = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n")
            && read.len() == end + 4 + length(&read[..end + 4])
        {
            stream.write_all(answer)?;
            read.clear();
        }
    }
}
