//! Fan-out: from the log's tail to every subscriber's socket.
//!
//! The *feeder* moves the log's tail into one shared *ring* and wakes the *shards* that listen. A shard is a thread with
//! an event loop; it owns its connections, pulls from the ring, and writes each event's bytes, built once, to the
//! *group* of connections that stand at the same place. A connection that cannot keep up, or that resumes, is a *reader*
//! with a cursor: it reads on from the ring or from history as its socket takes it, and joins its group exactly where
//! it meets it. There is no queue per connection, so no subscriber can make the server grow.

mod appender;
mod batch;
mod command;
mod doorbell;
mod feeder;
#[doc(hidden)]
pub mod interest;
mod limits;
mod metrics;
mod panic;
mod pump;
mod reader;
#[doc(hidden)]
pub mod ring;
mod settings;
mod shard;
mod shared;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use self::appender::Appender;
use self::command::Command;
pub use self::command::{Admission, Fault};
use self::feeder::{FeederThread, Fetcher, Pump};
use self::interest::Interest;
pub use self::interest::MAX_SHARDS;
use self::limits::{Bounds, WEDGED};
pub use self::metrics::{Closed, Metrics};
use self::panic::EndOnPanic;
use self::reader::Start;
use self::ring::Ring;
pub use self::settings::Settings;
use self::shard::{Handle, Progress, Seed};
use self::shared::Shared;
use crate::event::{Selector, Topic};
use crate::live::Live;
use crate::log::Log;

/// The fan-out's handle, for the edge, the ingress and the application.
pub struct Fanout {
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    pump: Arc<Pump>,
    shards: Arc<[Handle]>,
    feeder: Arc<Progress>,
    draining: AtomicBool,
    /// Streams that the process has descriptors for.
    descriptors: usize,
    /// For tests that wait until something has come so far.
    #[cfg(test)]
    ring: Arc<Ring>,
}

/// Why a stream is not opened now. All of them are temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many streams as are allowed, or as there are descriptors for, are open.
    Full,
    /// The server is ending.
    Draining,
}

impl Refused {
    const ALL: [Self; 2] = [Self::Full, Self::Draining];

    /// As in `connections_refused_total{reason}`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "connections",
            Self::Draining => "draining",
        }
    }
}

impl Fanout {
    /// Starts the shards, the feeder and the fetcher, a thread each. `descriptors` bounds the streams whatever the
    /// settings say.
    ///
    /// # Errors
    /// When the kernel gives no thread or poll.
    pub fn start(
        log: Arc<dyn Log>,
        settings: Live<Settings>,
        metrics: Metrics,
        shards: usize,
        descriptors: usize,
    ) -> io::Result<Arc<Self>> {
        Self::start_within(log, settings, metrics, shards, descriptors, Bounds::default())
    }

    fn start_within(
        log: Arc<dyn Log>,
        settings: Live<Settings>,
        metrics: Metrics,
        shards: usize,
        descriptors: usize,
        bounds: Bounds,
    ) -> io::Result<Arc<Self>> {
        let base = log.head();
        let (writer, ring) = Ring::with_capacity(base, bounds.ring_entries, bounds.ring_bytes);
        let (fetcher, requests) = unbounded_channel();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            bounds,
            interest: Interest::new(shards),
            settings,
            metrics,
            streams: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            lingering: AtomicUsize::new(0),
            fetcher,
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
        let fetch = Fetcher { log: Arc::clone(&log), requests, shards: Arc::clone(&shards) };
        spawn_async("log-fetcher", fetch.run())?;
        Ok(Arc::new(Self {
            shared,
            log,
            pump,
            shards,
            feeder,
            draining: AtomicBool::new(false),
            descriptors,
            #[cfg(test)]
            ring,
        }))
    }

    /// Reserves room for one stream, to be asked for before the socket is taken over.
    ///
    /// # Errors
    /// [`Refused`] when there is none now.
    pub fn reserve(self: &Arc<Self>) -> Result<Reservation, Refused> {
        let refuse = |refused: Refused| {
            self.shared.metrics.refused(refused);
            Err(refused)
        };
        if self.draining.load(Ordering::Acquire) {
            return refuse(Refused::Draining);
        }
        let limit = self.shared.settings.load().max_connections.min(self.descriptors);
        // Two at the same time may both be the last: the clamp leaves a reserve for that.
        if self.shared.total() >= limit {
            return refuse(Refused::Full);
        }
        let load = |&index: &usize| self.shared.streams[index].load(Ordering::Relaxed);
        let shard = (0..self.shards.len()).min_by_key(load).unwrap_or(0);
        self.shared.streams[shard].fetch_add(1, Ordering::Relaxed);
        self.shared.metrics.connections.inc();
        Ok(Reservation { fanout: Arc::clone(self), shard, held: true })
    }

    /// The log to append to: what it accepts is on its way to the subscribers when it answers.
    #[must_use]
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::new(Appender { log: Arc::clone(&self.log), pump: Arc::clone(&self.pump) })
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
            .chain([("the log's feeder".to_owned(), &*self.feeder)])
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

/// Room for one stream. Dropped unused, the room is free again.
pub struct Reservation {
    fanout: Arc<Fanout>,
    shard: usize,
    held: bool,
}

impl Reservation {
    /// Hands the subscriber's socket to a shard, which answers it. `requested` is the raw value of `Last-Event-ID`.
    pub fn admit(mut self, admission: Admission, requested: Option<&[u8]>) {
        self.held = false;
        let shared = &self.fanout.shared;
        // Interest first, position second: an event is then either before the position or finds the shard listening.
        shared.interest.join(&admission.selector, self.shard);
        let start = Start::resolve(requested, self.fanout.log.head());
        self.fanout.shards[self.shard].send(Command::Admit(Box::new(admission), start));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.held {
            self.fanout.shared.closed_one(self.shard);
        }
    }
}

/// Starts a thread whose panic ends the process.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = EndOnPanic("a thread");
        run();
    })?;
    Ok(())
}

/// As [`spawn`], for a future on a runtime of its own.
fn spawn_async(name: &str, run: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    spawn(name, move || runtime.block_on(run))
}

// A selector is cloned for each page that is asked for; it must stay a handle.
const _: () = assert!(size_of::<Selector>() <= 24);
