//! What one event costs the server when events go to different subscribers: used by `topics` and `patterns`.
//!
//! ```text
//! connected · quiet window (heartbeats alone) · publish ├─ warm-up ─┼── window ──┤ drain until all is there · judge
//! ```

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::Contender;
use crate::procfs::Cpu;
use crate::publisher::{PathOf, Plan, Published, Route, Until, publish};
use crate::routed::{Audience, Routed};
use crate::stats::median;
use crate::subscribers::Subscribers;

/// Lanes that are there for answers slower than the time between two events.
const LANES: u8 = 8;
const TICK: Duration = Duration::from_millis(10);
/// After the last answer: silence for this long ends the run, complete or not.
const SILENCE: Duration = Duration::from_secs(2);
/// Whoever has just connected is let be: pages of memory are still being given back.
const SETTLE: Duration = Duration::from_millis(500);

/// What is published, and who is to get it.
pub struct Offer {
    pub rate: f64,
    pub path_of: PathOf,
    pub audience: Audience,
}

/// The figures of one window.
pub struct Cost {
    /// Server CPU in the window over events accepted in it, heartbeats included.
    pub cpu_us: f64,
    /// The same without what the server used when nothing was published.
    pub net_us: f64,
    pub wait_us: f64,
    /// Events accepted per second.
    pub rate: f64,
}

/// Publishes to `subscribers`, `count` of them; faults are added to `outcome`.
pub fn measure(
    contender: &Contender,
    args: &Args,
    (subscribers, count): (&mut Subscribers, usize),
    offer: Offer,
    outcome: &mut Outcome,
) -> Res<Cost> {
    let pids = contender.pids();
    let mut run = Run { subscribers, routed: Routed::new(count, LANES, offer.audience) };
    run.listen(SETTLE)?;
    let quiet = run.window(&pids, args.window() / 2)?;
    let clock = Instant::now();
    let plan = Plan {
        route: Route::Each(contender.publish.clone(), offer.path_of),
        lanes: LANES,
        rate: Some(offer.rate),
        clock,
        until: Until::Time(clock + args.warm_up() + args.window()),
    };
    let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || publish(&plan))?;
    run.listen(args.warm_up())?;
    let from = clock.elapsed();
    let busy = run.window(&pids, args.window())?;
    let inside = from.as_micros() as u32..clock.elapsed().as_micros() as u32;
    let published = run.drain(thread)?;

    let sent_in_window = published.answers.iter().filter(|answer| inside.contains(&answer.sent_micros));
    let mut waits: Vec<f64> = sent_in_window.map(|answer| f64::from(answer.wait_micros)).collect();
    let events = waits.len() as f64;
    run.judge(&published, outcome);
    if events == 0.0 {
        return Err("no event was accepted in the window".into());
    }
    for (name, cores) in &busy.cores {
        let most = outcome.figures.entry(name).or_default();
        *most = most.max(*cores);
    }
    Ok(Cost {
        cpu_us: busy.server_micros / events,
        net_us: (busy.server_micros - quiet.server_micros / quiet.seconds * busy.seconds) / events,
        wait_us: median(&mut waits).unwrap_or_default(),
        rate: events / busy.seconds,
    })
}

struct Window {
    seconds: f64,
    server_micros: f64,
    cores: [(&'static str, f64); 3],
}

struct Run<'a> {
    subscribers: &'a mut Subscribers,
    routed: Routed,
}

impl Run<'_> {
    fn listen(&mut self, time: Duration) -> Res<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.subscribers.poll(TICK, |subscriber, stamp| self.routed.take(subscriber, stamp))?;
        }
        Ok(())
    }

    fn window(&mut self, pids: &[u32], length: Duration) -> Res<Window> {
        let (at, before) = (Instant::now(), Cpu::now(pids));
        self.listen(length)?;
        let (seconds, after) = (at.elapsed().as_secs_f64(), Cpu::now(pids));
        let cores = after.cores_since(&before, seconds);
        Ok(Window { seconds, server_micros: after.server - before.server, cores })
    }

    fn drain(&mut self, thread: JoinHandle<Res<Published>>) -> Res<Published> {
        while !thread.is_finished() {
            self.listen(TICK)?;
        }
        let published = thread.join().map_err(|_| "the publisher's thread panicked")??;
        let mut last = (self.routed.received, Instant::now());
        while !self.routed.is_complete(published.sent()) && last.1.elapsed() < SILENCE {
            self.listen(TICK)?;
            if self.routed.received > last.0 {
                last = (self.routed.received, Instant::now());
            }
        }
        // An event that comes twice may come the second time after all else.
        self.listen(10 * TICK)?;
        Ok(published)
    }

    fn judge(&mut self, published: &Published, outcome: &mut Outcome) {
        let strays = self.routed.strays(published.sent());
        let faults = [
            ("missing", strays.missing as f64),
            ("doubled", strays.doubled as f64),
            ("disordered", strays.disordered as f64),
            ("stray", strays.stray as f64),
            ("refused", f64::from(published.refused)),
        ];
        for (name, count) in faults {
            *outcome.figures.entry(name).or_default() += count;
        }
        // Told over the whole life of these subscribers.
        let gaps = outcome.figures.entry("gaps").or_default();
        *gaps = gaps.max(self.subscribers.gaps() as f64);
    }
}

/// A number below `count` for each event: scattered, so that neighbours in time are none in any table, and the same for
/// the publisher and for who checks.
pub fn scatter(number: u32, count: usize) -> usize {
    (u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % count
}
