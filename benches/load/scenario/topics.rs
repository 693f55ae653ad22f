//! `topics`: does an event cost more when there are many topics? And what a connection to a topic of its own costs in memory.
//!
//! One process may open 20,000 files here, so 100,000 topics with one subscriber each are spread over 15,000 connections:
//! some name 64 topics, the others one.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::Outcome;
use super::cost::{self, Offer, scatter};
use crate::args::Args;
use crate::contender::Contender;
use crate::selfcheck::ensure;
use crate::subscribers::Subscribers;
use crate::{Res, procfs};

const FEW: usize = 10;
/// Topics of one connection at most: the default of `edge.limits.topics_per_connection`.
const NAMED: usize = 64;
const WARM_UP: usize = 100;
const SETTLE: Duration = Duration::from_secs(2);

/// 100,000 topics on 15,000 connections, or as many in proportion.
pub fn many(connections: usize) -> usize {
    connections * 100_000 / 15_000
}

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    let mut outcome = Outcome::default();
    outcome.figures.insert("pss_per_connection", memory(contender, args)?);
    for (topics, connections, [cpu, net, wait, got]) in [
        (FEW, FEW, ["cpu_us_few", "net_us_few", "wait_p50_us_few", "rate_few"]),
        (
            many(args.connections()),
            args.connections(),
            ["cpu_us_many", "net_us_many", "wait_p50_us_many", "rate_many"],
        ),
    ] {
        let spread = Spread { topics, connections };
        let endpoint = contender.subscribe.clone();
        let prefix = endpoint.path.trim_end_matches("/bench").to_owned();
        let mut subscribers =
            Subscribers::connect_each(endpoint.addr, connections, move |c| spread.path(&prefix, c))?;
        let offer = Offer {
            rate,
            path_of: Arc::new(move |number| format!("/webhooks/t.{}", scatter(number, topics))),
            audience: Box::new(move |number| {
                let connection = spread.connection(scatter(number, topics));
                connection..connection + 1
            }),
        };
        let cost = cost::measure(contender, args, (&mut subscribers, connections), offer, &mut outcome)?;
        outcome.figures.extend([
            (cpu, cost.cpu_us),
            (net, cost.net_us),
            (wait, cost.wait_us),
            (got, cost.rate),
        ]);
    }
    for (ratio, many, few) in [
        ("cpu_ratio", "cpu_us_many", "cpu_us_few"),
        ("net_ratio", "net_us_many", "net_us_few"),
        ("wait_ratio", "wait_p50_us_many", "wait_p50_us_few"),
    ] {
        outcome.figures.insert(ratio, outcome.figures[many] / outcome.figures[few]);
    }
    Ok(outcome)
}

/// PSS bytes of a connection to a topic that no other asks for.
fn memory(contender: &Contender, args: &Args) -> Res<f64> {
    let endpoint = &contender.subscribe;
    // Code and pools touched once are not counted as connections.
    drop(Subscribers::connect(endpoint, WARM_UP)?);
    sleep(SETTLE);
    let pids = contender.pids();
    let before = procfs::pss_bytes(&pids)?;
    let prefix = endpoint.path.trim_end_matches("/bench").to_owned();
    let subscribers =
        Subscribers::connect_each(endpoint.addr, args.connections(), move |c| format!("{prefix}/own.{c}"))?;
    sleep(SETTLE);
    let after = procfs::pss_bytes(&pids)?;
    drop(subscribers);
    sleep(SETTLE);
    Ok((after - before) / args.connections() as f64)
}

/// Which connection names which topics: the first ones `NAMED` each, then one with what is left over, then one each.
#[derive(Clone, Copy)]
struct Spread {
    topics: usize,
    connections: usize,
}

impl Spread {
    /// Connections that name `NAMED` topics, and how many the next one names.
    fn wide(self) -> (usize, usize) {
        let more = self.topics - self.connections;
        (more / (NAMED - 1), more % (NAMED - 1) + 1)
    }

    fn first_topic(self, connection: usize) -> usize {
        let (wide, rest) = self.wide();
        match connection {
            c if c <= wide => c * NAMED,
            c => wide * NAMED + rest + (c - wide - 1),
        }
    }

    fn connection(self, topic: usize) -> usize {
        let (wide, rest) = self.wide();
        match topic {
            t if t < wide * NAMED => t / NAMED,
            t if t < wide * NAMED + rest => wide,
            t => wide + 1 + (t - wide * NAMED - rest),
        }
    }

    fn path(self, prefix: &str, connection: usize) -> String {
        let names = self.first_topic(connection)..self.first_topic(connection + 1);
        let names: Vec<String> = names.map(|topic| format!("topic=t.{topic}")).collect();
        format!("{prefix}?{}", names.join("&"))
    }
}

/// Every topic is named once, by the connection that it is expected at, and no connection names too many.
pub fn check() -> Res<()> {
    for (topics, connections) in [(FEW, FEW), (many(2000), 2000), (many(15_000), 15_000)] {
        let spread = Spread { topics, connections };
        let mut next = 0;
        for connection in 0..connections {
            let (first, behind) = (spread.first_topic(connection), spread.first_topic(connection + 1));
            ensure(first == next && (1..=NAMED).contains(&(behind - first)), "topics of a connection")?;
            let there = (first..behind).all(|topic| spread.connection(topic) == connection);
            ensure(there, "the connection of a topic")?;
            next = behind;
        }
        ensure(next == topics, "all topics are named")?;
    }
    Ok(())
}
