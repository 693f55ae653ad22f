//! Fan-out: from the log's tail to every subscriber's socket.
//!
//! The *feeder* moves the log's tail into one shared *ring* and wakes the *shards* that listen. A shard is a thread with
//! an event loop; it owns its connections, pulls from the ring, and writes each event's bytes, built once, to the
//! *group* of connections that stand at the same place. A connection that cannot keep up, or that resumes, is a *reader*
//! with a cursor: it reads on from the ring or from history as its socket takes it, and joins its group exactly where
//! it meets it. There is no queue per connection, so no subscriber can make the server grow.

mod admit;
mod appender;
mod arrivals;
mod batch;
mod command;
mod doorbell;
mod feeder;
mod holders;
#[doc(hidden)]
pub mod interest;
mod judge;
mod limits;
mod list;
#[doc(hidden)]
pub mod matcher;
mod metrics;
mod panic;
mod pump;
mod reader;
#[doc(hidden)]
pub mod ring;
mod search;
mod settings;
mod shard;
mod shared;
#[cfg(test)]
mod tests;
mod weights;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;

use self::admit::Gate;
pub use self::admit::{Beginning, Caller, Refused, Reservation};
use self::appender::Appender;
pub use self::arrivals::Arrival;
use self::arrivals::Arrivals;
use self::command::Command;
pub use self::command::{Admission, Fault, ListOnly, Listed, Outcome};
use self::feeder::{FeederThread, Fetcher, Pump};
use self::interest::Interest;
pub use self::interest::MAX_SHARDS;
pub use self::judge::{Judge, Round};
use self::limits::{Bounds, IDLE_WAIT, PAGES, PATTERN_PAGES, WEDGED};
pub use self::list::{ConnId, ListFrom};
pub use self::metrics::{Closed, Metrics};
use self::panic::EndOnPanic;
pub use self::reader::{Reader, Start, Told};
use self::ring::Ring;
use self::search::Searches;
pub use self::settings::{Settings, Slow};
use self::shard::{Handle, Progress, Seed};
pub use self::shared::Silence;
use self::shared::{Lanes, Shared};
use self::weights::{TooHeavy, Weights};
use crate::event::{Subscription, Topic};
use crate::live::Live;
use crate::log::clock::Clock;
use crate::log::{Feed, Log, ReadError};

/// The fan-out's handle, for the edge, the ingress and the application.
pub struct Fanout {
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    ring: Arc<Ring>,
    gate: Gate,
    pump: Arc<Pump>,
    shards: Arc<[Handle]>,
    feeder: Arc<Progress>,
    fetcher: Arc<Progress>,
    searches: Searches,
    /// Topics purged so far.
    purges: AtomicU64,
    draining: AtomicBool,
    /// Streams that the process has descriptors for.
    descriptors: usize,
}

impl Fanout {
    /// Starts the shards, the feeder and the fetcher, a thread each. `descriptors` bounds the streams whatever the
    /// settings say; `silence` tells of a subscriber's peer whether it is still there.
    ///
    /// # Errors
    /// When the kernel gives no thread or poll.
    pub fn start(
        log: Arc<dyn Log>,
        settings: Live<Settings>,
        metrics: Metrics,
        shards: usize,
        descriptors: usize,
        silence: Silence,
    ) -> io::Result<Arc<Self>> {
        let limits = Limits { shards, descriptors, bounds: Bounds::default() };
        Self::start_within(log, settings, metrics, limits, silence, Clock::system())
    }

    fn start_within(
        log: Arc<dyn Log>,
        settings: Live<Settings>,
        metrics: Metrics,
        limits: Limits,
        silence: Silence,
        clock: Clock,
    ) -> io::Result<Arc<Self>> {
        let Limits { shards, descriptors, bounds } = limits;
        let base = log.head();
        let (writer, ring) = Ring::with_capacity(base, bounds.ring_entries, bounds.ring_bytes);
        let (fetchers, requests): (Vec<_>, Vec<_>) = (0..shards).map(|_| Lanes::new()).unzip();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            bounds,
            interest: Interest::new(shards),
            settings,
            metrics,
            silence,
            clock,
            judge: OnceLock::new(),
            rounds: AtomicU64::new(0),
            weights: Weights::default(),
            arrivals: Arrivals::default(),
            streams: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            lingering: AtomicUsize::new(0),
            fetchers: fetchers.into(),
        });
        let mut handles = Vec::with_capacity(shards);
        for index in 0..shards {
            let (shard, handle) = Seed::new(index, Arc::clone(&shared), Arc::clone(&ring))?;
            spawn(&format!("shard-{index}"), move || shard.run())?;
            handles.push(handle);
        }
        let shards: Arc<[Handle]> = handles.into();
        let feeder = Arc::new(Progress::default());
        let pump = Arc::new(Pump::default());
        let feed = FeederThread {
            log: Arc::clone(&log),
            writer,
            base,
            shared: Arc::clone(&shared),
            shards: Arc::clone(&shards),
            progress: Arc::clone(&feeder),
            pump: Arc::clone(&pump),
        };
        spawn_async("log-feeder", feed.run())?;
        let fetcher = |shard, requests, pages| Fetcher {
            log: Arc::clone(&log),
            requests,
            shards: Arc::clone(&shards),
            shard,
            pages,
            limit: bounds.page,
        };
        let mut fetchers = Vec::with_capacity(2 * shards.len());
        for (shard, [topics, patterns]) in requests.into_iter().enumerate() {
            fetchers.extend([fetcher(shard, topics, PAGES), fetcher(shard, patterns, PATTERN_PAGES)]);
        }
        let fetcher = Arc::new(Progress::default());
        let fetching = spawn_async(
            "log-fetcher",
            run_all(fetchers, turning(Arc::clone(&shared), Arc::clone(&fetcher))),
        )?;
        Ok(Arc::new(Self {
            shared,
            log,
            ring,
            gate: Gate::default(),
            pump,
            shards,
            feeder,
            fetcher,
            searches: Searches::on(fetching),
            purges: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            descriptors,
        }))
    }

    /// The log to append to: what it accepts is on its way to the subscribers when it answers.
    #[must_use]
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::new(Appender { log: Arc::clone(&self.log), pump: Arc::clone(&self.pump) })
    }

    /// Forgets a topic's history, here and in the log, and answers how many events it held. Who resumes from before is
    /// told a gap; what is on its way to the live end at this moment still arrives there. To those who are behind nothing of
    /// it is written once this has answered, but for the rest of a frame that is half-written.
    ///
    /// # Errors
    /// As [`Log::purge`].
    pub async fn purge(&self, topic: &Topic) -> Result<u64, ReadError> {
        let purged = self.log.purge(topic).await?;
        // After it: who counted them before this read may have read what is gone now.
        self.purges.fetch_add(1, Ordering::SeqCst);
        if self.log.feed() == Feed::WithAppend {
            // What was appended before, and is purged now, is not to come into the ring after its floor was raised: whoever
            // is at the pump has to be waited for.
            self.pump.pump_waiting();
        }
        self.ring.purge();
        let mut answers = Vec::with_capacity(self.shards.len());
        for shard in self.shards.iter() {
            let (answer, done) = oneshot::channel();
            shard.send(Command::Purged(answer));
            answers.push(done);
        }
        for done in answers {
            // A shard that does not answer has ended, and the process with it.
            let _ = done.await;
        }
        Ok(purged)
    }

    /// How many topics were purged so far. What was read when there were fewer may hold what is gone.
    #[must_use]
    pub fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Tells when something has come of what `subscription` selects, to somebody at `address` who waits for a page of history
    /// of it. What the log shows when this returns is not told: it is to be looked into after this.
    ///
    /// # Errors
    /// [`Refused::Patterns`] when there is no room for what is asked for.
    pub fn arrivals(&self, subscription: &Subscription, address: Option<IpAddr>) -> Result<Arrival, Refused> {
        let weight = self.shared.weights.hold(subscription, address, self.weight());
        let weight = weight.map_err(|TooHeavy| self.turned_away(Refused::Patterns))?;
        Ok(self.shared.arrivals.listen(subscription.selector.clone(), weight))
    }

    /// Counts a gap that was told in a page.
    pub fn told(&self, gap: &Told) {
        self.shared.metrics.gap(gap.reason);
    }

    /// Subscriptions on this instance that match `topic`.
    #[must_use]
    pub fn subscribers(&self, topic: &Topic) -> u64 {
        self.shared.interest.subscribers(topic)
    }

    /// Open streams.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.total()
    }

    /// Whether every stream is over, and its socket closed.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.connections() == 0 && self.shared.lingering.load(Ordering::Relaxed) == 0
    }

    /// Refuses new streams from now on.
    pub fn refuse_new(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Ends all streams cleanly, evenly over `window`.
    pub fn drain(&self, window: Duration) {
        self.refuse_new();
        for shard in self.shards.iter() {
            shard.send(Command::Drain(window));
        }
    }

    /// What makes no progress, in words; empty when all is well.
    #[must_use]
    pub fn wedged(&self) -> Vec<String> {
        let now = self.shared.started.elapsed().as_millis() as u64;
        let shards = self.shards.iter().enumerate().map(|(i, s)| (format!("shard {i}"), s.progress()));
        shards
            .chain(
                [("the log's feeder", &self.feeder), ("the log's fetcher", &self.fetcher)]
                    .map(|(name, of)| (name.to_owned(), &**of)),
            )
            .filter_map(|(name, progress)| {
                let idle = now.saturating_sub(progress.turned.load(Ordering::Relaxed));
                (u128::from(idle) > WEDGED.as_millis())
                    .then(|| format!("{name} has made no progress for {} s", idle / 1000))
            })
            .collect()
    }

    /// For tests: makes one shard misbehave.
    #[doc(hidden)]
    pub fn inject(&self, shard: usize, fault: Fault) {
        self.shards[shard].send(Command::Fault(fault));
    }
}

/// How large a fan-out is.
#[derive(Clone, Copy, Debug)]
struct Limits {
    shards: usize,
    /// Streams that the process has descriptors for.
    descriptors: usize,
    bounds: Bounds,
}

/// Starts a thread whose panic ends the process.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = EndOnPanic("a thread");
        run();
    })?;
    Ok(())
}

/// As [`spawn`], for a future on a runtime of its own, which takes on more while that runs.
fn spawn_async(name: &str, run: impl Future<Output = ()> + Send + 'static) -> io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let handle = runtime.handle().clone();
    spawn(name, move || runtime.block_on(run))?;
    Ok(handle)
}

/// Says that its thread turns, for as long as it does.
async fn turning(shared: Arc<Shared>, progress: Arc<Progress>) {
    loop {
        progress.turned.store(shared.started.elapsed().as_millis() as u64, Ordering::Relaxed);
        tokio::time::sleep(IDLE_WAIT).await;
    }
}

/// Serves the requests of all shards until they are gone, and `beside` that.
async fn run_all(fetchers: Vec<Fetcher>, beside: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(beside);
    let running: Vec<_> = fetchers.into_iter().map(|fetcher| tokio::spawn(fetcher.run())).collect();
    for fetcher in running {
        let _ = fetcher.await;
    }
}
