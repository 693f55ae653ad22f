//! Callers that come and go: each connects, asks for a stream, reads the answer's first block, and leaves. As many as
//! there are lanes are under way at any time; whoever leaves makes room for the next.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::dial::dial;
use crate::http1::{Body, HeadReader};
use crate::selfcheck::ensure;
use crate::{Res, sys};

/// Enough to keep every core busy, and below any listen backlog.
const LANES: usize = 64;
/// All lanes wait no longer than this for anything.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const LOOK_UP: Duration = Duration::from_millis(100);
/// Head and first block of a stream are a tenth of it.
const READ_BUFFER: usize = 4096;

/// What became of them.
pub struct Visited {
    /// From before the first to behind the last.
    pub seconds: f64,
    /// Those who got anything but `200` and a first block with a place in it: the overload answer has none.
    pub refused: u32,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Listened,
    Refused,
}

struct Visitor {
    socket: TcpStream,
    asked: bool,
    answer: Answer,
}

/// An answer as far as it has come.
#[derive(Default)]
struct Answer {
    head: HeadReader,
    body: Option<Body>,
    text: Vec<u8>,
}

/// One visit for each of `requests`.
pub fn visit(addr: SocketAddr, requests: &[Vec<u8>]) -> Res<Visited> {
    let begun = Instant::now();
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(LANES));
    let mut coming = requests.iter().enumerate();
    let mut lanes = Vec::new();
    for (lane, (index, request)) in coming.by_ref().take(LANES).enumerate() {
        lanes.push((Visitor::dial(poll.registry(), addr, index, lane)?, request));
    }
    let (mut ended, mut refused, mut last) = (0, 0, begun);
    while ended < requests.len() {
        sys::check_stop()?;
        match poll.poll(&mut events, Some(LOOK_UP)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for ready in &events {
            let lane = ready.token().0;
            let (visitor, request) = &mut lanes[lane];
            let Some(end) = visitor.go_on(poll.registry(), lane, request)? else { continue };
            (ended, last) = (ended + 1, Instant::now());
            refused += u32::from(end == End::Refused);
            match coming.next() {
                // The one before closes its socket by making place.
                Some((index, request)) => {
                    lanes[lane] = (Visitor::dial(poll.registry(), addr, index, lane)?, request);
                }
                None => visitor.leave(poll.registry())?,
            }
        }
        if last.elapsed() > ANSWER_LIMIT {
            return Err(format!("{ended} of {} visits, and no answer any more", requests.len()).into());
        }
    }
    Ok(Visited { seconds: begun.elapsed().as_secs_f64(), refused })
}

impl Visitor {
    fn dial(registry: &Registry, addr: SocketAddr, index: usize, lane: usize) -> Res<Visitor> {
        let mut socket = dial(addr, index)?;
        registry.register(&mut socket, Token(lane), Interest::WRITABLE)?;
        Ok(Visitor { socket, asked: false, answer: Answer::default() })
    }

    /// The last of its lane: nothing more is to be heard of it.
    fn leave(&mut self, registry: &Registry) -> Res<()> {
        registry.deregister(&mut self.socket)?;
        // Fails when the server has closed first.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        Ok(())
    }

    fn go_on(&mut self, registry: &Registry, lane: usize, request: &[u8]) -> Res<Option<End>> {
        if !self.asked {
            if let Some(error) = self.socket.take_error()? {
                return Err(format!("a visitor could not connect: {error}").into());
            }
            self.socket.write_all(request)?;
            self.asked = true;
            registry.reregister(&mut self.socket, Token(lane), Interest::READABLE)?;
            return Ok(None);
        }
        let mut buffer = [0; READ_BUFFER];
        loop {
            let count = match self.socket.read(&mut buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(format!("a visitor: {e}").into()),
            };
            if let Some(end) = self.answer.take(&buffer[..count])? {
                return Ok(Some(end));
            }
        }
    }
}

impl Answer {
    /// Takes what was read, nothing at the connection's end.
    fn take(&mut self, mut input: &[u8]) -> Res<Option<End>> {
        if input.is_empty() {
            return Ok(Some(End::Refused));
        }
        if self.body.is_none() {
            let Some((head, rest)) = self.head.feed(input)? else { return Ok(None) };
            if head.status != 200 {
                return Ok(Some(End::Refused));
            }
            self.body = Some(Body::new(head.framing));
            input = rest;
        }
        let (Some(body), text) = (&mut self.body, &mut self.text) else { return Ok(None) };
        body.feed(input, |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        let block = memchr::memmem::find(text, b"\n\n").map(|end| &text[..end]);
        let block = block.or(body.is_done().then_some(&**text));
        let has_place = |block: &[u8]| block.split(|&b| b == b'\n').any(|line| line.starts_with(b"id: "));
        Ok(block.map(|block| if has_place(block) { End::Listened } else { End::Refused }))
    }
}

/// Own check: who is told what, wherever the bytes are cut.
pub fn check() -> Res<()> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (answer, wanted) in [
        (format!("{chunked}13\r\nretry: 2000\nid: e\n\n\r\n"), Some(End::Listened)),
        (format!("{chunked}d\r\nretry: 9000\n\n\r\n0\r\n\r\n"), Some(End::Refused)),
        (format!("{chunked}c\r\nretry: 2000\n\r\n"), None),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nid: e".to_owned(), Some(End::Refused)),
    ] {
        for size in 1..=answer.len() {
            let (mut reader, mut end) = (Answer::default(), None);
            for piece in answer.as_bytes().chunks(size) {
                end = end.or(reader.take(piece)?);
            }
            ensure(end == wanted, "how a visit ends")?;
        }
    }
    ensure(Answer::default().take(b"")? == Some(End::Refused), "a visit that is cut off")
}
