//! The memory log's tails. An append puts each event into every tail's feed in the same step in which it gets its
//! place; a tail takes all that is in its feed at once.

use std::sync::Arc;

use async_trait::async_trait;

use super::Shared;
use super::bounds::Bounds;
use crate::event::{Cursor, LoggedEvent};
use crate::log::{Tail, TailError};

/// What waits for one tail.
#[derive(Debug, Default)]
pub(super) struct Feed {
    events: Vec<Arc<LoggedEvent>>,
    bytes: usize,
}

impl Feed {
    pub(super) fn push(&mut self, event: &Arc<LoggedEvent>) {
        self.bytes += event.event.weight();
        self.events.push(Arc::clone(event));
    }

    /// Whether its tail must be drained before anything is appended. One delivery may pass the bounds, so that one
    /// larger than them can be taken at all.
    pub(super) fn is_full(&self, bounds: &Bounds) -> bool {
        self.events.len() >= bounds.tail_events || self.bytes >= bounds.tail_bytes
    }

    fn take(&mut self) -> Option<Vec<Arc<LoggedEvent>>> {
        self.bytes = 0;
        (!self.events.is_empty()).then(|| std::mem::take(&mut self.events))
    }
}

/// One tail. Dropping it unregisters its feed.
pub(super) struct MemoryTail {
    shared: Arc<Shared>,
    feed: usize,
    /// Told first, once.
    reset: Option<Cursor>,
    /// What was kept when the tail was opened, given before the feed. It is history, so it counts against no bound.
    backlog: Vec<Arc<LoggedEvent>>,
}

impl MemoryTail {
    /// Opens a tail in one step: what is kept after `after` is its backlog, what is appended from now on its feed.
    ///
    /// Losses of different topics interleave with what is kept, and a tail has one place: when something after `after`
    /// is gone, it begins behind the newest loss. What is kept from before that is still there to be read.
    pub(super) fn open(shared: &Arc<Shared>, after: Cursor) -> Self {
        let mut state = shared.lock();
        let foreign = after.epoch != state.epoch;
        let from =
            if foreign { state.newest_loss } else { after.position.max(state.newest_loss).min(state.head) };
        let reset = (foreign || from != after.position).then(|| state.cursor(from));
        let backlog = state.all_after(from);
        let feed = state.feeds.insert(Feed::default());
        drop(state);
        Self { shared: Arc::clone(shared), feed, reset, backlog }
    }
}

#[async_trait]
impl Tail for MemoryTail {
    async fn next(&mut self) -> Result<Vec<Arc<LoggedEvent>>, TailError> {
        let shared = Arc::clone(&self.shared);
        loop {
            // Registered before the look, so that an append between the look and the wait is not slept through.
            let mut appended = std::pin::pin!(shared.appended.notified());
            appended.as_mut().enable();
            if let Some(events) = self.try_next()? {
                return Ok(events);
            }
            appended.await;
        }
    }

    fn try_next(&mut self) -> Result<Option<Vec<Arc<LoggedEvent>>>, TailError> {
        if let Some(cursor) = self.reset.take() {
            return Err(TailError::Reset(cursor));
        }
        if !self.backlog.is_empty() {
            return Ok(Some(std::mem::take(&mut self.backlog)));
        }
        let mut state = self.shared.lock();
        match state.feeds[self.feed].take() {
            None if state.closed => Err(TailError::Closed),
            events => Ok(events),
        }
    }
}

impl Drop for MemoryTail {
    fn drop(&mut self) {
        self.shared.lock().feeds.remove(self.feed);
    }
}
