//! The floor: one thread, epoll, one `send()` of the same chunk per subscriber; nothing is checked or kept.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::{Contender, Endpoint, folder, free_addrs, own_server};
use crate::Res;

const LISTENER: Token = Token(usize::MAX);
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

pub fn start() -> Res<Contender> {
    let [addr] = free_addrs()?;
    let at = |path: &'static str| Endpoint::new(addr, path);
    Contender::spawn(own_server("floor", addr)?, folder()?, [at("/"), at("/"), at("/")])
}

enum Request {
    Subscribe,
    Publish(Vec<u8>),
}

struct Conn {
    socket: TcpStream,
    input: Vec<u8>,
    /// What a full socket has not taken yet.
    rest: Vec<u8>,
}

pub fn serve(addr: SocketAddr) -> Res<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(addr)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut conns: Slab<Conn> = Slab::new();
    let mut subscribers: Vec<usize> = Vec::new();
    let mut number = 0u64;
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    let entry = conns.vacant_entry();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut socket, Token(entry.key()), interest)?;
                    entry.insert(Conn { socket, input: Vec::new(), rest: Vec::new() });
                }
                continue;
            }
            let key = event.token().0;
            let Some(conn) = conns.get_mut(key) else { continue };
            if event.is_writable() && !conn.rest.is_empty() {
                let rest = std::mem::take(&mut conn.rest);
                conn.send(&rest);
            }
            if !event.is_readable() {
                continue;
            }
            if !conn.read() {
                conns.remove(key);
                subscribers.retain(|s| *s != key);
                continue;
            }
            while let Some(request) = conns[key].request() {
                let Request::Publish(body) = request else {
                    conns[key].send(STREAM_HEAD);
                    subscribers.push(key);
                    continue;
                };
                number += 1;
                let chunk = chunk(number, &body);
                for &subscriber in &subscribers {
                    conns[subscriber].send(&chunk);
                }
                conns[key].send(ACCEPTED);
            }
        }
    }
}

fn chunk(number: u64, body: &[u8]) -> Vec<u8> {
    let id = format!("id: {number}\ndata: ");
    let mut chunk = format!("{:x}\r\n{id}", id.len() + body.len() + 2).into_bytes();
    chunk.extend_from_slice(body);
    chunk.extend_from_slice(b"\n\n\r\n");
    chunk
}

impl Conn {
    /// False when the peer has closed.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.input.extend_from_slice(&buffer[..count]);
                    if count < buffer.len() {
                        return true;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// The next whole request, if it is there.
    fn request(&mut self) -> Option<Request> {
        let head = memchr::memmem::find(&self.input, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.input[..head]);
        let length = text.split("Content-Length: ").nth(1).and_then(|v| v.split("\r\n").next());
        let length: usize = length.and_then(|v| v.parse().ok()).unwrap_or(0);
        let is_get = self.input.starts_with(b"GET");
        if self.input.len() < head + length {
            return None;
        }
        let body = self.input[head..head + length].to_vec();
        self.input.drain(..head + length);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        Some(if is_get { Request::Subscribe } else { Request::Publish(body) })
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut sent = 0;
        while self.rest.is_empty() && sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // The read side tells of the end.
                Err(_) => return,
            }
        }
        self.rest.extend_from_slice(&bytes[sent..]);
    }
}
