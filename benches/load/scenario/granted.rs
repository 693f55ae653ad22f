//! What a delivery costs to those who were granted their topic, beside those whose topic is everybody's. Both are there all
//! the time; in turn, a slice at a time, events go to one or the other.

use std::time::{Duration, Instant};

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::Contender;
use crate::ledger::Ledger;
use crate::procfs::Cpu;
use crate::publisher::{Plan, Route, Until, publish};
use crate::subscribers::Subscribers;
use crate::tokens::Signed;

/// Slices of each: an even number, as every other pass goes backwards.
const SLICES: u32 = 4;
/// Lanes that are there for answers slower than the time between two events.
const LANES: u8 = 8;
const TICK: Duration = Duration::from_millis(10);
/// After the last answer: silence for this long ends a slice, complete or not.
const SILENCE: Duration = Duration::from_secs(2);

/// Those who listen to one topic.
struct Group {
    topic: &'static str,
    figure: &'static str,
    subscribers: Subscribers,
    count: usize,
    server_micros: f64,
    deliveries: u64,
}

/// Half of the subscribers each; figures and faults go into `outcome`.
pub fn run(contender: &Contender, args: &Args, rate: f64, outcome: &mut Outcome) -> Res<()> {
    let count = (args.subscribers() / 2).max(1);
    let tokens = Signed::Hs256.tokens("hs256.news", 0..count)?;
    let group = |topic, figure, subscribers| Group {
        topic,
        figure,
        subscribers,
        count,
        server_micros: 0.0,
        deliveries: 0,
    };
    let edge = contender.subscribe.addr;
    let mut groups = [
        group(
            "public.news",
            "delivery_us_public",
            Subscribers::connect_each(edge, count, |_| "/topics/public.news".into())?,
        ),
        group(
            "hs256.news",
            "delivery_us_granted",
            Subscribers::connect_each(edge, count, move |index| {
                format!("/topics/hs256.news?access_token={}", tokens[index])
            })?,
        ),
    ];
    for turn in 0..2 {
        slice(contender, &mut groups, turn, (rate, args.warm_up() / 2), outcome)?;
    }
    for group in &mut groups {
        (group.server_micros, group.deliveries) = (0.0, 0);
    }
    for pass in 0..SLICES {
        for turn in 0..2 {
            let turn = if pass % 2 == 0 { turn } else { 1 - turn };
            slice(contender, &mut groups, turn, (rate, args.window() / SLICES), outcome)?;
        }
    }
    for group in &mut groups {
        if group.deliveries == 0 {
            return Err(format!("nothing came to {}", group.topic).into());
        }
        outcome.figures.insert(group.figure, group.server_micros / group.deliveries as f64);
        *outcome.figures.entry("gaps").or_default() += group.subscribers.gaps() as f64;
    }
    let ratio = outcome.figures["delivery_us_granted"] / outcome.figures["delivery_us_public"];
    outcome.figures.insert("ratio_delivery", ratio);
    Ok(())
}

/// Events to one of the groups for a time, and until all of them have come.
fn slice(
    contender: &Contender,
    groups: &mut [Group; 2],
    turn: usize,
    (rate, time): (f64, Duration),
    outcome: &mut Outcome,
) -> Res<()> {
    let pids = contender.pids();
    let [first, second] = groups;
    let (group, other) = if turn == 0 { (first, second) } else { (second, first) };
    let (before, clock) = (Cpu::now(&pids), Instant::now());
    let plan = Plan {
        route: Route::One(contender.publish.at(format!("/webhooks/{}", group.topic))),
        lanes: LANES,
        rate: Some(rate),
        clock,
        until: Until::Time(clock + time),
    };
    let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || publish(&plan))?;
    let mut ledger = Ledger::new(group.count);
    while !thread.is_finished() {
        group.subscribers.poll(TICK, |reader, stamp| ledger.take(reader, stamp))?;
    }
    let published = thread.join().map_err(|_| "the publisher's thread panicked")??;
    let mut last = (ledger.received, Instant::now());
    while !ledger.is_complete(published.sent()) && last.1.elapsed() < SILENCE {
        group.subscribers.poll(TICK, |reader, stamp| ledger.take(reader, stamp))?;
        if ledger.received > last.0 {
            last = (ledger.received, Instant::now());
        }
    }
    group.server_micros += Cpu::now(&pids).server - before.server;
    group.deliveries += ledger.received;

    let (mut stray, faults) = (0_u64, ledger.faults(published.sent()));
    // What came to them by mistake has come by now, and waits in their sockets.
    other.subscribers.poll(Duration::ZERO, |_, _| stray += 1)?;
    for (name, count) in [
        ("missing", faults.missing as f64),
        ("doubled", faults.doubled as f64),
        ("disordered", faults.disordered as f64),
        ("stray", stray as f64),
        ("refused", f64::from(published.refused)),
    ] {
        *outcome.figures.entry(name).or_default() += count;
    }
    Ok(())
}
