//! What a shard tells of its connections, and ends by order, for the admin API.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Shard;
use super::conn::{ConnRef, Place};
use super::group::Key;
use crate::fanout::Closed;
use crate::fanout::command::{ListRequest, Listed, ListedPage, Outcome};
use crate::fanout::limits::LISTED_SLOTS;
use crate::fanout::list::ConnId;

impl Shard {
    /// Answers a page of this shard's connections, in the order of their keys. It looks at a bounded number of them, so a
    /// page may be empty and yet not be the last.
    pub(super) fn list(&mut self, request: ListRequest) {
        let ListRequest { from, limit, only, answer } = request;
        // Judged once per group, not per connection.
        let listening: Option<HashSet<u32>> = only.topic.map(|topic| self.routes.of(&topic).collect());
        let (mut connections, mut next) = (Vec::new(), None);
        for key in from..self.conns.capacity() as Key {
            if connections.len() == limit || key - from == LISTED_SLOTS as Key {
                next = Some(key);
                break;
            }
            let Some(conn) = self.conns.get(key as usize) else { continue };
            // First of all: one that lingers is over, and its group may be gone, or be another's by now.
            if matches!(conn.place, Place::Shut) {
                continue;
            }
            let subscription = &self.groups[conn.group as usize].1.subscription;
            if listening.as_ref().is_some_and(|groups| !groups.contains(&conn.group)) {
                continue;
            }
            let subject = conn.granted.as_ref().and_then(|granted| granted.grant.subject.as_ref());
            if only.subject.is_some() && only.subject.as_ref() != subject {
                continue;
            }
            let age = self.seconds().saturating_sub(conn.opened);
            let lag = self.live.at.position.sequence.saturating_sub(self.live_position(key).sequence);
            connections.push(Listed {
                id: ConnId { shard: self.index as u32, conn: self.conn_ref(key) },
                remote: conn.remote,
                subject: subject.cloned(),
                selector: subscription.selector.clone(),
                age: Duration::from_secs(age.into()),
                lag,
            });
        }
        // Whoever asked may have gone.
        let _ = answer.send(ListedPage { connections, next });
    }

    /// Ends one stream, cleanly.
    pub(super) fn end_asked(&mut self, conn: ConnRef, answer: oneshot::Sender<Outcome>) {
        let there = self.find(conn).is_some_and(|conn| !matches!(conn.place, Place::Shut));
        if there {
            self.end(conn.key, Closed::Asked);
        }
        let _ = answer.send(if there { Outcome::Done } else { Outcome::Unknown });
    }
}
