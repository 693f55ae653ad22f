//! Behind the live end: new streams, streams that resume, and streams whose socket was full. Each is a reader that goes
//! on whenever its socket takes more, from the ring if that still has it all, else from pages of history, until it
//! stands exactly where its group stands and joins it. So there is no buffer of live events, no hole and no double.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::conn::{Conn, ConnRef, Ending, Place, Queued};
use super::group::Key;
use super::live::{Sent, send};
use super::{Live, Shard};
use crate::event::{Cursor, LoggedEvent, Position};
use crate::fanout::batch::{Batch, Placed};
use crate::fanout::command::{Fetched, PageKey};
use crate::fanout::limits::{BATCH_BYTES, GO_ON, GO_ON_TIME, REREAD};
use crate::fanout::reader::{Opening, Prefix};
use crate::fanout::shared::FetchRequest;
use crate::log::Coverage;
use crate::sse::GapReason;

/// Why a connection can go on.
pub(super) enum Ready {
    /// Its socket takes more, or its place changed.
    Writable,
    /// Its page has come.
    Page(Rc<Page>),
}

/// Who waits for a page.
#[derive(Default)]
pub(super) struct Wanted {
    waiting: Vec<ConnRef>,
    /// Goes with it, so that the fetcher sees when nobody waits any more.
    alive: Arc<()>,
}

/// A page for all who asked for the same.
pub(super) struct Page {
    key: PageKey,
    fetched: Fetched,
    /// The batch of those who need nothing said before it.
    shared: OnceCell<(Rc<Batch>, usize)>,
}

impl Shard {
    /// The first bytes of a new stream: the response's head, and the opening block as soon as it is known whether the
    /// asked-for position can be honoured.
    pub(super) fn open(&mut self, key: Key, head: &Bytes) {
        let Place::Behind(reader) = &self.conns[key as usize].place else { return };
        let known = !reader.needs_coverage() && (reader.is_at_head() || self.covers(reader.cursor()));
        let mut bytes = head.to_vec();
        if known {
            bytes.extend_from_slice(&self.prefix(key, Coverage::Complete).bytes);
        }
        if self.write_own(key, &bytes) == Sent::All {
            self.advance(key);
        }
    }

    /// Whether everything after `position` is at hand without history. What this shard has not pulled yet may be too far
    /// behind once it has, so a position ahead of its own is not.
    fn covers(&self, at: Cursor) -> bool {
        let reached = at.epoch == self.live.at.epoch && at.position <= self.live.at.position;
        reached && self.search_from(at.position).is_some()
    }

    fn search_from(&self, position: Position) -> Option<u64> {
        let (start, base) = self.live.since;
        let first = self.ring.first_after(position, start..self.live.next, base)?;
        (self.live.next - first <= self.shared.bounds.search_entries).then_some(first)
    }

    /// What the connection's reader says before its next events.
    fn prefix(&mut self, key: Key, coverage: Coverage) -> Prefix {
        let retry = self.retry();
        let conn = &mut self.conns[key as usize];
        let group = &self.groups[conn.group as usize].1;
        let opening = Opening { retry, beats: group.subscription.beats, framing: group.framing };
        let Some(reader) = conn.place.reader_mut() else {
            return Prefix { bytes: Vec::new(), gap: None };
        };
        let prefix = reader.prefix(coverage, opening);
        let Cursor { epoch, position } = reader.cursor();
        if epoch == self.live.at.epoch {
            conn.told = conn.told.max(position.sequence);
        }
        if let Some(reason) = prefix.gap {
            self.shared.metrics.gap(reason);
            if reason == GapReason::Lagged {
                tracing::debug!(remote = ?conn.remote, "history moved past a slow subscriber");
            }
        }
        prefix
    }

    /// A jittered reconnection time.
    pub(super) fn retry(&self) -> Duration {
        let (low, high) = self.shared.settings.load().retry;
        let millis = fastrand::u64(low.as_millis() as u64..=high.as_millis() as u64);
        Duration::from_millis(millis)
    }

    /// Writes bytes for one connection alone; they leave its place unchanged.
    pub(super) fn write_own(&mut self, key: Key, bytes: &[u8]) -> Sent {
        let conn = &self.conns[key as usize];
        let Some(reader) = conn.place.reader() else { return Sent::Gone };
        let framing = self.groups[conn.group as usize].1.framing;
        let at = reader.position;
        let (batch, _) = Batch::build(bytes, at, &[], framing, &self.pins);
        self.write(key, &batch, 0, at)
    }

    /// Brings a connection that is behind as far as it can go now. Nothing of it may be half-written.
    pub(super) fn advance(&mut self, key: Key) {
        loop {
            let conn = &self.conns[key as usize];
            let Place::Behind(reader) = &conn.place else { return };
            let Cursor { epoch, position } = reader.cursor();
            if epoch != self.live.at.epoch || position > self.live.at.position {
                // The log is ahead of this shard; it catches up at its next pull.
                return self.behind.parked.push(self.conn_ref(key));
            }
            let open = reader.is_open() && !reader.needs_coverage();
            let near = open && reader.is_past_losses();
            if open && position == self.live.at.position {
                return self.join(key);
            }
            let Some(first) = self.search_from(position).filter(|_| near) else {
                return self.fetch(key);
            };
            match self.write_found(key, first) {
                Sent::All => {}
                Sent::Part | Sent::Gone => return,
            }
        }
    }

    /// Writes what the ring has for this connection from `first` on.
    fn write_found(&mut self, key: Key, first: u64) -> Sent {
        let group_key = self.conns[key as usize].group;
        let group = &self.groups[group_key as usize].1;
        let subscription = &*group.subscription;
        let (mut frames, mut bytes): (Vec<Placed>, usize) = (Vec::new(), 0);
        let mut looked = None;
        for number in first..self.live.next {
            let Some(entry) = self.ring.get(number) else { break };
            let wanted = entry.event().is_some_and(|LoggedEvent { event, .. }| {
                subscription.filter.admits(event.kind.as_ref())
                    && self.routes.reaches(&event.topic, &subscription.selector, group_key)
            });
            if let Some(framed) = if wanted { entry.framed(subscription.format) } else { None } {
                if bytes > BATCH_BYTES {
                    break;
                }
                bytes += framed.len();
                frames.push((entry.cursor.position, framed.clone()));
            }
            looked = Some(entry.cursor.position);
        }
        let Some(looked) = looked else {
            // Overtaken since it was searched: history has the rest.
            self.fetch(key);
            return Sent::Gone;
        };
        let framing = group.framing;
        let Place::Behind(reader) = &self.conns[key as usize].place else { return Sent::Gone };
        let at = reader.position;
        let (batch, taken) = Batch::build(b"", at, &frames, framing, &self.pins);
        let sent = if taken > 0 { self.write(key, &batch, 0, at) } else { Sent::All };
        if sent == Sent::All {
            self.move_to(key, if taken == frames.len() { looked } else { batch.last().unwrap_or(at) });
        }
        sent
    }

    /// A connection that is behind stands at `position` now.
    pub(super) fn move_to(&mut self, key: Key, position: Position) {
        if let Place::Behind(reader) = &mut self.conns[key as usize].place {
            reader.position = reader.position.max(position);
        }
    }

    /// The seam: a connection that stands at the shard's own place joins its group there.
    fn join(&mut self, key: Key) {
        let at = self.live.at.position;
        let group = &mut self.groups[self.conns[key as usize].group as usize].1;
        let place = match group.join(key, at) {
            Some(index) => Place::Member(index as u32),
            None => Place::Joiner,
        };
        self.set_place(key, place);
    }

    /// Asks for the page of history that this connection needs next. Whoever needs the same shares it.
    fn fetch(&mut self, key: Key) {
        let conn = self.conn_ref(key);
        if !self.conns[key as usize].place.start_fetching() {
            return;
        }
        let Some(page) = self.page_key(key) else { return };
        let wanted = self.behind.pages.entry(page).or_default();
        wanted.waiting.push(conn);
        if wanted.waiting.len() == 1 {
            let alive = Arc::downgrade(&wanted.alive);
            let group = &self.groups[self.conns[key as usize].group as usize].1;
            let subscription = Arc::clone(&group.subscription);
            self.shared.fetch(self.index, FetchRequest { page, subscription, wanted: alive });
        }
    }

    /// The page that this connection needs next, or waits for.
    fn page_key(&self, key: Key) -> Option<PageKey> {
        let conn = &self.conns[key as usize];
        let Cursor { epoch, position } = conn.place.reader()?.cursor();
        let group = self.groups[conn.group as usize].0;
        let Live { resets, purges, .. } = self.live;
        Some(PageKey { group, epoch, resets, purges, after: position })
    }

    /// Something was purged from history. What was read of it before is written to nobody: who waits for a page asks again.
    pub(super) fn drop_pages(&mut self) {
        self.live.purges += 1;
        self.behind.pages.clear();
        for (_, ready) in &mut self.behind.ready {
            if matches!(ready, Ready::Page(_)) {
                *ready = Ready::Writable;
            }
        }
        let keys: Vec<Key> = self.conns.iter().map(|(key, _)| key as Key).collect();
        for key in keys {
            if self.conns[key as usize].place.stop_fetching() {
                self.queue(key, Ready::Writable);
            }
        }
    }

    /// A connection that is about to close waits for no page; one that nobody waits for is not read.
    pub(super) fn withdraw(&mut self, key: Key) {
        if !matches!(self.conns[key as usize].place, Place::Fetching(_)) {
            return;
        }
        let conn = self.conn_ref(key);
        let Some(page) = self.page_key(key) else { return };
        let Some(wanted) = self.behind.pages.get_mut(&page) else { return };
        wanted.waiting.retain(|&waiting| waiting != conn);
        if wanted.waiting.is_empty() {
            self.behind.pages.remove(&page);
        }
    }

    /// A page came, or could not be read now.
    pub(super) fn on_page(&mut self, key: PageKey, fetched: Option<Fetched>) {
        let Wanted { waiting, .. } = self.behind.pages.remove(&key).unwrap_or_default();
        let Some(fetched) = fetched else {
            for conn in waiting {
                if self.stop_fetching(conn) {
                    self.behind.unread.push(conn);
                    self.timers.reread.get_or_insert(self.now + REREAD);
                }
            }
            return;
        };
        let page = Rc::new(Page { key, fetched, shared: OnceCell::new() });
        for conn in waiting {
            if self.find(conn).is_some() {
                self.queue(conn.key, Ready::Page(Rc::clone(&page)));
            }
        }
    }

    /// A connection that waits for a page is behind again. False when it is not there, or not waiting.
    fn stop_fetching(&mut self, conn: ConnRef) -> bool {
        self.find(conn).is_some_and(|found| found.place.stop_fetching())
    }

    /// Lets connections go on that can, a bounded number in one turn and for a bounded time, so that live goes first.
    pub(super) fn go_on(&mut self) {
        let begun = Instant::now();
        for done in 0..GO_ON {
            // One goes on in any case, whatever else there is to do.
            if done > 0 && begun.elapsed() > GO_ON_TIME {
                return;
            }
            let Some((conn, ready)) = self.behind.ready.pop_front() else { return };
            let Some(found) = self.find(conn) else { continue };
            found.queued = Queued::No;
            match ready {
                Ready::Writable if matches!(found.place, Place::Shut) => self.discard(conn.key),
                // A page from before a reset is for nobody: whoever waited for it is behind again, or waits for another.
                Ready::Page(page)
                    if self.page_key(conn.key) == Some(page.key) && self.stop_fetching(conn) =>
                {
                    // Flushed here, too: the event that the socket takes more may have come while this was queued.
                    if self.flush(conn.key) {
                        self.take_page(conn.key, &page);
                    }
                }
                Ready::Writable | Ready::Page(_) => {
                    if self.flush(conn.key) {
                        self.advance(conn.key);
                    }
                }
            }
        }
    }

    /// Writes the rest of a half-written frame. True when none is left and the connection may go on.
    fn flush(&mut self, key: Key) -> bool {
        let now = self.seconds();
        let conn = &mut self.conns[key as usize];
        while let Some(rest) = &mut conn.rest {
            match send(&conn.socket, rest.bytes()) {
                Ok(0) => return false,
                Ok(sent) => {
                    self.shared.metrics.delivered_bytes.inc_by(sent as u64);
                    if rest.advance(sent) {
                        conn.rest = None;
                    }
                    conn.take(sent, now);
                }
                Err(_) => {
                    self.close(key, crate::fanout::Closed::Error);
                    return false;
                }
            }
        }
        match conn.ending.take() {
            None => return true,
            Some(Ending::Farewell(reason)) => self.end(key, reason),
            Some(Ending::Shut(reason)) => self.shut(key, reason),
        }
        false
    }

    /// Writes a page to one of those who waited for it.
    fn take_page(&mut self, key: Key, page: &Page) {
        let prefix = self.prefix(key, page.fetched.coverage).bytes;
        let Place::Behind(reader) = &self.conns[key as usize].place else { return };
        let at = reader.position;
        let framing = self.groups[self.conns[key as usize].group as usize].1.framing;
        let frames = &page.fetched.frames;
        let frames = &frames[frames.partition_point(|&(position, _)| position <= at)..];
        let whole = frames.len() == page.fetched.frames.len();
        let build = |prefix: &[u8]| Batch::build(prefix, at, frames, framing, &self.pins);
        let (batch, taken) = if prefix.is_empty() && whole {
            page.shared.get_or_init(|| build(b"")).clone()
        } else {
            build(&prefix)
        };
        let sent = if batch.bytes().is_empty() { Sent::All } else { self.write(key, &batch, 0, at) };
        if sent == Sent::All {
            let all = taken == frames.len();
            self.move_to(key, if all { page.fetched.next } else { batch.last().unwrap_or(at) });
            self.advance(key);
        }
    }

    /// Connections whose page could not be read ask again. By the clock, not at once: the log is in trouble.
    pub(super) fn read_again(&mut self) {
        let now = self.seconds();
        for conn in std::mem::take(&mut self.behind.unread) {
            if let Some(found) = self.find(conn) {
                found.progress(now);
                self.queue(conn.key, Ready::Writable);
            }
        }
    }

    /// A new subscriber that was to begin in an epoch which this shard has not come to, and a whole heartbeat has passed: the
    /// log may have left that epoch before its tail told of it. It begins at the start of the shard's.
    pub(super) fn wait_no_longer(&mut self, key: Key) {
        let epoch = self.live.at.epoch;
        if let Place::Behind(reader) = &mut self.conns[key as usize].place
            && reader.cursor().epoch != epoch
            && reader.waits_again()
        {
            reader.restart(epoch);
            self.queue(key, Ready::Writable);
        }
    }

    /// Connections that were ahead of this shard go on when it has caught up.
    pub(super) fn unpark(&mut self) {
        let at = self.live.at;
        let parked = std::mem::take(&mut self.behind.parked);
        for conn in parked {
            match self.find(conn) {
                Some(Conn { place: Place::Behind(reader), .. })
                    if reader.cursor().epoch == at.epoch && reader.position <= at.position =>
                {
                    self.queue(conn.key, Ready::Writable);
                }
                Some(_) => self.behind.parked.push(conn),
                None => {}
            }
        }
    }
}
