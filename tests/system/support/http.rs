//! HTTP/1.1 by hand: what is sent and what is read is bytes, so that the tests may be as rude as they like.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

/// A connection to one of the listeners.
pub struct Connection {
    stream: TcpStream,
    /// Read, and not yet used.
    unread: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// A problem document with this status, in head and body, that no cache may keep.
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let said = self.head.to_ascii_lowercase().matches("\r\ncache-control:").count();
        assert_eq!((self.field("cache-control"), said), (Some("no-store"), 1), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
    }
}

/// A field's value.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        Self::try_open(address).await.unwrap()
    }

    pub async fn try_open(address: &str) -> io::Result<Self> {
        within("connect", TcpStream::connect(address)).await.map(Self::over)
    }

    pub fn over(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("send", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends as much as the other side takes: it may answer, and close, before it has seen all.
    pub async fn send_what_is_taken(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("send", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        within("shutdown", self.stream.shutdown()).await.unwrap();
    }

    /// The socket, and what was read of it but not used.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    /// Reads an answer's head, its empty line included.
    pub async fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Ok(String::from_utf8(head).unwrap());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        within("an answer", self.more_unbounded()).await
    }

    async fn more_unbounded(&mut self) -> io::Result<()> {
        let read = self.stream.read_buf(&mut self.unread).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads a whole answer with a length.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap_or_else(|error| {
            panic!("no answer: {error}; had {:?}", String::from_utf8_lossy(&self.unread))
        })
    }

    /// As [`Connection::try_answer`], for whoever bounds the wait for its first bytes.
    pub async fn unbounded_answer(&mut self) -> io::Result<Answer> {
        self.more_unbounded().await?;
        self.try_answer().await
    }

    pub async fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        let length = field(&head, "content-length").map_or(0, |n| n.parse().unwrap());
        while self.unread.len() < length {
            self.more().await?;
        }
        Ok(Answer { status, head, body: self.unread.drain(..length).collect() })
    }

    /// Reads until the other side closes. An error when it resets.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.unread);
        within("the end", self.stream.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }
}

/// Sends `request` on a connection of its own and reads the answer.
pub async fn exchange(address: &str, request: impl AsRef<[u8]>) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.send(request).await;
    connection.answer().await
}

pub async fn get(address: &str, path: &str) -> Answer {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")).await
}

pub async fn post(address: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}");
    exchange(address, format!("{head}\r\n\r\n{body}")).await
}
