//! What a shard does by the clock: heartbeats, the age limit, and the end of a drain.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Shard;
use super::conn::{Conn, ConnRef, Peer, Place};
use super::deadlines::Deadlines;
use super::group::Key;
use super::live::{Sent, send};
use super::wheel::Wheel;
use crate::event::{Beats, Cursor, Millis, Position};
use crate::fanout::limits::{DRAIN_STEP, PATROL, VANISHED_BEATS, VANISHED_LEAST};
use crate::fanout::reader::Reader;
use crate::fanout::{Closed, Slow};
use crate::sse::{self, Framed};

/// The timers of one shard.
pub(super) struct Timers {
    pub(super) wheel: Wheel,
    /// Connections by the time their age is over; only those that have a limit.
    ages: Deadlines<Instant>,
    /// Connections by the time their grant is over, less a jitter; only those whose grant has an end.
    pub(super) ends: Deadlines<Millis>,
    /// Connections that are to end, by the time they are closed if they have not read on to it.
    pub(super) cuts: Deadlines<Instant>,
    /// Connections whose write side is shut, by the time they are closed whatever the peer does.
    shut: VecDeque<(Instant, ConnRef)>,
    drain: Option<Drain>,
    /// When those who stand still are looked for next.
    patrol: Instant,
    /// When pages that could not be read are asked for again.
    pub(super) reread: Option<Instant>,
}

/// Streams that are being ended, evenly over a window.
struct Drain {
    since: Instant,
    window: Duration,
    total: usize,
    left: Vec<ConnRef>,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wheel: Wheel::new(now),
            ages: Deadlines::default(),
            ends: Deadlines::default(),
            cuts: Deadlines::default(),
            shut: VecDeque::new(),
            drain: None,
            patrol: now,
            reread: None,
        }
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Instant {
        let mut due = self.wheel.due();
        for first in [self.ages.first(), self.cuts.first()] {
            due = first.map_or(due, |first| due.min(first));
        }
        due = self.reread.map_or(due, |reread| due.min(reread));
        if let Some((shut, _)) = self.shut.front() {
            due = due.min(*shut);
        }
        if self.drain.as_ref().is_some_and(|drain| !drain.left.is_empty()) {
            due = due.min(Instant::now() + DRAIN_STEP);
        }
        due
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    pub(super) fn push_shut(&mut self, at: Instant, conn: ConnRef) {
        self.shut.push_back((at, conn));
    }
}

impl Shard {
    /// Gives a new connection its age limit, jittered by a fifth so that streams opened together do not end together.
    pub(super) fn set_age(&mut self, key: Key) {
        let Some(age) = self.shared.settings.load().max_connection_age else { return };
        let age = age.mul_f64(0.8 + 0.4 * fastrand::f64());
        let (conn, conns) = (self.conn_ref(key), &self.conns);
        self.timers.ages.push(self.now + age, conn, conns.len(), |conn| conn.is_in(conns));
    }

    /// Does what is due.
    pub(super) fn on_timers(&mut self) {
        let interval = self.shared.settings.load().heartbeat;
        if let Some(keys) = self.timers.wheel.tick(self.now, interval) {
            self.beat_all(&keys);
        }
        if self.timers.reread.is_some_and(|due| due <= self.now) {
            self.timers.reread = None;
            self.read_again();
        }
        self.patrol();
        while let Some(conn) = self.timers.ages.pop(self.now) {
            if self.find(conn).is_some() {
                self.end(conn.key, Closed::Age);
            }
        }
        self.on_ends();
        self.on_cuts();
        while let Some(&(due, conn)) = self.timers.shut.front()
            && due <= self.now
        {
            self.timers.shut.pop_front();
            if self.find(conn).is_some() {
                self.forget(conn.key);
            }
        }
        self.on_drain();
    }

    /// Disconnects those who have stood still for longer than the settings allow, looking at everyone once a second: a
    /// deadline for each would be moved by every write.
    fn patrol(&mut self) {
        let Slow::Disconnect(limit) = self.shared.settings.load().slow else { return };
        // While the log can't be read, who waits for it is not slow.
        if self.now < self.timers.patrol || !self.behind.unread.is_empty() {
            return;
        }
        self.timers.patrol = self.now + PATROL;
        let (now, limit) = (self.seconds(), limit.as_secs().max(1));
        let still = |conn: &Conn| {
            matches!(conn.place, Place::Behind(_)) && u64::from(now.saturating_sub(conn.progressed)) > limit
        };
        let slow: Vec<Key> =
            self.conns.iter().filter(|(_, conn)| still(conn)).map(|(key, _)| key as Key).collect();
        for key in slow {
            self.close(key, Closed::Slow);
        }
    }

    /// One heartbeat of each of these connections.
    pub(super) fn beat_all(&mut self, keys: &[Key]) {
        let beat = Beat::new(self);
        let patience = (self.shared.settings.load().heartbeat * VANISHED_BEATS).max(VANISHED_LEAST);
        for &key in keys {
            if self.has_vanished(key, patience) {
                self.give_up(key);
            } else {
                self.beat(key, &beat);
            }
        }
    }

    /// Whether this connection's peer has been silent for longer than `patience` at two heartbeats in a row. It is asked
    /// here and not by `TCP_USER_TIMEOUT`, which would also end whoever stands still: see `net::silence`.
    fn has_vanished(&mut self, key: Key, patience: Duration) -> bool {
        let conn = &mut self.conns[key as usize];
        let silent = (self.shared.silence)(&conn.socket).is_some_and(|silence| silence > patience);
        let peer = if silent { Peer::Silent } else { Peer::There };
        let before = std::mem::replace(&mut conn.peer, peer);
        (before, peer) == (Peer::Silent, Peer::Silent) && !matches!(conn.place, Place::Shut)
    }

    /// Closes the connection of a peer that has vanished.
    fn give_up(&mut self, key: Key) {
        // Or the kernel would go on sending what is in its buffer. There is nobody whom a reset could take anything from.
        let _ = self.conns[key as usize].socket.set_linger(Some(Duration::ZERO));
        self.close(key, Closed::Vanished);
    }

    /// One heartbeat of one connection. Who stands at the head, where something moved since its last id, gets the id;
    /// everyone else a comment. Who is behind gets nothing: its socket is full, or its next events are on their way.
    fn beat(&mut self, key: Key, beat: &Beat) {
        let conn = &self.conns[key as usize];
        let group = match conn.place {
            Place::Member(_) | Place::Joiner => &self.groups[conn.group as usize].1,
            Place::Behind(_) => return self.wait_no_longer(key),
            Place::Fetching(_) | Place::Shut => return,
        };
        let news = group.is_idle() && conn.told.max(group.told) < self.live.at.position.sequence;
        let beats = group.subscription.beats;
        let said = beat.said(beats);
        // Who wants to see its beats sees in each of them where it stands, as long as that is the shard's own place.
        let id = news || (beats == Beats::Events && group.is_idle());
        let bytes = if id { &said.id } else { &said.life }.bytes(group.framing);
        match send(&conn.socket, &bytes) {
            Ok(sent) if sent == bytes.len() => {
                self.shared.metrics.delivered_bytes.inc_by(sent as u64);
                if news {
                    self.conns[key as usize].told = self.live.at.position.sequence;
                }
            }
            Ok(sent) => {
                let position = self.live_position(key);
                self.fall_behind(key, Reader::lagging(Cursor::new(self.live.at.epoch, position)));
                if sent > 0 {
                    // What has begun must be finished; a beat that has not begun is left out.
                    let rest = self.write_own(key, &bytes[sent..]);
                    debug_assert_ne!(rest, Sent::Gone, "the socket was just there");
                }
            }
            Err(_) => self.close(key, Closed::Error),
        }
    }

    /// Where a member or joiner stands: everything up to there, and nothing after it, has been written to it.
    pub(super) fn live_position(&self, key: Key) -> Position {
        let conn = &self.conns[key as usize];
        let (group, at) = (&self.groups[conn.group as usize].1, self.live.at.position);
        match conn.place {
            Place::Member(index) => group.position(index as usize, at),
            Place::Joiner => group.joiner_position(key).unwrap_or(at),
            Place::Behind(ref reader) | Place::Fetching(ref reader) => reader.position,
            Place::Shut => at,
        }
    }

    /// Begins to end all streams, evenly over `window`.
    pub(super) fn drain(&mut self, window: Duration) {
        let left: Vec<_> = self.conns.iter().map(|(key, _)| key as Key).collect();
        let left: Vec<_> = left.into_iter().map(|key| self.conn_ref(key)).collect();
        self.timers.drain = Some(Drain { since: self.now, window, total: left.len(), left });
    }

    fn on_drain(&mut self) {
        let Some(drain) = &mut self.timers.drain else { return };
        let elapsed = self.now.saturating_duration_since(drain.since);
        let (elapsed, window) = (elapsed.as_micros(), drain.window.as_micros().max(1));
        let ended = (drain.total as u128 * elapsed.min(window)).div_ceil(window) as usize;
        let keep = drain.total - ended;
        let due = drain.left.split_off(keep.min(drain.left.len()));
        for conn in due {
            if self.find(conn).is_some() {
                self.end(conn.key, Closed::Drain);
            }
        }
    }
}

/// What one tick writes, built once.
struct Beat {
    comments: Said,
    events: Said,
}

/// A beat that moves the subscriber's cursor, and one that is a sign of life alone.
struct Said {
    id: Framed,
    life: Framed,
}

impl Beat {
    fn new(shard: &Shard) -> Self {
        let framed = |id, beats| Framed::new(&sse::heartbeat(id, beats));
        let both = |beats| Said { id: framed(Some(shard.live.at), beats), life: framed(None, beats) };
        Self { comments: both(Beats::Comments), events: both(Beats::Events) }
    }

    fn said(&self, beats: Beats) -> &Said {
        match beats {
            Beats::Comments => &self.comments,
            Beats::Events => &self.events,
        }
    }
}
