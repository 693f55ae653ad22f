//! The two threads between the log and the shards: the feeder moves the log's tail into the ring, the fetcher reads pages
//! of history for those who are behind. They are apart so that a storm of replays does not delay what is live.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::command::{Command, Fetched};
use super::interest::Listeners;
use super::ring::{RING_ENTRIES, RingWriter};
use super::shard::{Handle, Progress};
use super::shared::{FetchRequest, Shared};
use crate::event::Cursor;
use crate::log::{Log, ReadLimit, Tail, TailError};
use crate::sse::{self, Framed};

/// The feeder's sign of life when the log is quiet.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// Wait before a log that could not be reached is asked again.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// One page: what fits into one write with its framing.
const PAGE: ReadLimit = ReadLimit { events: 512, bytes: 192 << 10 };

/// Pages that are read at the same time.
const FETCHES: usize = 32;

/// Moves the log's tail into the ring.
pub(super) struct Feeder {
    pub log: Arc<dyn Log>,
    pub writer: RingWriter,
    pub base: Cursor,
    pub shared: Arc<Shared>,
    pub shards: Arc<[Handle]>,
    pub progress: Arc<Progress>,
}

impl Feeder {
    /// Runs until the log is closed.
    pub(super) async fn run(mut self) {
        let mut tail = self.open().await;
        loop {
            let turned = self.shared.started.elapsed().as_millis() as u64;
            self.progress.turned.store(turned, Ordering::Relaxed);
            match tokio::time::timeout(IDLE_WAIT, tail.next()).await {
                Err(_) => {}
                Ok(Ok(events)) => {
                    let head = self.progress.pulled.load(Ordering::Relaxed) + events.len() as u64;
                    self.progress.pulled.store(head, Ordering::Relaxed);
                    self.writer.publish(&events, Instant::now());
                    let interest = &self.shared.interest;
                    let listeners = events
                        .iter()
                        .fold(Listeners::default(), |all, e| all.union(interest.listeners(&e.event.topic)));
                    self.wake(head, listeners);
                }
                Ok(Err(TailError::Reset(cursor))) => {
                    tracing::error!(%cursor, "the log began anew; subscribers are told");
                    self.writer.reset(cursor, Instant::now());
                    let head = self.progress.pulled.fetch_add(1, Ordering::Relaxed) + 1;
                    self.wake(head, Listeners::ALL);
                }
                Ok(Err(TailError::Unavailable(why))) => {
                    tracing::debug!(why, "the log's tail is not available");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
                Ok(Err(TailError::Closed)) => return,
            }
        }
    }

    async fn open(&self) -> Box<dyn Tail> {
        loop {
            match self.log.tail(self.base).await {
                Ok(tail) => return tail,
                Err(error) => {
                    tracing::warn!(%error, "the log's tail cannot be opened; trying again");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    /// Wakes the shards that listen, and those that nothing has woken for so long that the ring might overtake them. The
    /// interest map was read after the ring was written: a subscription that came too late for it begins behind these
    /// events, or is admitted by a shard that is awake and looks at the ring.
    fn wake(&self, head: u64, listeners: Listeners) {
        for (index, shard) in self.shards.iter().enumerate() {
            let behind = head - shard.progress().pulled.load(Ordering::Relaxed).min(head);
            if listeners.contains(index) || behind > RING_ENTRIES as u64 / 4 {
                shard.wake();
            }
        }
    }
}

/// Reads pages of history for the shards.
pub(super) struct Fetcher {
    pub log: Arc<dyn Log>,
    pub requests: UnboundedReceiver<FetchRequest>,
    pub shards: Arc<[Handle]>,
}

impl Fetcher {
    /// Runs until the fan-out is gone.
    pub(super) async fn run(mut self) {
        let limit = Arc::new(Semaphore::new(FETCHES));
        while let Some(request) = self.requests.recv().await {
            let Ok(permit) = Arc::clone(&limit).acquire_owned().await else { return };
            let (log, shards) = (Arc::clone(&self.log), Arc::clone(&self.shards));
            tokio::spawn(async move {
                let page = fetch(&*log, &request).await;
                shards[request.shard].send(Command::Page(request.page, page));
                drop(permit);
            });
        }
    }
}

/// Reads and frames one page. `None` when the log cannot be read, or is no longer in the epoch that was asked for.
async fn fetch(log: &dyn Log, request: &FetchRequest) -> Option<Fetched> {
    let page = match log.read(&request.selector, request.page.after, PAGE).await {
        Ok(page) => page,
        Err(error) => {
            tracing::debug!(%error, "a page of history could not be read");
            return None;
        }
    };
    if log.head().epoch != request.page.epoch {
        return None;
    }
    let frames =
        page.events.iter().map(|logged| (logged.cursor.position, Framed::new(&sse::event(logged)))).collect();
    Some(Fetched { frames, next: page.next, coverage: page.coverage })
}
