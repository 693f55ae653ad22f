//! Between the log and the shards: the feeder moves the log's tail into the ring, the fetcher reads pages of history for
//! those who are behind. They are apart so that a storm of replays does not delay what is live.
//!
//! Where an append's events are in the tail by the time it answers, whoever appended feeds the ring itself (see
//! [`Pump`]): a thread that waits for each event costs two switches of context for it, which was a quarter of a webhook's
//! cost. The feeder's thread then only looks after it. Where the tail comes later, as from a broker, the thread waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::command::{Command, Fetched};
use super::interest::Listeners;
use super::limits::{IDLE_WAIT, RETRY_WAIT};
use super::panic::EndOnPanic;
use super::pump::{self, Follows, TakeReady};
use super::ring::RingWriter;
use super::shard::{Handle, Progress};
use super::shared::{FetchRequest, Shared};
use crate::event::{Cursor, LoggedEvent, Subscription};
use crate::log::{Feed, Log, ReadLimit, Tail, TailError};
use crate::sse::{self, Framed};

/// Moves the log's tail into the ring.
pub(super) struct Feeder {
    tail: Box<dyn Tail>,
    writer: RingWriter,
    shared: Arc<Shared>,
    shards: Arc<[Handle]>,
    /// The ring's head.
    head: u64,
}

impl Feeder {
    /// Takes over what the tail gave.
    fn take(&mut self, given: Result<Vec<Arc<LoggedEvent>>, TailError>) -> Follows {
        match given {
            Ok(events) => {
                self.head += events.len() as u64;
                self.writer.publish(&events, Instant::now());
                let interest = &self.shared.interest;
                let listeners = events
                    .iter()
                    .fold(Listeners::default(), |all, e| all.union(interest.listeners(&e.event.topic)));
                self.wake(listeners);
                self.shared.arrivals.tell(events.iter().map(|event| &event.event.topic));
                Follows::More
            }
            Err(TailError::Reset(cursor)) => {
                tracing::error!(%cursor, "the log began anew; subscribers are told");
                self.writer.reset(cursor, Instant::now());
                self.head += 1;
                self.wake(Listeners::ALL);
                self.shared.arrivals.tell_all();
                Follows::More
            }
            Err(TailError::Unavailable(why)) => {
                tracing::debug!(why, "the log's tail is not available");
                Follows::Later
            }
            Err(TailError::Closed) => Follows::Nothing,
        }
    }

    /// Wakes the shards that listen, and those that nothing has woken for so long that the ring might overtake them. The
    /// interest map was read after the ring was written: a subscription that came too late for it begins behind these
    /// events, or is admitted by a shard that is awake and looks at the ring.
    fn wake(&self, listeners: Listeners) {
        for (index, shard) in self.shards.iter().enumerate() {
            let pulled = shard.progress().pulled.load(Ordering::Relaxed);
            if listeners.contains(index) || self.writer.will_overtake(pulled) {
                shard.wake();
            }
        }
    }
}

impl TakeReady for Feeder {
    fn take_ready(&mut self) -> Follows {
        loop {
            let given = match self.tail.try_next() {
                Ok(None) => return Follows::More,
                Ok(Some(events)) => Ok(events),
                Err(error) => Err(error),
            };
            match self.take(given) {
                Follows::More => {}
                follows => return follows,
            }
        }
    }
}

/// Lets whoever appended feed the ring.
pub(super) type Pump = pump::Pump<Feeder>;

/// The feeder's thread.
pub(super) struct FeederThread {
    pub log: Arc<dyn Log>,
    pub writer: RingWriter,
    pub base: Cursor,
    pub shared: Arc<Shared>,
    pub shards: Arc<[Handle]>,
    pub progress: Arc<Progress>,
    pub pump: Arc<Pump>,
}

impl FeederThread {
    /// Runs until the log is closed.
    pub(super) async fn run(self) {
        let Self { log, writer, base, shared, shards, progress, pump } = self;
        let turned = {
            let shared = Arc::clone(&shared);
            move || progress.turned.store(shared.started.elapsed().as_millis() as u64, Ordering::Relaxed)
        };
        let tail = open(&*log, base, &turned).await;
        let mut feeder = Feeder { tail, writer, shared, shards, head: 0 };
        if log.feed() == Feed::WithAppend {
            pump.install(feeder);
            while pump.pump_waiting() != Follows::Nothing {
                turned();
                tokio::time::sleep(IDLE_WAIT).await;
            }
            return;
        }
        loop {
            turned();
            let Ok(given) = tokio::time::timeout(IDLE_WAIT, feeder.tail.next()).await else { continue };
            match feeder.take(given) {
                Follows::More => {}
                Follows::Later => tokio::time::sleep(RETRY_WAIT).await,
                Follows::Nothing => return,
            }
        }
    }
}

async fn open(log: &dyn Log, base: Cursor, turned: &(impl Fn() + Sync)) -> Box<dyn Tail> {
    loop {
        turned();
        match log.tail(base).await {
            Ok(tail) => return tail,
            Err(error) => {
                tracing::warn!(%error, "the log's tail cannot be opened; trying again");
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }
}

/// Reads pages of history for one shard, of one of its lanes.
pub(super) struct Fetcher {
    pub log: Arc<dyn Log>,
    pub requests: UnboundedReceiver<FetchRequest>,
    pub shards: Arc<[Handle]>,
    pub shard: usize,
    /// Pages in the making or waiting for the shard, at most.
    pub pages: usize,
    pub limit: ReadLimit,
}

impl Fetcher {
    /// Runs until the fan-out is gone. A shard that does not take its pages waits for no more of them, and nobody else
    /// waits for it.
    pub(super) async fn run(mut self) {
        let (room, limit) = (Arc::new(Semaphore::new(self.pages)), self.limit);
        while let Some(request) = self.requests.recv().await {
            // Looked at before a place is waited for, and after: a page that nobody waits for any more is not read, and
            // holds up nobody.
            if request.wanted.strong_count() == 0 {
                continue;
            }
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            if request.wanted.strong_count() == 0 {
                continue;
            }
            let (log, shards, shard) = (Arc::clone(&self.log), Arc::clone(&self.shards), self.shard);
            tokio::spawn(async move {
                // A page that never came would leave its readers waiting for ever.
                let _guard = EndOnPanic("a reader of history");
                let page = fetch(&*log, &request, limit, permit).await;
                shards[shard].send(Command::Page(request.page, page));
                // A storm of replays would keep a core until the scheduler's tick, which is 4 ms where there is no
                // preemption, from a shard that has something live to write. A lower priority would do that as well,
                // but whoever appends would then wait for a reader that was put aside while it held the log's lock.
                std::thread::yield_now();
            });
        }
    }
}

/// Reads and frames one page. `None` when the log cannot be read, or is no longer in the epoch that was asked for.
pub(super) async fn fetch(
    log: &dyn Log,
    request: &FetchRequest,
    limit: ReadLimit,
    room: OwnedSemaphorePermit,
) -> Option<Fetched> {
    let Subscription { selector, filter, format, .. } = &*request.subscription;
    let page = match log.read(selector, request.page.after, limit).await {
        Ok(page) => page,
        Err(error) => {
            tracing::debug!(%error, "a page of history could not be read");
            return None;
        }
    };
    if log.head().epoch != request.page.epoch {
        return None;
    }
    let wanted = page.events.iter().filter(|logged| filter.admits(logged.event.kind.as_ref()));
    let placed =
        |logged: &Arc<LoggedEvent>| (logged.cursor.position, Framed::new(&sse::event(logged, *format)));
    let coverage = page.coverage.through(filter);
    Some(Fetched { frames: wanted.map(placed).collect(), next: page.next, coverage, room })
}
