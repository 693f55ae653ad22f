//! `admin`: does anyone who listens notice that somebody reads the list of all connections, page after page, without a pause?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::{Contender, Endpoint};
use crate::http1::{Body, HeadReader};
use crate::live::Live;
use crate::procfs::Cpu;
use crate::subscribers::Subscribers;

/// Connections of one page: the most that may be asked for.
const PAGE: usize = 1000;
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    let (hearing, connections) = (args.subscribers().min(args.connections()), args.connections());
    let list = contender.metrics.as_ref().ok_or("no admin listener")?.at("/api/connections");
    // Before 15,000 connections are made for nothing.
    Lister::connect(&list)?.page(None)?;
    let paths = [contender.subscribe.path.clone(), contender.subscribe.path.replace("bench", "quiet").into()];
    let subscribers = Subscribers::connect_each(contender.subscribe.addr, connections, move |index| {
        paths[usize::from(index >= hearing)].to_string()
    })?;
    let live = Live::start(contender.publish.clone(), rate, subscribers, hearing)?;
    live.run_for(args.warm_up())?;
    let pids = contender.pids();
    let alone = live.micros();
    live.run_for(args.window())?;
    let (listed, at, before) = (live.micros(), Instant::now(), Cpu::now(&pids));
    let lists = Lists::begin(list)?;
    live.run_for(args.window())?;
    let (end, seconds, after) = (live.micros(), at.elapsed().as_secs_f64(), Cpu::now(&pids));
    let passes = lists.finish()?;
    let live = live.finish()?;

    let mut outcome = Outcome::default();
    let figures = &mut outcome.figures;
    let faults = live.faults();
    figures.extend([
        ("missing", faults.missing as f64),
        ("doubled", faults.doubled as f64),
        ("disordered", faults.disordered as f64),
        ("gaps", live.gaps() as f64),
        ("refused", f64::from(live.published.refused)),
        // Nobody came or went: every pass has every connection.
        ("unlisted", passes.totals.iter().map(|total| total.abs_diff(connections)).sum::<usize>() as f64),
        ("pages_per_s", passes.pages as f64 / seconds),
        ("passes", passes.totals.len() as f64),
    ]);
    figures.extend(after.cores_since(&before, seconds));
    figures.extend(live.compare(&(alone..listed), &(listed..end)));
    Ok(outcome)
}

/// Passes over all pages, one after the other, until it is told to stop.
struct Lists {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Res<Passes>>,
}

#[derive(Default)]
struct Passes {
    pages: usize,
    /// Connections in each whole pass.
    totals: Vec<usize>,
}

impl Lists {
    fn begin(list: Endpoint) -> Res<Lists> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("lists".into()).spawn(move || {
            let (mut lister, mut passes) = (Lister::connect(&list)?, Passes::default());
            loop {
                let (mut total, mut next) = (0, None);
                loop {
                    if told.load(Ordering::Relaxed) {
                        return Ok(passes);
                    }
                    let page = lister.page(next.as_deref())?;
                    passes.pages += 1;
                    total += page.connections.len();
                    next = page.next;
                    if next.is_none() {
                        break;
                    }
                }
                passes.totals.push(total);
            }
        })?;
        Ok(Lists { stop, thread })
    }

    fn finish(self) -> Res<Passes> {
        self.stop.store(true, Ordering::Relaxed);
        let passes = self.thread.join().map_err(|_| "the thread of the lists panicked")??;
        if passes.totals.is_empty() { Err("no whole pass over the connections".into()) } else { Ok(passes) }
    }
}

#[derive(Deserialize)]
struct Page {
    connections: Vec<IgnoredAny>,
    next: Option<String>,
}

/// Asks for pages over one connection.
struct Lister {
    endpoint: Endpoint,
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Lister {
    fn connect(endpoint: &Endpoint) -> Res<Lister> {
        let socket = TcpStream::connect(endpoint.addr)?;
        socket.set_read_timeout(Some(ANSWER_LIMIT))?;
        socket.set_nodelay(true)?;
        Ok(Lister { endpoint: endpoint.clone(), socket, buffer: vec![0; 64 * 1024] })
    }

    fn page(&mut self, after: Option<&str>) -> Res<Page> {
        let Endpoint { addr, path } = &self.endpoint;
        let after = after.map_or(String::new(), |after| format!("&after={after}"));
        let request = format!("GET {path}?limit={PAGE}{after} HTTP/1.1\r\nHost: {addr}\r\n\r\n");
        self.socket.write_all(request.as_bytes())?;
        let (mut head, mut body, mut text) = (HeadReader::default(), None::<Body>, Vec::new());
        loop {
            let count = self.socket.read(&mut self.buffer)?;
            if count == 0 {
                return Err(format!("{path} ended its connection").into());
            }
            let mut input = &self.buffer[..count];
            if body.is_none() {
                let Some((parsed, rest)) = head.feed(input)? else { continue };
                if parsed.status != 200 {
                    return Err(format!("GET {path} is answered {}", parsed.status).into());
                }
                body = Some(Body::new(parsed.framing));
                input = rest;
            }
            let Some(body) = &mut body else { continue };
            body.feed(input, |bytes| {
                text.extend_from_slice(bytes);
                Ok(())
            })?;
            if body.is_done() {
                return Ok(serde_json::from_slice(&text)?);
            }
        }
    }
}
