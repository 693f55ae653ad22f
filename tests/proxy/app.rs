//! The app behind the edge: answers in raw bytes, by path.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};

use crate::harness::field;

/// An app on loopback, until it is dropped.
pub struct App {
    pub port: u16,
    /// How many connections it was given.
    pub connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1", 0).await
    }

    pub async fn start_on(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind((host, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                served.spawn(serve(stream));
            }
        });
        Self { port, connections, task }
    }

    pub fn start_unix(path: &std::path::Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { port: 0, connections: Arc::default(), task }
    }

    /// Ends it; when this returns, its listener and all its connections are closed.
    pub async fn stop(mut self) {
        self.task.abort();
        let ended = (&mut self.task).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Longer than the tests' time-out for a first byte.
pub const PAUSE: Duration = Duration::from_millis(600);

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream).await {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        match path.split('?').next().unwrap() {
            "/die" => return,
            "/slow" | "/deaf" | "/ws-mute" => return std::future::pending().await,
            "/sse" => return sse(&mut stream).await,
            "/trickle" => {
                write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
                return std::future::pending().await;
            }
            "/big" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20);
                write(&mut stream, &head).await;
                write(&mut stream, &"x".repeat(64 << 20)).await;
                continue;
            }
            "/hints" => write(&mut stream, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await,
            "/old" => return write(&mut stream, "HTTP/1.0 200 OK\r\n\r\nto the end").await,
            "/chunked" => {
                let body =
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
                write(&mut stream, body).await;
                continue;
            }
            "/duplex" => return duplex(&mut stream).await,
            "/ws" => return websocket(&mut stream).await,
            "/ws-no" => {
                write(&mut stream, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope").await;
                continue;
            }
            _ => {}
        }
        if field(&head, "expect").is_some() {
            write(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let Some(body) = read_body(&head, &mut stream).await else { return };
        let body = format!("{head}{} bytes", body.len());
        let body = if head.starts_with("HEAD ") { String::new() } else { body };
        write(&mut stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    }
}

/// Two events, the second after a pause; then it stays open.
async fn sse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    write(stream, &format!("{head}9\r\ndata: 1\n\n\r\n")).await;
    tokio::time::sleep(PAUSE).await;
    write(stream, "9\r\ndata: 2\n\n\r\n").await;
    let _ = stream.read_u8().await;
}

/// Answers before the body has come, and gives each chunk back at once.
async fn duplex<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) {
    write(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        write(stream, &line).await;
        line.clear();
    }
}

/// Speaks first, at once, and then echoes.
async fn websocket<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    write(stream, &format!("{head}hello\n")).await;
    loop {
        let bytes = stream.fill_buf().await.unwrap_or_default().to_vec();
        if bytes.is_empty() || bytes == b"bye\n" {
            return;
        }
        stream.consume(bytes.len());
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

async fn read_body<S: AsyncRead + Unpin>(head: &str, stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = field(head, "content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await.ok()?;
    } else if field(head, "transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await.ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend(&chunk[..size]);
        }
    }
    Some(body)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
}
