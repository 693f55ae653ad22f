//! An app that keeps its connections open, writes down every request, and answers it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::http::field;

/// An app on a free port of loopback.
pub struct Diary {
    pub url: String,
    entries: Arc<Mutex<Vec<Entry>>>,
}

/// A request as the app read it, whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which of its connections it came over, in the order of their coming.
    pub connection: usize,
    /// Method and target.
    pub asked: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Diary {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let entries = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&entries);
        tokio::spawn(async move {
            let mut connections = 0..;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(connections.next().unwrap(), stream, Arc::clone(&book)));
            }
        });
        Self { url, entries }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// Method and target of every request, in order.
    pub fn asked(&self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.asked).collect()
    }
}

async fn serve(connection: usize, stream: TcpStream, book: Arc<Mutex<Vec<Entry>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let asked = head.split(" HTTP/1.1\r\n").next().unwrap().to_owned();
        let body = read_body(&head, &mut stream).await?;
        book.lock().unwrap().push(Entry { connection, asked: asked.clone(), head, body });
        stream.write_all(answer(&asked).as_bytes()).await.ok()?;
    }
}

/// Says what was asked. Some targets get what no app should answer.
fn answer(asked: &str) -> String {
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{asked}", asked.len());
    let planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";
    match asked.split_once(' ') {
        Some(("HEAD", _)) => whole[..whole.len() - asked.len()].to_owned(),
        Some((_, "/surplus")) => whole + planted,
        Some((_, "/empty-surplus")) => format!("HTTP/1.1 204 No Content\r\n\r\n{planted}"),
        Some((_, "/same-surplus")) => format!("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n{planted}"),
        Some((_, "/both")) => format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{planted}"
        ),
        _ => whole,
    }
}

async fn read_body(head: &str, stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
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
