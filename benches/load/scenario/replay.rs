//! `replay`: a thousand subscribers resume 4 MB each, all at once. Do those who are live notice, and what does it take?
//!
//! ```text
//! fill history · live: warm-up ├── before ──┤ replays begin ├── during ──┤ the last is complete · settle
//! ```
//! Those who replay are read by a thread of the lowest priority: on a machine that the generator shares, what is to be seen is
//! what the server does to its live subscribers, not what the generator does to both. A replay that gets the overload
//! answer, or is cut off, comes back after the `retry:` it was told, with the last id it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::Outcome;
use crate::args::Args;
use crate::contender::Contender;
use crate::ledger::Ledger;
use crate::live::{Ended, Live};
use crate::payload::LEN;
use crate::publisher::{self, Route};
use crate::subscribers::{Ends, Subscribers};
use crate::{Res, procfs, sys};

pub const SETTINGS: &str = "history: { events: 20000, bytes: 32MiB, age: 1h, total: 128MiB }\n";
pub const LIVE: usize = 100;
/// 4 MB of data.
const EVENTS: u32 = 4_000_000 / LEN as u32;
const SETTLE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(10);
/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(200);
/// Time for those sent away to come back, several times.
const LIMIT: Duration = Duration::from_mins(5);

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    let count = args.replays();
    publisher::fill(Route::One(contender.publish.at("/webhooks/kept")), EVENTS)?;
    let subscribers = Subscribers::connect(&contender.subscribe, LIVE)?;
    let live = Live::start(contender.publish.clone(), rate, subscribers, LIVE)?;
    live.run_for(args.warm_up())?;
    let pids = contender.pids();
    let memory = Memory::watch(pids.clone())?;
    let from = live.micros();
    live.run_for(args.window())?;
    let (rss_before, cpu_before) = (procfs::rss_bytes(&pids)?, procfs::cpu_micros(&pids));

    let (begin, begun) = (live.micros(), Instant::now());
    let path = contender.subscribe.path.replace("bench", "kept?since=start");
    let replays = Replays::begin(contender, path, count)?;
    while !replays.thread.is_finished() && !live.has_failed() {
        sys::check_stop()?;
        sleep(TICK);
    }
    let (end, seconds) = (live.micros(), begun.elapsed().as_secs_f64());
    let cpu = (procfs::cpu_micros(&pids) - cpu_before) / 1e6;
    if live.has_failed() {
        live.finish()?;
        return Err("the live load ended early".into());
    }
    let mut replayed = replays.thread.join().map_err(|_| "the thread of the replays panicked")??;
    sleep(SETTLE);
    let rss_after = procfs::rss_bytes(&pids)?;
    let live = live.finish()?;

    let mut outcome = Outcome::default();
    outcome.figures.extend([
        ("replay_s", seconds),
        ("replay_per_core_s", f64::from(EVENTS) * count as f64 / cpu),
        ("server_cores", cpu / seconds),
        ("rss_before", rss_before),
        ("rss_peak", memory.peak()),
        ("rss_after", rss_after),
    ]);
    judge(&live, &mut replayed, &mut outcome);
    outcome.figures.extend(live.compare(&(from..begin), &(begin..end)));
    Ok(outcome)
}

/// Everyone must have everything once and in order, live or replayed.
fn judge(live: &Ended, replayed: &mut Replayed, outcome: &mut Outcome) {
    let (ours, theirs) = (live.faults(), replayed.ledger.faults(EVENTS));
    outcome.figures.extend([
        ("missing", (ours.missing + theirs.missing) as f64),
        ("doubled", (ours.doubled + theirs.doubled) as f64),
        ("disordered", (ours.disordered + theirs.disordered) as f64),
        ("gaps", (live.gaps() + replayed.subscribers.gaps()) as f64),
        ("refused", f64::from(live.published.refused)),
        ("sent_away", replayed.subscribers.returns() as f64),
    ]);
}

struct Replays {
    thread: JoinHandle<Res<Replayed>>,
}

struct Replayed {
    ledger: Ledger,
    subscribers: Subscribers,
}

impl Replays {
    /// Connects them all, and reads until each is complete.
    fn begin(contender: &Contender, path: String, count: usize) -> Res<Replays> {
        let addr = contender.subscribe.addr;
        let thread = std::thread::Builder::new().name("replays".into()).spawn(move || {
            sys::step_back();
            let mut subscribers = Subscribers::begin(addr, count, Ends::Return, move |_| path.clone())?;
            let (mut ledger, wanted) = (Ledger::new(count), u64::from(EVENTS) * count as u64);
            let limit = Instant::now() + LIMIT;
            while ledger.received < wanted || !ledger.is_complete(EVENTS) {
                subscribers.poll(TICK, |reader, stamp| ledger.take(reader, stamp))?;
                if Instant::now() > limit {
                    let Ledger { received, .. } = ledger;
                    return Err(format!("{received} of {wanted} events were replayed in {LIMIT:?}").into());
                }
            }
            Ok(Replayed { ledger, subscribers })
        })?;
        Ok(Replays { thread })
    }
}

/// Looks at the server's memory until it is asked for the most there was.
struct Memory {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Memory {
    fn watch(pids: Vec<u32>) -> Res<Memory> {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let memory = Memory { peak: Arc::clone(&peak), stop: Arc::clone(&stop) };
        std::thread::Builder::new().name("memory".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // Fails when the server has ended, and so has the run.
                peak.fetch_max(procfs::rss_bytes(&pids).unwrap_or(0.0) as u64, Ordering::Relaxed);
                sleep(LOOK);
            }
        })?;
        Ok(memory)
    }

    fn peak(&self) -> f64 {
        self.peak.load(Ordering::Relaxed) as f64
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
