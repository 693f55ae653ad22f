//! `cpu` and `throughput`: subscribers, events at a rate, every stream checked.
//!
//! ```text
//! connect · settle · publish ├─ warm-up ─┼── window ──┤ stop · drain until all is there · judge
//! ```
//! Deliveries and CPU are counted between the two ends of the window, latency and waits of events sent in it;
//! what is missing, doubled or out of order is judged over everything published, warm-up included.

use std::ops::Range;
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::Contender;
use crate::ledger::Ledger;
use crate::procfs::Cpu;
use crate::publisher::{Plan, Published, Route, Until, publish};
use crate::stats::{Histogram, median};
use crate::subscribers::Subscribers;

const SETTLE: Duration = Duration::from_millis(500);
/// After the last event: silence for this long ends the run, complete or not.
const SILENCE: Duration = Duration::from_secs(2);
const DRAIN_LIMIT: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(10);

pub struct Offer {
    pub rate: f64,
    pub lanes: u8,
}

pub fn run(contender: &Contender, args: &Args, offer: &Offer) -> Res<Outcome> {
    let mut subscribers = Subscribers::connect(&contender.subscribe, args.subscribers())?;
    sleep(SETTLE);
    let (from, to) = (args.warm_up(), args.warm_up() + args.window());
    let clock = Instant::now();
    let plan = Plan {
        route: Route::One(contender.publish.clone()),
        lanes: offer.lanes,
        rate: Some(offer.rate),
        clock,
        until: Until::Time(clock + to),
    };
    let mut watch = Watch {
        clock,
        window: from.as_micros() as u32..to.as_micros() as u32,
        pids: contender.pids(),
        ledger: Ledger::new(args.subscribers()),
        latency: Histogram::new(),
    };
    let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || publish(&plan))?;

    watch.listen(&mut subscribers, from)?;
    let begin = watch.mark();
    watch.listen(&mut subscribers, to)?;
    let end = watch.mark();
    let published = watch.drain(&mut subscribers, thread)?;
    Ok(watch.outcome(&begin, &end, &published, subscribers.gaps()))
}

/// Counters at one end of the window.
struct Mark {
    at: Instant,
    received: u64,
    cpu: Cpu,
}

/// What the subscribers see of one run.
struct Watch {
    clock: Instant,
    /// In µs of the clock.
    window: Range<u32>,
    pids: Vec<u32>,
    ledger: Ledger,
    latency: Histogram,
}

impl Watch {
    fn mark(&self) -> Mark {
        Mark { at: Instant::now(), received: self.ledger.received, cpu: Cpu::now(&self.pids) }
    }

    fn tick(&mut self, subscribers: &mut Subscribers) -> Res<()> {
        let Watch { clock, window, ledger, latency, .. } = self;
        subscribers.poll(TICK, |reader, stamp| {
            ledger.take(reader, stamp);
            if window.contains(&stamp.micros) {
                let now = clock.elapsed().as_micros() as u32;
                latency.record(now.saturating_sub(stamp.micros));
            }
        })
    }

    /// Until the clock shows `until`.
    fn listen(&mut self, subscribers: &mut Subscribers, until: Duration) -> Res<()> {
        while self.clock.elapsed() < until {
            self.tick(subscribers)?;
        }
        Ok(())
    }

    /// Until the publisher has its answers and every subscriber its events, or nothing more comes.
    fn drain(&mut self, subscribers: &mut Subscribers, thread: JoinHandle<Res<Published>>) -> Res<Published> {
        while !thread.is_finished() {
            self.tick(subscribers)?;
        }
        let published = thread.join().map_err(|_| "the publisher's thread panicked")??;
        let begun = Instant::now();
        let mut last = (self.ledger.received, begun);
        while !self.ledger.is_complete(published.sent())
            && last.1.elapsed() < SILENCE
            && begun.elapsed() < DRAIN_LIMIT
        {
            self.tick(subscribers)?;
            if self.ledger.received > last.0 {
                last = (self.ledger.received, Instant::now());
            }
        }
        // One more look: an event that comes twice may come the second time after all else.
        self.listen(subscribers, self.clock.elapsed() + 10 * TICK)?;
        Ok(published)
    }

    fn outcome(&self, begin: &Mark, end: &Mark, published: &Published, gaps: u64) -> Outcome {
        let seconds = (end.at - begin.at).as_secs_f64();
        let delivered = (end.received - begin.received) as f64;
        let sent_in_window = published.answers.iter().filter(|a| self.window.contains(&a.sent_micros));
        let mut waits: Vec<f64> = sent_in_window.map(|answer| f64::from(answer.wait_micros)).collect();
        let faults = self.ledger.faults(published.sent());

        let mut outcome = Outcome::default();
        let figures = &mut outcome.figures;
        figures.extend([
            ("deliveries_per_s", delivered / seconds),
            ("accepted_per_s", waits.len() as f64 / seconds),
            ("published", f64::from(published.sent())),
            ("missing", faults.missing as f64),
            ("doubled", faults.doubled as f64),
            ("disordered", faults.disordered as f64),
            ("gaps", gaps as f64),
            ("refused", f64::from(published.refused)),
        ]);
        figures.extend(end.cpu.cores_since(&begin.cpu, seconds));
        if delivered > 0.0 {
            figures.insert("cpu_us_per_delivery", (end.cpu.server - begin.cpu.server) / delivered);
        }
        figures.extend(self.latency.quantile(0.5).map(|value| ("latency_p50_us", value)));
        figures.extend(self.latency.quantile(0.99).map(|value| ("latency_p99_us", value)));
        figures.extend(median(&mut waits).map(|value| ("wait_p50_us", value)));
        outcome
    }
}
