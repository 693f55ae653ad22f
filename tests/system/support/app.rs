//! A stand-in for the app behind the edge.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within;

/// Listens on a free port, and hands each connection's request out to be answered by hand.
pub struct App {
    pub url: String,
    requests: mpsc::UnboundedReceiver<(String, TcpStream)>,
}

impl App {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(read_head(stream, sender.clone()));
            }
        });
        Self { url, requests }
    }

    /// The next request's head, and its connection.
    pub async fn request(&mut self) -> (String, TcpStream) {
        within("a request to the app", self.requests.recv()).await.unwrap()
    }
}

async fn read_head(mut stream: TcpStream, to: mpsc::UnboundedSender<(String, TcpStream)>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let _ = to.send((String::from_utf8(head).unwrap(), stream));
}

/// Answers with `body` and closes.
pub async fn answer(stream: &mut TcpStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await.unwrap();
}
