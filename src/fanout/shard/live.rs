//! The live end: from the ring to the groups, and from a group's job to its members' sockets.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::conn::{Place, Queued};
use super::group::{Key, Step};
use super::{Shard, replay::Ready};
use crate::event::{Cursor, Position};
use crate::fanout::Closed;
use crate::fanout::batch::{Batch, Cut};
use crate::fanout::limits::{PENDING_BYTES, WRITES};
use crate::fanout::reader::Reader;
use crate::fanout::ring::{Entry, What};

/// How far a slice of a job came.
enum Slice {
    /// Everyone has the job.
    Done,
    /// So many members were written to, and more are left.
    Partly(usize),
}

/// How this shard came to know that the log began anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// By the reset itself, which says where.
    Reset,
    /// By an entry behind it: the ring has overtaken the reset.
    Later,
}

/// How a batch went out to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it.
    All,
    /// Not all: the connection is behind now and goes on when its socket is writable.
    Part,
    /// The connection is gone.
    Gone,
}

impl Shard {
    /// Whether the ring has something that this shard may take now.
    pub(super) fn can_pull(&self) -> bool {
        self.live.pending < PENDING_BYTES && self.ring.head() > self.live.next
    }

    /// Takes from the ring what has come, in order, and puts it to the groups that listen.
    pub(super) fn pull(&mut self) {
        while self.can_pull() {
            match self.ring.get(self.live.next) {
                Some(entry) => {
                    if matches!(entry.what, What::Reset) {
                        if !self.all_idle() {
                            break;
                        }
                        self.begin_anew(&entry, Seen::Reset);
                    } else {
                        self.put(&entry);
                    }
                    self.live.next = entry.number + 1;
                    self.live.at = entry.cursor;
                }
                // Overtaken: what is missing here is in history, unless it was evicted, and then it is told.
                None if self.all_idle() => self.skip_ahead(),
                None => break,
            }
        }
        self.progress.pulled.store(self.live.next, Ordering::Relaxed);
        self.unpark();
    }

    fn all_idle(&self) -> bool {
        self.live.jobs.is_empty() && self.live.dirty.is_empty()
    }

    fn put(&mut self, entry: &Arc<Entry>) {
        let Some(logged) = entry.event() else { return };
        for key in self.routes.of(&logged.event.topic) {
            let group = &mut self.groups[key as usize].1;
            if !group.subscription.filter.admits(logged.event.kind.as_ref()) {
                continue;
            }
            group.told = entry.cursor.position.sequence;
            if !group.has_listeners() {
                continue;
            }
            let Some(framed) = entry.framed(group.subscription.format) else { return };
            if group.is_idle() {
                self.live.dirty.push(key);
            }
            let at = entry.cursor.position;
            self.live.pending += group.put(self.live.at.position, at, framed.clone(), entry.published);
        }
    }

    /// This shard was overtaken by the ring: everyone at the live end goes on from history.
    fn skip_ahead(&mut self) {
        tracing::warn!(shard = self.index, "overtaken by the ring; subscribers go on from history");
        let oldest = self.ring.oldest();
        // The entry may be overtaken in its turn; then the next round of the loop skips further.
        let Some(entry) = self.ring.get(oldest.max(self.live.next)) else { return };
        if entry.resets == self.live.resets {
            self.demote_all();
            // Where the span that can still be searched begins: behind this entry, which itself is left to history.
            self.live.since = (entry.number + 1, entry.cursor.position);
        } else {
            self.begin_anew(&entry, Seen::Later);
        }
        self.live.next = entry.number + 1;
        self.live.at = entry.cursor;
    }

    /// The log lost its place or began anew, at `entry` or on the way to it: everyone is told, and goes on from there.
    fn begin_anew(&mut self, entry: &Entry, seen: Seen) {
        self.demote_all();
        let old = self.live.at;
        // What lay between the last reset and an entry that was seen later may still be in history.
        let place = if seen == Seen::Reset { entry.cursor.position } else { Position::START };
        let new = Cursor::new(entry.cursor.epoch, place);
        // A new subscriber that is past all that was lost: the log was there before this shard.
        let spared = |reader: &Reader| {
            let at = reader.cursor();
            let ahead = old.epoch != new.epoch || at.position > old.position;
            seen == Seen::Reset && at.epoch == new.epoch && ahead && at.position >= new.position
        };
        self.live.since = (entry.number + 1, entry.cursor.position);
        self.live.resets = entry.resets;
        if old.epoch != new.epoch {
            self.live.left = Some(old.epoch);
        }
        for (_, group) in &mut self.groups {
            group.1.told = 0;
        }
        let keys: Vec<Key> = self.conns.iter().map(|(key, _)| key as Key).collect();
        for key in keys {
            let conn = &mut self.conns[key as usize];
            conn.told = 0;
            if let Place::Behind(reader) | Place::Fetching(reader) = &mut conn.place
                && !spared(reader)
            {
                reader.reset(new);
            }
            if conn.place.stop_fetching() {
                // The page it waits for is of the old order; when it comes it finds nobody.
                self.queue(key, Ready::Writable);
            }
        }
        self.behind.pages.clear();
    }

    /// Every member and joiner leaves the live end. Only while all groups are idle, when all stand at one place.
    fn demote_all(&mut self) {
        let keys: Vec<Key> = self.conns.iter().map(|(key, _)| key as Key).collect();
        for key in keys {
            if matches!(self.conns[key as usize].place, Place::Member(_) | Place::Joiner) {
                self.fall_behind(key, Reader::lagging(self.live.at));
                self.queue(key, Ready::Writable);
            }
        }
    }

    /// A member or joiner leaves the live end.
    pub(super) fn fall_behind(&mut self, key: Key, reader: Reader) {
        self.leave_members(key);
        let now = self.seconds();
        self.conns[key as usize].progress(now);
        self.set_place(key, Place::Behind(Box::new(reader)));
    }

    /// Takes a connection out of its group's members and joiners.
    pub(super) fn leave_members(&mut self, key: Key) {
        let conn = &self.conns[key as usize];
        let group = &mut self.groups[conn.group as usize].1;
        match conn.place {
            Place::Member(index) => {
                group.leave(index as usize);
                let conns = &mut self.conns;
                group.compact(|key, index| conns[key as usize].place = Place::Member(index as u32));
            }
            Place::Joiner => group.leave_joiners(key),
            _ => {}
        }
    }

    /// Makes a job of what is pending in each group that has none.
    pub(super) fn start_jobs(&mut self) {
        for key in std::mem::take(&mut self.live.dirty) {
            self.start_job(key);
        }
    }

    fn start_job(&mut self, key: u32) {
        let Some((bytes, inside)) = self.groups[key as usize].1.start_job(&self.pins) else { return };
        self.live.pending -= bytes;
        self.live.jobs.push_back(key);
        for (member, at) in inside {
            self.write_inside(key, member, at);
        }
    }

    /// A joiner that stands inside the group's new batch gets the batch's end by itself.
    fn write_inside(&mut self, group: u32, key: Key, at: Position) {
        let Some(job) = self.groups[group as usize].1.job() else { return };
        let batch = Rc::clone(&job.batch);
        let at_cursor = Cursor::new(self.live.at.epoch, at);
        self.set_place(key, Place::Behind(Box::new(Reader::lagging(at_cursor))));
        if self.write(key, &batch, batch.offset_after(at), at) == Sent::All {
            let index = self.groups[group as usize].1.admit(key) as u32;
            self.set_place(key, Place::Member(index));
        }
    }

    /// Writes a slice of each job in turn, a bounded number of writes in all.
    pub(super) fn write_slices(&mut self) {
        let (mut left, slice) = (WRITES, self.shared.bounds.slice);
        for _ in 0..self.live.jobs.len() {
            if left == 0 {
                return;
            }
            let Some(key) = self.live.jobs.pop_front() else { return };
            match self.write_slice(key, slice.min(left)) {
                Slice::Done => {
                    self.finish_job(key);
                    left -= 1;
                }
                Slice::Partly(writes) => {
                    self.live.jobs.push_back(key);
                    left -= writes;
                }
            }
        }
    }

    /// Writes a job to the next members, at most `most`.
    fn write_slice(&mut self, key: u32, most: usize) -> Slice {
        let Some(job) = self.groups[key as usize].1.job() else { return Slice::Done };
        let (batch, start) = (Rc::clone(&job.batch), job.start);
        let (mut written, mut slice) = (0u64, Slice::Partly(most));
        for _ in 0..most {
            match self.groups[key as usize].1.step() {
                Step::Done => {
                    slice = Slice::Done;
                    break;
                }
                Step::Write(member) => {
                    // The common case, without a look at anything but the socket.
                    match send(&self.conns[member as usize].socket, batch.bytes()) {
                        Ok(sent) if sent == batch.bytes().len() => written += 1,
                        other => self.write_failed(member, &batch, start, other.ok()),
                    }
                }
            }
        }
        let events = batch.events_between(start, batch.last().unwrap_or(start));
        self.shared.metrics.deliveries.inc_by(written * events);
        self.shared.metrics.delivered_bytes.inc_by(written * batch.bytes().len() as u64);
        slice
    }

    /// A member whose socket did not take all of a job leaves the live end; one whose socket failed is closed.
    #[cold]
    fn write_failed(&mut self, key: Key, batch: &Rc<Batch>, start: Position, sent: Option<usize>) {
        let Some(sent) = sent else { return self.close(key, Closed::Error) };
        self.shared.metrics.delivered_bytes.inc_by(sent as u64);
        self.fall_behind(key, Reader::lagging(Cursor::new(self.live.at.epoch, start)));
        self.keep(key, batch, sent, start);
    }

    fn finish_job(&mut self, key: u32) {
        let (conns, group) = (&mut self.conns, &mut self.groups[key as usize].1);
        if let Some(job) = group.job() {
            let seconds = job.published.elapsed().as_secs_f64();
            self.shared.metrics.delivery_seconds.observe(seconds);
        }
        let waiting = group.finish_job(|key, index| conns[key as usize].place = Place::Member(index as u32));
        for member in waiting {
            let index = group.admit(member) as u32;
            conns[member as usize].place = Place::Member(index);
        }
        if !group.is_idle() {
            self.live.dirty.push(key);
        } else if group.connections == 0 {
            self.remove_group(key);
        }
    }

    /// Writes `batch` from `offset` on to one connection that is behind and stands at `at`.
    pub(super) fn write(&mut self, key: Key, batch: &Rc<Batch>, offset: usize, at: Position) -> Sent {
        let bytes = &batch.bytes()[offset..];
        match send(&self.conns[key as usize].socket, bytes) {
            Ok(sent) if sent == bytes.len() => {
                let last = batch.last().unwrap_or(at);
                self.shared.metrics.delivered_bytes.inc_by(sent as u64);
                let events = batch.events_between(at, last);
                self.shared.metrics.deliveries.inc_by(events);
                self.shared.metrics.replayed.inc_by(events);
                let now = self.seconds();
                self.conns[key as usize].progress(now);
                self.move_to(key, last);
                Sent::All
            }
            Ok(sent) => {
                self.shared.metrics.delivered_bytes.inc_by(sent as u64);
                let now = self.seconds();
                self.conns[key as usize].take(sent, now);
                let events = self.keep(key, batch, offset + sent, at);
                self.shared.metrics.replayed.inc_by(events);
                if self.conns.contains(key as usize) { Sent::Part } else { Sent::Gone }
            }
            Err(_) => {
                self.close(key, Closed::Error);
                Sent::Gone
            }
        }
    }

    /// A connection that is behind keeps the rest of the frame it is in, and goes on from history after that.
    /// Returns how many events it got.
    fn keep(&mut self, key: Key, batch: &Rc<Batch>, sent: usize, start: Position) -> u64 {
        let (rest, position) = match batch.cut(sent) {
            Cut::Nothing => (None, start),
            Cut::Boundary(position) => (None, position),
            Cut::Inside(rest, position) => (Some(Box::new(rest)), position),
        };
        let events = batch.events_between(start, position);
        self.shared.metrics.deliveries.inc_by(events);
        let pins = rest.is_some();
        self.conns[key as usize].rest = rest;
        self.move_to(key, position);
        if pins && self.pins.bytes() > self.shared.bounds.pinned_bytes {
            self.close(key, Closed::Pinned);
        }
        events
    }

    /// Puts a connection into the queue of those that can go on.
    pub(super) fn queue(&mut self, key: Key, ready: Ready) {
        let conn = self.conn_ref(key);
        let queued = &mut self.conns[key as usize].queued;
        let twice = matches!(ready, Ready::Writable) && *queued == Queued::Yes;
        if !twice {
            *queued = Queued::Yes;
            self.behind.ready.push_back((conn, ready));
        }
    }
}

/// Writes without blocking and without `SIGPIPE`. A full socket takes 0 bytes.
pub(super) fn send(socket: &socket2::Socket, bytes: &[u8]) -> std::io::Result<usize> {
    loop {
        match socket.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
