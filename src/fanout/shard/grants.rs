//! What a connection's grant means for its life: it ends with it, by the wall clock, and it is judged again when a new round
//! has begun. Neither costs a delivery anything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Shard;
use super::conn::Place;
use super::group::Key;
use super::live::Sent;
use crate::event::Millis;
use crate::fanout::Closed;
use crate::fanout::judge::{Loses, Round, Sweep};
use crate::fanout::limits::{GRANT_LEAD, GRANT_LEAD_PART, JUDGE_TIME, LINGER};

/// The looks at all connections that are under way, one after the other.
#[derive(Default)]
pub(super) struct Judging(VecDeque<Going>);

/// One of them.
struct Going {
    sweep: Sweep,
    /// The key to look at next, and the one to stop before: whoever came later was judged when it came.
    next: Key,
    end: Key,
    ended: usize,
}

impl Judging {
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_empty()
    }
}

impl Shard {
    /// Why a new connection may not be opened after all. It was judged in round `judged`.
    pub(super) fn lost_meanwhile(&self, key: Key, judged: Round) -> Option<Closed> {
        let conn = &self.conns[key as usize];
        let grant = conn.granted.as_ref().map(|granted| &*granted.grant);
        if grant.and_then(|grant| grant.ends).is_some_and(|ends| ends <= self.shared.clock.now()) {
            return Some(Closed::Grant);
        }
        if judged == self.shared.round() {
            return None;
        }
        let wanted = &self.groups[conn.group as usize].1.subscription.selector;
        (!self.shared.grants(grant, wanted)).then_some(Closed::Revoked)
    }

    /// Answers a new connection with a stream that ends at once: whoever asks again hears why.
    pub(super) fn turn_away(&mut self, key: Key, head: &Bytes, reason: Closed) {
        if self.write_own(key, head) != Sent::Gone {
            self.lose(key, reason);
        }
    }

    /// Notes when a new connection's grant is over.
    pub(super) fn set_end(&mut self, key: Key) {
        let Some(ends) = self.conns[key as usize].granted.as_ref().and_then(|granted| granted.grant.ends)
        else {
            return;
        };
        let left = ends.0.saturating_sub(self.shared.clock.now().0);
        let due = Millis(ends.0 - lead(left));
        let (conn, conns) = (self.conn_ref(key), &self.conns);
        self.timers.ends.push(due, conn, conns.len(), |conn| conn.is_in(conns));
    }

    /// How long until the next grant is over; by the wall clock, which may be set while the other stands.
    pub(super) fn next_end(&self) -> Option<Duration> {
        let due = self.timers.ends.first()?;
        Some(Duration::from_millis(due.0.saturating_sub(self.shared.clock.now().0)))
    }

    /// Ends the connections whose grant is over.
    pub(super) fn on_ends(&mut self) {
        if self.timers.ends.first().is_none() {
            return;
        }
        let now = self.shared.clock.now();
        while let Some(conn) = self.timers.ends.pop(now) {
            if self.find(conn).is_some() {
                self.lose(conn.key, Closed::Grant);
            }
        }
    }

    /// Ends a connection that has lost its grant, cleanly if its socket takes that soon. It gets no more events in any case.
    fn lose(&mut self, key: Key, reason: Closed) {
        let conn = self.conn_ref(key);
        self.end(key, reason);
        let waits = |conn: &&mut super::Conn| conn.ending.is_some() && !matches!(conn.place, Place::Shut);
        let Some(found) = self.find(conn).filter(waits) else { return };
        let ends = found.granted.as_ref().and_then(|granted| granted.grant.ends);
        let left = ends.map(|ends| Duration::from_millis(ends.0.saturating_sub(self.shared.clock.now().0)));
        let patience = left.map_or(LINGER, |left| left.min(LINGER));
        self.cut_after(key, patience);
    }

    /// Begins to look at all connections of now.
    pub(super) fn judge(&mut self, sweep: Sweep) {
        let end = self.conns.capacity() as Key;
        self.judging.0.push_back(Going { sweep, next: 0, end, ended: 0 });
    }

    /// Judges some connections, for a bounded time, so that what is live does not wait for all of them.
    pub(super) fn judge_some(&mut self) {
        if self.judging.is_idle() {
            return;
        }
        let begun = Instant::now();
        while let Some(mut going) = self.judging.0.pop_front() {
            while going.next < going.end {
                let key = going.next;
                going.next += 1;
                if self.loses(key, &going.sweep.loses) {
                    self.lose(key, Closed::Revoked);
                    going.ended += 1;
                }
                // One is judged in any case, whatever else there is to do.
                if begun.elapsed() > JUDGE_TIME {
                    return self.judging.0.push_front(going);
                }
            }
            if going.ended > 0 {
                tracing::info!(
                    shard = self.index,
                    ended = going.ended,
                    "streams ended: they are not granted any more"
                );
            }
            // Whoever asked may have gone.
            let _ = going.sweep.answer.send(going.ended);
        }
    }

    fn loses(&self, key: Key, loses: &Loses) -> bool {
        let Some(conn) = self.conns.get(key as usize) else { return false };
        // One that is ending has had its last event, and the group of one that is over may be another's by now.
        if matches!(conn.place, Place::Shut) || conn.ending.is_some() {
            return false;
        }
        let grant = conn.granted.as_ref().map(|granted| &*granted.grant);
        match loses {
            Loses::Ungranted(judge) => {
                !judge(grant, &self.groups[conn.group as usize].1.subscription.selector)
            }
            Loses::Named(named) => grant.is_some_and(|grant| named(grant)),
        }
    }
}

/// How many milliseconds before its grant is over a stream ends that has `left` of it: those that were granted together
/// do not come back together, and there is time for what is half-written.
fn lead(left: u64) -> u64 {
    let most = (left / GRANT_LEAD_PART).min(GRANT_LEAD.as_millis() as u64);
    fastrand::u64(most / 2..=most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_before_its_grant_does_and_not_long_before() {
        for (left, most) in
            [(0, 0), (9, 0), (1000, 100), (60_000, 6000), (3_600_000, 30_000), (u64::MAX, 30_000)]
        {
            let leads: Vec<_> = (0..1000).map(|_| lead(left)).collect();
            assert!(leads.iter().all(|&lead| (most / 2..=most).contains(&lead)), "{left}");
            let spread = leads.iter().max().unwrap() - leads.iter().min().unwrap();
            assert!(spread >= most / 4, "{left}: not all at the same moment");
        }
    }
}
