//! A subscriber on a raw socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::http::{Connection, field};
use super::stream::{Block, Body, End, Framing, Item, next_item};
use super::{Gateway, within};

/// Bytes read at once, unless a test wants less.
const READ: usize = 64 << 10;

/// Bytes of a segment to a subscriber with a small receive buffer.
const SEGMENT: u32 = 536;

/// A request for a stream.
#[derive(Clone, Debug)]
pub struct Request {
    target: String,
    version: &'static str,
    headers: Vec<u8>,
    receive_buffer: Option<u32>,
    from: Option<Ipv4Addr>,
    behind: Vec<u8>,
}

impl Request {
    pub fn to(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            receive_buffer: None,
            from: None,
            behind: Vec::new(),
        }
    }

    pub fn topic(topic: &str) -> Self {
        Self::to(format!("/topics/{topic}"))
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), b": ", value.as_ref(), b"\r\n"] {
            self.headers.extend_from_slice(part);
        }
        self
    }

    pub fn after(self, cursor: impl AsRef<[u8]>) -> Self {
        self.header("Last-Event-ID", cursor)
    }

    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// A small receive buffer: what is not read soon holds the server up.
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// From another address of loopback: one address has too few ports for very many connections.
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.from = Some(address);
        self
    }

    /// Bytes that are sent behind the request, in the same breath.
    pub fn followed_by(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.behind = bytes.as_ref().to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let line = format!("GET {} {}\r\nHost: test\r\n", self.target, self.version);
        [line.as_bytes(), &self.headers, b"\r\n", &self.behind].concat()
    }

    /// Connects and sends.
    pub async fn connect(&self, address: &str) -> Connection {
        let address: SocketAddr = address.parse().unwrap();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
            // Loopback's segments are 64 KiB. Where the window is smaller than one, each step waits for a timer of
            // TCP's (RFC 9293 §3.8.6.1, 200 ms and growing): segments of a network's size fit the window.
            socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT).unwrap();
        }
        if let Some(from) = self.from {
            socket.bind((from, 0).into()).unwrap();
        }
        let mut connection = Connection::over(within("connect", socket.connect(address)).await.unwrap());
        connection.send(self.bytes()).await;
        connection
    }

    /// Opens the stream.
    pub async fn open(&self, gateway: &Gateway) -> Subscriber {
        Subscriber::over(self.connect(&gateway.edge).await).await
    }
}

/// An open stream.
pub struct Subscriber {
    stream: TcpStream,
    pub head: String,
    body: Body,
    plain: Vec<u8>,
    looked: usize,
    end: Option<End>,
    read: usize,
    /// The last id it was told.
    pub cursor: Option<String>,
}

impl Subscriber {
    /// Subscribes to a topic, from now on, and reads the opening block.
    pub async fn open(gateway: &Gateway, topic: &str) -> Self {
        let mut subscriber = Request::topic(topic).open(gateway).await;
        subscriber.opening().await;
        subscriber
    }

    /// Reads the head of a stream's response; it must be one.
    pub async fn over(mut connection: Connection) -> Self {
        let head = connection.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(field(&head, "content-type"), Some("text/event-stream"), "{head}");
        let framing =
            if field(&head, "transfer-encoding").is_some() { Framing::Chunked } else { Framing::Close };
        let (stream, unread) = connection.into_parts();
        let mut this = Self {
            stream,
            head,
            body: Body::new(framing),
            plain: Vec::new(),
            looked: 0,
            end: None,
            read: READ,
            cursor: None,
        };
        this.body.take(&unread, &mut this.plain);
        this
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// Reads at most so many bytes at once from now on.
    pub fn read_in_steps_of(&mut self, bytes: usize) {
        self.read = bytes;
    }

    /// The next thing said, or how the stream ended.
    pub async fn next(&mut self) -> Result<Item, End> {
        within("the stream says something", self.next_unbounded()).await
    }

    /// As [`Subscriber::next`], for whoever bounds the wait. Cancel-safe.
    pub async fn next_unbounded(&mut self) -> Result<Item, End> {
        loop {
            if let Some(item) = next_item(&mut self.plain, &mut self.looked) {
                if let Item::Block(Block { id: Some(id), .. }) = &item {
                    self.cursor = Some(id.clone());
                }
                return Ok(item);
            }
            if let Some(end) = self.end {
                return Err(end);
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let mut bytes = vec![0; self.read];
        match self.stream.read(&mut bytes).await {
            Ok(0) => {
                let whole = self.body.is_complete() && self.plain.is_empty();
                self.end = Some(if whole { End::Clean } else { End::Cut });
            }
            Ok(read) => self.body.take(&bytes[..read], &mut self.plain),
            Err(error) => {
                let reset = matches!(error.kind(), io::ErrorKind::ConnectionReset);
                assert!(reset, "{error}");
                self.end = Some(End::Reset);
            }
        }
    }

    /// The next block; comments are passed over.
    pub async fn block(&mut self) -> Block {
        loop {
            match self.next().await {
                Ok(Item::Block(block)) => return block,
                Ok(Item::Comment(_)) => {}
                Err(end) => panic!("the stream ended: {end:?}"),
            }
        }
    }

    /// The opening block, checked.
    pub async fn opening(&mut self) -> Block {
        let block = self.block().await;
        assert!(block.retry.is_some() && block.event.is_none() && block.data.is_none(), "{block:?}");
        block
    }

    /// The next event; comments and blocks that only move the cursor are passed over, a gap is not.
    pub async fn event(&mut self) -> Block {
        loop {
            let block = self.block().await;
            if block.data.is_some() {
                return block;
            }
            assert!(block.id.is_some() && block.retry.is_none(), "{block:?}");
        }
    }

    /// Reads to the end. What was said, and how it ended.
    pub async fn rest(&mut self) -> (Vec<Item>, End) {
        let mut items = Vec::new();
        loop {
            match self.next().await {
                Ok(item) => items.push(item),
                Err(end) => return (items, end),
            }
        }
    }

    /// Reads to the clean end: the last block must be a fresh `retry:` alone. The blocks before it.
    pub async fn farewell(&mut self) -> Vec<Block> {
        let (items, end) = self.rest().await;
        assert_eq!(end, End::Clean, "{items:?}");
        let mut blocks: Vec<Block> = items
            .into_iter()
            .filter_map(|item| match item {
                Item::Block(block) => Some(block),
                Item::Comment(_) => None,
            })
            .collect();
        let last = blocks.pop().expect("a farewell");
        let retry = last.retry.unwrap_or_else(|| panic!("not a farewell: {last:?}"));
        assert_eq!(last.raw, format!("retry: {retry}\n\n"));
        blocks
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        within("shutdown", self.stream.shutdown()).await.unwrap();
    }

    /// Resets the connection.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("send", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }
}
