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
use crate::live::Live;
use crate::payload::LEN;
use crate::publisher::{Plan, Route, Until, publish};
use crate::subscribers::{Ends, Subscribers};
use crate::{Res, procfs, sys};

pub const SETTINGS: &str = "history: { events: 20000, bytes: 32MiB, age: 1h, total: 128MiB }\n";
pub const LIVE: usize = 100;
/// 4 MB of data.
const EVENTS: u32 = 4_000_000 / LEN as u32;
const LANES: u8 = 64;
const SETTLE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(10);
/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(200);
/// Time for those sent away to come back, several times.
const LIMIT: Duration = Duration::from_mins(5);

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    let count = args.replays();
    let published = publish(&Plan {
        route: Route::One(contender.publish.at("/webhooks/kept")),
        lanes: LANES,
        rate: None,
        clock: Instant::now(),
        until: Until::Count(EVENTS),
    })?;
    if published.refused > 0 {
        return Err(format!("{} events to fill history with were refused", published.refused).into());
    }
    let subscribers = Subscribers::connect(&contender.subscribe, LIVE)?;
    let live = Live::start(contender.publish.clone(), rate, subscribers, LIVE)?;
    sleep(args.warm_up());
    let memory = Memory::watch(contender.pids())?;
    let from = live.micros();
    wait(&live, args.window())?;
    let (pss_before, pids) = (procfs::pss_bytes(&contender.pids())?, contender.pids());

    let (begin, begun, cpu) = (live.micros(), Instant::now(), procfs::cpu_micros(&pids));
    let path = contender.subscribe.path.replace("bench", "kept?since=start");
    let replays = Replays::begin(contender, path, count)?;
    while !replays.thread.is_finished() && !live.has_failed() {
        sys::check_stop()?;
        sleep(TICK);
    }
    let (end, seconds) = (live.micros(), begun.elapsed().as_secs_f64());
    let cpu = procfs::cpu_micros(&pids) - cpu;
    if live.has_failed() {
        live.finish()?;
        return Err("the live load ended early".into());
    }
    let mut replayed = replays.thread.join().map_err(|_| "the thread of the replays panicked")??;
    sleep(SETTLE);
    let pss_after = procfs::pss_bytes(&pids)?;
    let live = live.finish()?;

    let mut outcome = Outcome::default();
    let figures = &mut outcome.figures;
    let (faults, theirs) = (live.faults(), replayed.ledger.faults(EVENTS));
    let events = f64::from(EVENTS) * count as f64;
    figures.extend([
        ("missing", (faults.missing + theirs.missing) as f64),
        ("doubled", (faults.doubled + theirs.doubled) as f64),
        ("disordered", (faults.disordered + theirs.disordered) as f64),
        ("gaps", (live.gaps() + replayed.subscribers.gaps()) as f64),
        ("refused", f64::from(live.published.refused)),
        ("sent_away", replayed.subscribers.returns() as f64),
        ("replay_s", seconds),
        ("replay_per_core_s", events / (cpu / 1e6)),
        ("server_cores", cpu / 1e6 / seconds),
        ("pss_before", pss_before),
        ("pss_peak", memory.peak()),
        ("pss_after", pss_after),
    ]);
    let latency = |window, quantile| live.quantile(&window, quantile);
    figures.extend(latency(from..begin, 0.5).map(|value| ("p50_before_us", value)));
    figures.extend(latency(begin..end, 0.5).map(|value| ("p50_during_us", value)));
    if let (Some(before), Some(during)) = (latency(from..begin, 0.99), latency(begin..end, 0.99)) {
        figures.extend([
            ("p99_before_us", before),
            ("p99_during_us", during),
            ("p99_ratio", during / before.max(1.0)),
        ]);
    }
    Ok(outcome)
}

fn wait(live: &Live, time: Duration) -> Res<()> {
    let end = Instant::now() + time;
    while Instant::now() < end && !live.has_failed() {
        sys::check_stop()?;
        sleep(TICK);
    }
    Ok(())
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
                peak.fetch_max(procfs::pss_bytes(&pids).unwrap_or(0.0) as u64, Ordering::Relaxed);
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
