//! Holds many subscribers with one thread: connects them in a bounded number at a time, reads what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::contender::Endpoint;
use crate::http1::{Body, HeadReader};
use crate::payload::Stamp;
use crate::scanner::{Findings, Scanner};
use crate::{Res, sys};

/// Handshakes under way at once: below every contender's listen backlog (Node's is 511).
const IN_FLIGHT: usize = 128;
/// Source addresses 127.0.0.2 and up: a port closed by us stays taken for a minute (`TIME_WAIT`), and one
/// address has 28,000 of them.
const SOURCES: usize = 24;
/// One read: two hundred and fifty events of a coalescing server.
const READ_BUFFER: usize = 64 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_mins(1);

enum Stage {
    Connecting,
    Head(HeadReader),
    Open { body: Body, scanner: Scanner },
}

struct Subscriber {
    socket: TcpStream,
    stage: Stage,
}

pub struct Subscribers {
    poll: Poll,
    events: Events,
    all: Vec<Subscriber>,
    open: usize,
    buffer: Vec<u8>,
    findings: Findings,
    request: Vec<u8>,
}

impl Subscribers {
    /// Connects `count` subscribers and returns when each has its `200`.
    pub fn connect(endpoint: &Endpoint, count: usize) -> Res<Subscribers> {
        let mut me = Subscribers {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            all: Vec::with_capacity(count),
            open: 0,
            buffer: vec![0; READ_BUFFER],
            findings: Findings::new(),
            request: endpoint.get(),
        };
        let limit = Instant::now() + CONNECT_LIMIT;
        while me.open < count {
            while me.all.len() < count && me.all.len() - me.open < IN_FLIGHT {
                me.dial(endpoint.addr)?;
            }
            me.poll(Duration::from_millis(100), |_, _| {})?;
            if Instant::now() > limit {
                return Err(format!("only {} of {count} subscribers were answered in time", me.open).into());
            }
        }
        Ok(me)
    }

    fn dial(&mut self, to: SocketAddr) -> Res<()> {
        let index = self.all.len();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        let source = Ipv4Addr::new(127, 0, 0, 2 + (index % SOURCES) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&to.into()) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(e.into()),
            _ => {}
        }
        let mut socket = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut socket, Token(index), Interest::WRITABLE)?;
        self.all.push(Subscriber { socket, stage: Stage::Connecting });
        Ok(())
    }

    /// Waits for at most `wait` and hands every event that has come to `event`, with its subscriber's index.
    pub fn poll(&mut self, wait: Duration, mut event: impl FnMut(usize, Stamp)) -> Res<()> {
        sys::check_stop()?;
        if let Err(e) = self.poll.poll(&mut self.events, Some(wait)) {
            return if e.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(e.into()) };
        }
        for ready in &self.events {
            let index = ready.token().0;
            let subscriber = &mut self.all[index];
            if matches!(subscriber.stage, Stage::Connecting) {
                if let Some(error) = subscriber.socket.take_error()? {
                    return Err(format!("subscriber {index} could not connect: {error}").into());
                }
                subscriber.socket.write_all(&self.request)?;
                subscriber.stage = Stage::Head(HeadReader::default());
                let registry = self.poll.registry();
                registry.reregister(&mut subscriber.socket, Token(index), Interest::READABLE)?;
                continue;
            }
            let was_open = matches!(subscriber.stage, Stage::Open { .. });
            subscriber
                .read(&mut self.buffer, &mut self.findings, |stamp| event(index, stamp))
                .map_err(|e| format!("subscriber {index}: {e}"))?;
            if !was_open && matches!(subscriber.stage, Stage::Open { .. }) {
                self.open += 1;
            }
        }
        Ok(())
    }

    /// Gaps told so far; to be asked at the end of a run.
    pub fn gaps(&mut self) -> u64 {
        for subscriber in &mut self.all {
            if let Stage::Open { scanner, .. } = &mut subscriber.stage {
                scanner.finish(&mut self.findings);
            }
        }
        self.findings.gaps
    }
}

impl Subscriber {
    fn read(&mut self, buffer: &mut [u8], found: &mut Findings, mut event: impl FnMut(Stamp)) -> Res<()> {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Err("the server ended the stream".into()),
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            self.take(&buffer[..count], found, &mut event)?;
            // A short read has emptied the socket: the next byte raises a new edge.
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, mut input: &[u8], found: &mut Findings, mut event: impl FnMut(Stamp)) -> Res<()> {
        if let Stage::Head(reader) = &mut self.stage {
            let Some((head, rest)) = reader.feed(input)? else { return Ok(()) };
            if head.status != 200 {
                return Err(format!("answered {}", head.status).into());
            }
            self.stage = Stage::Open { body: Body::new(head.framing), scanner: Scanner::default() };
            input = rest;
        }
        let Stage::Open { body, scanner } = &mut self.stage else {
            return Err("bytes before a request".into());
        };
        body.feed(input, |text| scanner.feed(text, found, &mut event))?;
        if body.is_done() { Err("the server ended the stream".into()) } else { Ok(()) }
    }
}
