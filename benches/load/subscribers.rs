//! Holds many subscribers with one thread: connects them in a bounded number at a time, reads what comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::contender::Endpoint;
use crate::dial::dial;
use crate::http1::{Body, HeadReader};
use crate::payload::Stamp;
use crate::scanner::{Findings, Scanner};
use crate::{Res, sys};

/// Handshakes under way at once: below every contender's listen backlog (Node's is 511).
const IN_FLIGHT: usize = 128;
/// One read: two hundred and fifty events of a coalescing server.
const READ_BUFFER: usize = 64 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_mins(1);
/// What a subscriber waits that was told no `retry:`.
const RETRY: Duration = Duration::from_secs(3);

/// The path that the subscriber of an index asks for.
type PathOf = Box<dyn Fn(usize) -> String + Send>;

/// What the end of a stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The run has failed.
    Failure,
    /// The subscriber comes back after the `retry:` it was told, with its last id.
    Return,
}

enum Stage {
    Connecting,
    Head(HeadReader),
    Open { body: Body, scanner: Scanner },
}

struct Subscriber {
    socket: TcpStream,
    stage: Stage,
    /// Of the whole events it had before it came back.
    last_id: Option<Vec<u8>>,
}

/// Who comes back, and when.
type Due = Reverse<(Instant, usize)>;

pub struct Subscribers {
    poll: Poll,
    events: Events,
    addr: SocketAddr,
    path_of: PathOf,
    ends: Ends,
    wanted: usize,
    all: Vec<Subscriber>,
    in_flight: usize,
    away: BinaryHeap<Due>,
    returns: u64,
    buffer: Vec<u8>,
    findings: Findings,
}

impl Subscribers {
    /// Connects `count` subscribers and returns when each has its `200`.
    pub fn connect(endpoint: &Endpoint, count: usize) -> Res<Subscribers> {
        let path = endpoint.path.clone().into_owned();
        Subscribers::connect_each(endpoint.addr, count, move |_| path.clone())
    }

    /// The same, each to a path of its own.
    pub fn connect_each(
        addr: SocketAddr,
        count: usize,
        path_of: impl Fn(usize) -> String + Send + 'static,
    ) -> Res<Subscribers> {
        let mut me = Subscribers::begin(addr, count, Ends::Failure, path_of)?;
        let limit = Instant::now() + CONNECT_LIMIT;
        while me.open() < count {
            me.poll(Duration::from_millis(100), |_, _| {})?;
            if Instant::now() > limit {
                return Err(format!("only {} of {count} subscribers were answered in time", me.open()).into());
            }
        }
        Ok(me)
    }

    /// Subscribers that [`Subscribers::poll`] connects.
    pub fn begin(
        addr: SocketAddr,
        count: usize,
        ends: Ends,
        path_of: impl Fn(usize) -> String + Send + 'static,
    ) -> Res<Subscribers> {
        Ok(Subscribers {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            addr,
            path_of: Box::new(path_of),
            ends,
            wanted: count,
            all: Vec::with_capacity(count),
            in_flight: 0,
            away: BinaryHeap::new(),
            returns: 0,
            buffer: vec![0; READ_BUFFER],
            findings: Findings::new(),
        })
    }

    /// Those that have their `200`.
    fn open(&self) -> usize {
        self.all.len() - self.in_flight - self.away.len()
    }

    /// How often one was sent away, and came or comes back.
    pub fn returns(&self) -> u64 {
        self.returns
    }

    /// Waits for at most `wait` and hands every event that has come to `event`, with its subscriber's index.
    pub fn poll(&mut self, wait: Duration, mut event: impl FnMut(usize, Stamp)) -> Res<()> {
        sys::check_stop()?;
        self.dial_due()?;
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
                let endpoint = Endpoint::new(self.addr, (self.path_of)(index));
                subscriber.socket.write_all(&endpoint.get(subscriber.last_id.as_deref()))?;
                subscriber.stage = Stage::Head(HeadReader::default());
                let registry = self.poll.registry();
                registry.reregister(&mut subscriber.socket, Token(index), Interest::READABLE)?;
                continue;
            }
            let was_open = matches!(subscriber.stage, Stage::Open { .. });
            let state = subscriber
                .read(self.ends, &mut self.buffer, &mut self.findings, |stamp| event(index, stamp))
                .map_err(|e| format!("subscriber {index}: {e}"))?;
            let is_open = matches!(subscriber.stage, Stage::Open { .. });
            if !was_open && (is_open || state == State::Ended) {
                self.in_flight -= 1;
            }
            if state == State::Ended {
                if self.ends == Ends::Failure {
                    return Err(format!("subscriber {index}: the server ended the stream").into());
                }
                let due = Instant::now() + subscriber.leave(&mut self.findings);
                self.poll.registry().deregister(&mut subscriber.socket)?;
                // Fails when the peer has closed all of it already.
                let _ = subscriber.socket.shutdown(Shutdown::Both);
                self.away.push(Reverse((due, index)));
                self.returns += 1;
            }
        }
        Ok(())
    }

    /// Dials who is still to come and who comes back.
    fn dial_due(&mut self) -> Res<()> {
        while self.in_flight < IN_FLIGHT {
            let due = self.away.peek().is_some_and(|Reverse((due, _))| *due <= Instant::now());
            let (index, last_id) = if due {
                let Some(Reverse((_, index))) = self.away.pop() else { break };
                (index, self.all[index].last_id.take())
            } else if self.all.len() < self.wanted {
                (self.all.len(), None)
            } else {
                break;
            };
            let subscriber = self.dial(index, last_id)?;
            self.in_flight += 1;
            match self.all.get_mut(index) {
                Some(place) => *place = subscriber,
                None => self.all.push(subscriber),
            }
        }
        Ok(())
    }

    fn dial(&self, index: usize, last_id: Option<Vec<u8>>) -> Res<Subscriber> {
        let mut socket = dial(self.addr, index)?;
        self.poll.registry().register(&mut socket, Token(index), Interest::WRITABLE)?;
        Ok(Subscriber { socket, stage: Stage::Connecting, last_id })
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Going,
    Ended,
}

impl Subscriber {
    fn read(
        &mut self,
        ends: Ends,
        buffer: &mut [u8],
        found: &mut Findings,
        mut event: impl FnMut(Stamp),
    ) -> Res<State> {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Ok(State::Ended),
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(State::Going),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                // Whoever is cut off comes back as well.
                Err(e) if e.kind() == ErrorKind::ConnectionReset && ends == Ends::Return => {
                    return Ok(State::Ended);
                }
                Err(e) => return Err(e.into()),
            };
            if self.take(ends, &buffer[..count], found, &mut event)? == State::Ended {
                return Ok(State::Ended);
            }
            // A short read has emptied the socket: the next byte raises a new edge.
            if count < buffer.len() {
                return Ok(State::Going);
            }
        }
    }

    fn take(
        &mut self,
        ends: Ends,
        mut input: &[u8],
        found: &mut Findings,
        mut event: impl FnMut(Stamp),
    ) -> Res<State> {
        if let Stage::Head(reader) = &mut self.stage {
            let Some((head, rest)) = reader.feed(input)? else { return Ok(State::Going) };
            if head.status != 200 {
                return Err(format!("answered {}", head.status).into());
            }
            let scanner = match ends {
                Ends::Failure => Scanner::default(),
                Ends::Return => Scanner::with_place(),
            };
            self.stage = Stage::Open { body: Body::new(head.framing), scanner };
            input = rest;
        }
        let Stage::Open { body, scanner } = &mut self.stage else {
            return Err("bytes before a request".into());
        };
        body.feed(input, |text| scanner.feed(text, found, &mut event))?;
        Ok(if body.is_done() { State::Ended } else { State::Going })
    }

    /// Its stream has ended: keeps the place where to resume, and says after how long.
    fn leave(&mut self, found: &mut Findings) -> Duration {
        let Stage::Open { scanner, .. } = &mut self.stage else { return RETRY };
        let retry = scanner.retry_millis().map_or(RETRY, Duration::from_millis);
        self.last_id = scanner.last_id().or(self.last_id.take());
        scanner.finish(found);
        self.stage = Stage::Connecting;
        retry
    }
}
