//! From the signal to the exit: pingora's own shutdown closes all listeners at once and cuts streams, so it is told only
//! when our drain is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::reload::Reloader;
use super::snapshot::Snapshots;
use crate::config::{Drain, Watcher};
use crate::fanout::Fanout;
use crate::jwks;
use crate::lifecycle::Phase;
use crate::log::Log;
use crate::log::memory::MemoryLog;
use crate::net::Open;
use crate::relay::Relay;

/// Streams that end per second while draining, so that those who reconnect don't arrive at the next instance all at once.
/// With more of them than fit into `drain.window` at this rate, the window decides.
const ENDS_PER_SECOND: f64 = 500.0;

/// How often it is looked whether anything is left.
const LOOK: Duration = Duration::from_millis(10);

/// How often the log's maintenance runs.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// Sees the process through its life: maintenance and reloads while it serves, then the drain.
pub(super) struct Shutdown {
    pub phase: watch::Sender<Phase>,
    pub snapshots: Arc<Snapshots>,
    pub fanout: Arc<Fanout>,
    pub log: Arc<dyn Log>,
    pub memory: MemoryLog,
    pub proxied: Open,
    pub webhooks: Open,
    pub relay: Relay,
    pub keys: Arc<jwks::Registry>,
    pub reloader: Arc<Reloader>,
    /// Raised once nothing was cut off.
    pub drained: Arc<AtomicBool>,
    /// Taken while the process runs.
    pub signals: Mutex<Signals>,
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = self.signals.lock().await;
        tokio::select! {
            () = self.live(&mut signals) => {}
            // Has no end of its own: keys are fetched for as long as somebody may send.
            () = self.keys.run() => {}
        }
        ShutdownSignal::FastShutdown
    }
}

impl Shutdown {
    async fn live(&self, signals: &mut Signals) {
        self.serve(signals).await;
        tokio::select! {
            () = self.drain() => {}
            () = signals.end.recv() => {
                let (streams, proxied) = (self.fanout.connections(), self.proxied.count());
                tracing::warn!(streams, proxied, "told to end again: exiting at once; what is left is cut");
            }
        }
    }

    /// Until the first signal to end.
    async fn serve(&self, signals: &mut Signals) {
        let mut maintenance = tokio::time::interval(MAINTENANCE);
        let mut watcher = Watcher::new(self.reloader.watched());
        loop {
            tokio::select! {
                () = signals.end.recv() => return,
                _ = signals.reload.recv() => self.reloader.reload_logged(),
                () = watcher.changed() => self.reloader.reload_if_changed(),
                _ = maintenance.tick() => {
                    self.memory.tick();
                    continue;
                }
            }
            watcher.follow(self.reloader.watched());
        }
    }

    async fn drain(&self) {
        let Drain { delay, window, timeout } = self.snapshots.current().drain;
        let begun = Instant::now();
        let deadline = begun + timeout;
        tracing::info!(?delay, ?window, ?timeout, "draining");
        self.enter(Phase::Leaving);
        sleep_until((begun + delay).min(deadline)).await;

        self.enter(Phase::Draining);
        let streams = self.fanout.connections();
        let window = window.min(Duration::from_secs_f64(streams as f64 / ENDS_PER_SECOND));
        self.fanout.drain(window);
        let ends = Instant::now() + window;
        let _ = timeout_at(ends.min(deadline), self.nothing_left()).await;

        self.enter(Phase::Ending);
        let ended = timeout_at(deadline, self.nothing_left()).await.is_ok();
        // Nothing is queued any more by then; what waits is tried at once.
        let _ = timeout_at(deadline, self.relay.flushed()).await;
        let clean = self.relay.abandon().await == 0 && ended;
        let closed = timeout_at(deadline, self.log.close()).await.is_ok();
        if clean && closed {
            tracing::info!(elapsed = ?begun.elapsed(), "drained");
            self.drained.store(true, Ordering::Release);
        } else {
            let (streams, proxied) = (self.fanout.connections(), self.proxied.count());
            tracing::warn!(streams, proxied, "drain.timeout is over; what is left is cut");
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    async fn nothing_left(&self) {
        while !self.fanout.is_drained() {
            sleep(LOOK).await;
        }
        self.proxied.none().await;
        self.webhooks.none().await;
    }
}

/// The signals that are listened to, from when this is made: whatever comes before it is looked at is kept.
pub(super) struct Signals {
    end: Ends,
    reload: Signal,
}

/// The signals that end the process.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Made before anything is served or said: until then a signal's default, which is to end the process on the spot,
    /// is right, and from then on it would be wrong, for a reload as for an end.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub(super) fn listen() -> std::io::Result<Self> {
        // Only to register: whichever runtime runs hands signals on to all who listen.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        Ok(Self {
            end: Ends {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            reload: signal(SignalKind::hangup())?,
        })
    }
}

impl Ends {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
