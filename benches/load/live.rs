//! A steady load beside something else: a publisher and its subscribers on threads of their own, every delivery's latency
//! kept with the time it was sent, so that before and during can be told apart afterwards.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::contender::Endpoint;
use crate::ledger::{Faults, Ledger};
use crate::publisher::{Plan, Published, Route, Until, publish};
use crate::stats::Histogram;
use crate::subscribers::Subscribers;
use crate::{Res, sys};

const TICK: Duration = Duration::from_millis(10);
/// After the last answer: how long deliveries may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);
/// Enough for a server whose answer takes longer than the time between two events.
const LANES: u8 = 8;
const NOT_YET: u32 = u32::MAX;

pub struct Live {
    clock: Instant,
    stop: Arc<AtomicBool>,
    publisher: Option<JoinHandle<Res<Published>>>,
    listener: Option<JoinHandle<Res<Heard>>>,
    /// Events published, once it is known.
    count: Arc<AtomicU32>,
}

/// One delivery.
#[derive(Clone, Copy)]
struct Sample {
    sent_micros: u32,
    latency_micros: u32,
}

/// What the subscribers have heard.
struct Heard {
    samples: Vec<Sample>,
    ledger: Ledger,
    gaps: u64,
}

/// All of it, and what was published.
pub struct Ended {
    heard: Heard,
    pub published: Published,
}

impl Live {
    /// Publishes to `to` at `rate`. The first `hearing` of `subscribers` get it, the others only stay connected.
    pub fn start(to: Endpoint, rate: f64, mut subscribers: Subscribers, hearing: usize) -> Res<Live> {
        let (clock, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let until = Until::Told(Arc::clone(&stop));
        let plan = Plan { route: Route::One(to), lanes: LANES, rate: Some(rate), clock, until };
        let publisher = std::thread::Builder::new().name("publisher".into()).spawn(move || {
            sys::step_forward();
            publish(&plan)
        })?;
        let count = Arc::new(AtomicU32::new(NOT_YET));
        let known = Arc::clone(&count);
        let listener = std::thread::Builder::new().name("live".into()).spawn(move || {
            sys::step_forward();
            let mut heard = Heard { samples: Vec::new(), ledger: Ledger::new(hearing), gaps: 0 };
            let mut limit = None;
            loop {
                heard.tick(&mut subscribers, clock)?;
                let published = known.load(Ordering::Relaxed);
                if published == NOT_YET {
                    continue;
                }
                let limit = *limit.get_or_insert_with(|| Instant::now() + DRAIN_LIMIT);
                if heard.ledger.is_complete(published) || Instant::now() > limit {
                    break;
                }
            }
            heard.gaps = subscribers.gaps();
            Ok(heard)
        })?;
        Ok(Live { clock, stop, publisher: Some(publisher), listener: Some(listener), count })
    }

    /// µs since the start: what samples are told apart by.
    pub fn micros(&self) -> u32 {
        self.clock.elapsed().as_micros() as u32
    }

    /// Lets it run for `time`, less when either side gives up: [`Live::finish`] says why.
    pub fn run_for(&self, time: Duration) -> Res<()> {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.has_failed() {
            sys::check_stop()?;
            sleep(TICK);
        }
        Ok(())
    }

    /// Whether either side has given up.
    pub fn has_failed(&self) -> bool {
        self.publisher.as_ref().is_none_or(JoinHandle::is_finished)
            || self.listener.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the publisher and waits until everything has been heard.
    pub fn finish(mut self) -> Res<Ended> {
        self.stop.store(true, Ordering::Relaxed);
        let published = join(self.publisher.take())?;
        self.count.store(published.sent(), Ordering::Relaxed);
        Ok(Ended { heard: join(self.listener.take())?, published })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A run that failed: nobody waits for the rest.
        if self.count.load(Ordering::Relaxed) == NOT_YET {
            self.count.store(0, Ordering::Relaxed);
        }
    }
}

fn join<T>(thread: Option<JoinHandle<Res<T>>>) -> Res<T> {
    thread.ok_or("joined twice")?.join().map_err(|_| "a thread of the load panicked")?
}

impl Heard {
    fn tick(&mut self, subscribers: &mut Subscribers, clock: Instant) -> Res<()> {
        let Heard { samples, ledger, .. } = self;
        subscribers.poll(TICK, |reader, stamp| {
            ledger.take(reader, stamp);
            let now = clock.elapsed().as_micros() as u32;
            let latency_micros = now.saturating_sub(stamp.micros);
            samples.push(Sample { sent_micros: stamp.micros, latency_micros });
        })
    }
}

impl Ended {
    /// A quantile in µs of the latency of what was sent in `window`.
    fn quantile(&self, window: &Range<u32>, quantile: f64) -> Option<f64> {
        let mut histogram = Histogram::new();
        let inside = self.heard.samples.iter().filter(|sample| window.contains(&sample.sent_micros));
        inside.for_each(|sample| histogram.record(sample.latency_micros));
        histogram.quantile(quantile)
    }

    /// Latency in one window and in a later one.
    pub fn compare(&self, before: &Range<u32>, during: &Range<u32>) -> BTreeMap<&'static str, f64> {
        let mut figures = BTreeMap::new();
        for (window, quantile, name) in [
            (before, 0.5, "p50_before_us"),
            (during, 0.5, "p50_during_us"),
            (before, 0.99, "p99_before_us"),
            (during, 0.99, "p99_during_us"),
        ] {
            figures.extend(self.quantile(window, quantile).map(|value| (name, value)));
        }
        if let [Some(before), Some(during)] = ["p99_before_us", "p99_during_us"].map(|name| figures.get(name))
        {
            figures.insert("p99_ratio", during / before.max(1.0));
        }
        figures
    }

    pub fn faults(&self) -> Faults {
        self.heard.ledger.faults(self.published.sent())
    }

    pub fn gaps(&self) -> u64 {
        self.heard.gaps
    }
}
