//! Publishes events over keep-alive connections, at a fixed rate or as fast as they are answered, to one topic or each to
//! its own.
//!
//! A connection ("lane") sends its next event after the answer to the last one. At a fixed rate event `i` is due at
//! `start + i / rate`; when no lane is free it goes out late, and the run's figures show the rate that was really
//! offered. The free lane used last is used first, so that a fast server is published to over one connection.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::contender::Endpoint;
use crate::http1::{Body, HeadReader};
use crate::payload::Stamp;
use crate::{Res, sys};

/// An answer that takes longer than this is not waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often it looks whether it is over.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The path that the event of a number goes to.
pub type PathOf = Arc<dyn Fn(u32) -> String + Send + Sync>;
/// Writes the whole request of a number, which is not stamped.
pub type RequestOf = Arc<dyn Fn(u32, &mut Vec<u8>) + Send + Sync>;

/// Where events go.
#[derive(Clone)]
pub enum Route {
    One(Endpoint),
    /// Each to a path of its own at this server.
    Each(Endpoint, PathOf),
    /// As requests of the caller's own, to this server.
    Made(Endpoint, RequestOf),
}

/// When no more events are sent; the answers to those sent are still waited for.
#[derive(Clone)]
pub enum Until {
    Time(Instant),
    /// So many were sent.
    Count(u32),
    /// Somebody sets this.
    Told(Arc<AtomicBool>),
}

pub struct Plan {
    pub route: Route,
    pub lanes: u8,
    /// Events per second over all lanes; `None`: as fast as they are answered.
    pub rate: Option<f64>,
    /// The run's clock, which the stamps count from.
    pub clock: Instant,
    pub until: Until,
}

/// One answered request.
#[derive(Clone, Copy)]
pub struct Answer {
    pub sent_micros: u32,
    pub wait_micros: f32,
}

#[derive(Default)]
pub struct Published {
    pub answers: Vec<Answer>,
    /// Answered with anything but 2xx; whether the event was published is then unknown.
    pub refused: u32,
}

impl Published {
    pub fn sent(&self) -> u32 {
        self.answers.len() as u32 + self.refused
    }
}

struct Lane {
    socket: TcpStream,
    busy: Option<(Instant, u32)>,
    head: HeadReader,
    body: Option<Body>,
    status: u16,
}

pub fn publish(plan: &Plan) -> Res<Published> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(usize::from(plan.lanes));
    let mut lanes = Vec::new();
    for index in 0..plan.lanes {
        let socket = std::net::TcpStream::connect(plan.route.endpoint().addr)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(usize::from(index)), Interest::READABLE)?;
        lanes.push(Lane { socket, busy: None, head: HeadReader::default(), body: None, status: 0 });
    }
    let mut free: Vec<usize> = (0..lanes.len()).rev().collect();
    let head = plan.route.endpoint().post_head();
    let (mut request, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    let (start, mut number, mut published) = (Instant::now(), 0u32, Published::default());
    let mut last_sent = start;
    loop {
        sys::check_stop()?;
        let mut now = Instant::now();
        if plan.is_over(now, number) && free.len() == lanes.len() {
            return Ok(published);
        }
        if free.len() < lanes.len() && now >= last_sent + ANSWER_LIMIT {
            return Err(format!("{} requests without an answer", lanes.len() - free.len()).into());
        }
        while !plan.is_over(now, number) && !free.is_empty() && plan.due(start, number) <= now {
            let Some(index) = free.pop() else { break };
            let micros = now.duration_since(plan.clock).as_micros() as u32;
            request.clear();
            match &plan.route {
                Route::One(_) => request.extend_from_slice(&head),
                Route::Each(server, path_of) => {
                    request.extend_from_slice(&server.at(path_of(number)).post_head());
                }
                Route::Made(_, write) => write(number, &mut request),
            }
            if plan.route.is_stamped() {
                request.extend_from_slice(&Stamp { number, lane: index as u8, micros }.encode());
            }
            lanes[index].busy = Some((now, micros));
            lanes[index].socket.write_all(&request)?;
            (number, last_sent) = (number + 1, now);
            now = Instant::now();
        }
        let wait = if plan.is_over(now, number) || free.is_empty() {
            LOOK_UP
        } else {
            plan.due(start, number).saturating_duration_since(now).min(LOOK_UP)
        };
        match poll.poll(&mut events, Some(wait)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for ready in &events {
            let index = ready.token().0;
            if lanes[index].read(&mut buffer, &mut published).map_err(|e| format!("publisher: {e}"))? {
                free.push(index);
            }
        }
    }
}

/// Publishes `count` events as fast as they are answered, for those who come later.
pub fn fill(route: Route, count: u32) -> Res<()> {
    const LANES: u8 = 64;
    let plan = Plan { route, lanes: LANES, rate: None, clock: Instant::now(), until: Until::Count(count) };
    match publish(&plan)?.refused {
        0 => Ok(()),
        refused => Err(format!("{refused} events to fill history with were refused").into()),
    }
}

impl Route {
    fn endpoint(&self) -> &Endpoint {
        let (Route::One(endpoint) | Route::Each(endpoint, _) | Route::Made(endpoint, _)) = self;
        endpoint
    }

    fn is_stamped(&self) -> bool {
        !matches!(self, Route::Made(..))
    }
}

impl Plan {
    fn is_over(&self, now: Instant, sent: u32) -> bool {
        match &self.until {
            Until::Time(end) => now >= *end,
            Until::Count(count) => sent >= *count,
            Until::Told(told) => told.load(Ordering::Relaxed),
        }
    }

    fn due(&self, start: Instant, number: u32) -> Instant {
        self.rate.map_or(start, |rate| start + Duration::from_secs_f64(f64::from(number) / rate))
    }
}

impl Lane {
    /// True when the answer is there, whole.
    fn read(&mut self, buffer: &mut [u8], published: &mut Published) -> Res<bool> {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Err("the server closed a keep-alive connection".into()),
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            let mut input = &buffer[..count];
            if self.body.is_none() {
                let Some((head, rest)) = self.head.feed(input)? else { continue };
                self.status = head.status;
                self.body = Some(Body::new(head.framing));
                input = rest;
            }
            let Some(body) = &mut self.body else { continue };
            body.feed(input, |_| Ok(()))?;
            if body.is_done() {
                self.body = None;
                let (sent, sent_micros) = self.busy.take().ok_or("an answer to nothing")?;
                if (200..300).contains(&self.status) {
                    let wait_micros = sent.elapsed().as_secs_f32() * 1e6;
                    published.answers.push(Answer { sent_micros, wait_micros });
                } else {
                    published.refused += 1;
                }
                return Ok(true);
            }
        }
    }
}
