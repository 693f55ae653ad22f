//! How a connection ends.

use std::io::Read as _;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shard;
use super::conn::{Ending, Place};
use super::group::Key;
use super::replay::Ready;
use crate::fanout::Closed;
use crate::fanout::limits::{DISCARD_BYTES, DISCARDS, LINGER};
use crate::fanout::reader::Reader;
use crate::sse::{Framed, Framing, retry_only};

impl Shard {
    /// Ends a stream cleanly: whatever frame is under way is finished, then come a fresh `retry:` and the body's end, and
    /// the write side is shut. The socket is closed when the peer has closed its side, so that no reset overtakes the
    /// last chunk. Who does not read on to that end is closed all the same, after a while.
    pub(super) fn end(&mut self, key: Key, reason: Closed) {
        let conn = &mut self.conns[key as usize];
        if matches!(conn.place, Place::Shut) {
            return;
        }
        if conn.rest.is_some() {
            if conn.ending.is_none() {
                conn.ending = Some(Ending::Farewell(reason));
                self.cut_late(key, reason);
            }
            return;
        }
        if matches!(conn.place, Place::Member(_) | Place::Joiner) {
            self.fall_behind(key, Reader::lagging(self.live.at));
        }
        let framing = self.groups[self.conns[key as usize].group as usize].1.framing;
        let farewell = farewell(self.retry(), framing);
        match super::live::send(&self.conns[key as usize].socket, &farewell) {
            Ok(sent) if sent == farewell.len() => self.shut(key, reason),
            Ok(sent) => {
                let rest = self.write_own(key, &farewell[sent..]);
                if rest == super::live::Sent::All {
                    self.shut(key, reason);
                } else if let Some(conn) = self.conns.get_mut(key as usize) {
                    conn.ending = Some(Ending::Shut(reason));
                    self.cut_late(key, reason);
                }
            }
            Err(_) => self.close(key, Closed::Error),
        }
    }

    /// Notes until when a connection that is to end may read on to it.
    fn cut_late(&mut self, key: Key, reason: Closed) {
        if reason != Closed::Drain {
            self.cut_after(key, self.shared.bounds.end_wait);
        }
    }

    /// Closes a connection that is to end, if it has not read on to its end after this time.
    pub(super) fn cut_after(&mut self, key: Key, patience: Duration) {
        let (conn, conns) = (self.conn_ref(key), &self.conns);
        self.timers.cuts.push(self.now + patience, conn, conns.len(), |conn| conn.is_in(conns));
    }

    /// Closes connections that did not read on to their end.
    pub(super) fn on_cuts(&mut self) {
        while let Some(conn) = self.timers.cuts.pop(self.now) {
            let Some(found) = self.find(conn).filter(|found| !matches!(found.place, Place::Shut)) else {
                continue;
            };
            if let Some(Ending::Farewell(reason) | Ending::Shut(reason)) = found.ending {
                self.close(conn.key, reason);
            }
        }
    }

    /// Shuts the write side. For the subscriber, and for the metrics, the stream is over.
    pub(super) fn shut(&mut self, key: Key, reason: Closed) {
        self.withdraw(key);
        let _ = self.conns[key as usize].socket.shutdown(Shutdown::Write);
        self.set_place(key, Place::Shut);
        self.gone(key, reason);
        let conn = self.conn_ref(key);
        self.shared.lingering.fetch_add(1, Ordering::Relaxed);
        self.timers.push_shut(self.now + LINGER, conn);
        self.discard(key);
    }

    /// Reads and drops what a peer still sends on a connection whose write side is shut; closes it at its end.
    pub(super) fn discard(&mut self, key: Key) {
        let mut buffer = [0; DISCARD_BYTES];
        for _ in 0..DISCARDS {
            match (&self.conns[key as usize].socket).read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Ok(1..) => {}
                Ok(0) | Err(_) => return self.forget(key),
            }
        }
        // More is there, and no event will tell of it; others have their turn first. The linger's end stops a flood.
        self.queue(key, Ready::Writable);
    }

    /// Closes a connection at once.
    pub(super) fn close(&mut self, key: Key, reason: Closed) {
        self.withdraw(key);
        self.leave_members(key);
        self.set_place(key, Place::Shut);
        self.gone(key, reason);
        self.shared.lingering.fetch_add(1, Ordering::Relaxed);
        self.forget(key);
    }

    /// The stream is over: it counts no longer.
    fn gone(&mut self, key: Key, reason: Closed) {
        let group = self.conns[key as usize].group;
        self.leave_group(group);
        self.shared.metrics.closed(reason);
        self.shared.closed_one(self.index);
    }

    /// Drops the socket of a stream that is over.
    pub(super) fn forget(&mut self, key: Key) {
        let conn = self.conns.remove(key as usize);
        self.shared.lingering.fetch_sub(1, Ordering::Relaxed);
        if let Some(moved) = self.timers.wheel.remove(conn.beat) {
            self.conns[moved as usize].beat = conn.beat;
        }
    }

    /// Changes a connection's place and keeps count of those behind.
    pub(super) fn set_place(&mut self, key: Key, place: Place) {
        let behind = |place: &Place| i64::from(matches!(place, Place::Behind(_) | Place::Fetching(_)));
        let old = std::mem::replace(&mut self.conns[key as usize].place, place);
        let change = behind(&self.conns[key as usize].place) - behind(&old);
        if change != 0 {
            self.shared.metrics.lagging.add(change);
        }
    }
}

/// The bytes of a clean end: a fresh `retry:` and the end of the body.
fn farewell(retry: Duration, framing: Framing) -> Vec<u8> {
    let mut bytes = Framed::new(&retry_only(retry)).bytes(framing).to_vec();
    bytes.extend_from_slice(framing.end());
    bytes
}
