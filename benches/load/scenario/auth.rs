//! `auth`: what it costs to say who one is, beside being a stranger who may listen as well.
//!
//! One server has a topic for each way of coming. In turn, a slice at a time, callers come to each as fast as they are
//! answered, so that whatever the machine does besides meets all of them:
//!
//! ```text
//! who is refused · warm-up of all │ public · HS256 · ES256 · RS256 │ RS256 · … · public │ … │ deliveries (`granted`)
//! ```
//! A token is used once: nothing that a server remembers of one makes the next any cheaper.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Outcome, churn, granted};
use crate::args::Args;
use crate::contender::{Contender, Endpoint};
use crate::http1::HeadReader;
use crate::procfs::Cpu;
use crate::tokens::{SETTINGS, Signed};
use crate::visits::visit;
use crate::{Res, metrics};

/// Slices that each way is cut into: an even number, as every other pass goes backwards.
const SLICES: usize = 4;
/// RS256 is shown, not held to anything, and a signature takes its maker a millisecond: so many times fewer.
const RS256_FEWER: usize = 5;
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A way of coming.
struct Way {
    /// Of its topics the first part.
    name: &'static str,
    signed: Option<Signed>,
    /// CPU per visit and its ratio to the public way, visits per second and their ratio.
    figures: [&'static str; 4],
    /// One for each visit, those of the warm-up first.
    requests: &'static [Vec<u8>],
    taken: Taken,
}

/// What was seen in a way's slices.
#[derive(Default)]
struct Taken {
    visits: usize,
    seconds: f64,
    server_micros: f64,
}

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    for signed in Signed::ALL {
        refuses(&contender.subscribe, signed)?;
    }
    let mut ways = ways(args.connections())?;
    let admin = contender.metrics.as_ref().ok_or("no admin listener")?;
    let (pids, mut refused) = (contender.pids(), 0);
    let opened = |at: &Endpoint| metrics::value(at, "sidestream_connections_opened_total");
    let opened_before = opened(admin)?;
    for way in &mut ways {
        let slice = 0..way.slice();
        refused += way.visit(contender, slice, None)?;
    }
    let (begun, before) = (Instant::now(), Cpu::now(&pids));
    for pass in 0..SLICES {
        let slice = |way: &mut Way| -> Res<()> {
            let length = way.slice();
            let range = length * (pass + 1)..length * (pass + 2);
            refused += way.visit(contender, range, Some(&pids))?;
            Ok(())
        };
        if pass % 2 == 0 {
            ways.iter_mut().try_for_each(slice)?;
        } else {
            ways.iter_mut().rev().try_for_each(slice)?;
        }
    }
    let cores = Cpu::now(&pids).cores_since(&before, begun.elapsed().as_secs_f64());
    let visits: usize = ways.iter().map(|way| way.slice() * (SLICES + 1)).sum();
    // Who listened was a stream, and no other was.
    let missing = (opened(admin)? - opened_before - (visits as f64 - f64::from(refused))).abs();

    let mut outcome = Outcome::default();
    outcome.figures.extend(cores);
    outcome.figures.extend([("refused", f64::from(refused)), ("missing", missing)]);
    judge(&ways, &mut outcome);
    granted::run(contender, args, rate, &mut outcome)?;
    Ok(outcome)
}

/// Every way with requests for `visits` visits, less for RS256. They are made once a call: each run has a server of its own.
fn ways(visits: usize) -> Res<[Way; 4]> {
    static REQUESTS: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    let mut ways = [
        (None, ["cpu_us_public", "", "visits_per_s_public", ""]),
        (Some(Signed::Hs256), ["cpu_us_hs256", "ratio_hs256", "visits_per_s_hs256", "rate_ratio_hs256"]),
        (Some(Signed::Es256), ["cpu_us_es256", "ratio_es256", "visits_per_s_es256", "rate_ratio_es256"]),
        (Some(Signed::Rs256), ["cpu_us_rs256", "ratio_rs256", "visits_per_s_rs256", "rate_ratio_rs256"]),
    ]
    .map(|(signed, figures)| {
        let name = signed.map_or("public", Signed::name);
        Way { name, signed, figures, requests: &[], taken: Taken::default() }
    });
    let requests = if let Some(made) = REQUESTS.get() {
        made
    } else {
        let made = ways.iter().map(|way| way.make(visits)).collect::<Res<_>>()?;
        REQUESTS.get_or_init(|| made)
    };
    for (way, requests) in ways.iter_mut().zip(requests) {
        way.requests = requests;
    }
    Ok(ways)
}

impl Way {
    /// Requests for so many visits in all slices, and the warm-up's.
    fn make(&self, visits: usize) -> Res<Vec<Vec<u8>>> {
        let visits = if self.signed == Some(Signed::Rs256) { visits / RS256_FEWER } else { visits };
        let count = (visits / SLICES).max(1) * (SLICES + 1);
        let topic = format!("{}.news", self.name);
        match self.signed {
            None => Ok(vec![request(&topic, ""); count]),
            Some(signed) => {
                let tokens = signed.tokens(&topic, 0..count)?;
                Ok(tokens.iter().map(|token| request(&topic, &bearer(token))).collect())
            }
        }
    }

    /// Visits of a slice.
    fn slice(&self) -> usize {
        self.requests.len() / (SLICES + 1)
    }

    /// Some of the visits, and until all of them have gone; counted when `pids` of the server are given. Gives those refused.
    fn visit(
        &mut self,
        contender: &Contender,
        slice: std::ops::Range<usize>,
        pids: Option<&[u32]>,
    ) -> Res<u32> {
        let admin = contender.metrics.as_ref().ok_or("no admin listener")?;
        let before = pids.map(Cpu::now);
        let visited = visit(contender.subscribe.addr, &self.requests[slice.clone()])?;
        // Leaving is a part of the visit.
        churn::wait_for_gauge(admin, 0)?;
        if let (Some(pids), Some(before)) = (pids, before) {
            self.taken.visits += slice.len();
            self.taken.seconds += visited.seconds;
            self.taken.server_micros += Cpu::now(pids).server - before.server;
        }
        Ok(visited.refused)
    }
}

fn request(topic: &str, fields: &str) -> Vec<u8> {
    format!("GET /topics/{topic} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n{fields}\r\n")
        .into_bytes()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn judge(ways: &[Way], outcome: &mut Outcome) {
    let figures = |way: &Way| {
        let Taken { visits, seconds, server_micros } = way.taken;
        (server_micros / visits as f64, visits as f64 / seconds)
    };
    let (public_cpu, public_rate) = figures(&ways[0]);
    let mut detail = json!({});
    for way in ways {
        let (cpu, rate) = figures(way);
        let all = [cpu, cpu / public_cpu, rate, rate / public_rate];
        let named = way.figures.into_iter().zip(all).filter(|(name, _)| !name.is_empty());
        outcome.figures.extend(named);
        let bytes = way.requests.first().map_or(0, Vec::len);
        detail[way.name] = json!({ "visits": way.taken.visits, "request_bytes": bytes });
    }
    outcome.detail = detail;
}

/// A server that lets everybody in would be fast: whether this one tells who may from who may not.
fn refuses(edge: &Endpoint, signed: Signed) -> Res<()> {
    let topic = format!("{}.news", signed.name());
    let [good, other, stranger] = &[signed.tokens(&topic, 0..2)?, signed.tokens("other", 0..1)?].concat()[..]
    else {
        return Err("three tokens".into());
    };
    let ((claims, _), (_, signature)) =
        good.rsplit_once('.').zip(other.rsplit_once('.')).ok_or("a token without a signature")?;
    let forged = format!("{claims}.{signature}");
    for (token, wanted) in [(None, 401), (Some(&forged), 401), (Some(stranger), 403), (Some(good), 200)] {
        let fields = token.map(|token| bearer(token)).unwrap_or_default();
        let mut socket = TcpStream::connect(edge.addr)?;
        socket.set_read_timeout(Some(ANSWER_LIMIT))?;
        socket.write_all(&request(&topic, &fields))?;
        let (mut reader, mut buffer) = (HeadReader::default(), [0; 1024]);
        let head = loop {
            let count = socket.read(&mut buffer)?;
            if count == 0 {
                return Err("no answer".into());
            }
            if let Some((head, _)) = reader.feed(&buffer[..count])? {
                break head;
            }
        };
        if head.status != wanted {
            return Err(format!("{}: answered {}, not {wanted}", signed.name(), head.status).into());
        }
    }
    Ok(())
}

/// Own check: each way has its rule, and is cut into whole slices.
pub fn check() -> Res<()> {
    use crate::selfcheck::ensure;
    for signed in Signed::ALL {
        ensure(SETTINGS.contains(&format!("match: \"{}.**\", access: jwt", signed.name())), "a rule")?;
    }
    ensure(SLICES.is_multiple_of(2), "as many passes forwards as backwards")
}
