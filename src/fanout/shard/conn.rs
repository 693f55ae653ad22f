//! One connection: a socket, its place, and the rest of a half-written frame. It has no queue, so its cost does not grow
//! with its lag.

use std::net::SocketAddr;
use std::sync::Arc;

use slab::Slab;
use socket2::Socket;

use super::group::Key;
use crate::auth::Grant;
use crate::fanout::batch::Rest;
use crate::fanout::holders::Held;
use crate::fanout::limits::BATCH_BYTES;
use crate::fanout::metrics::Closed;
use crate::fanout::reader::Reader;
use crate::network::Network;

/// Where a connection stands.
pub enum Place {
    /// At the live end: the member of its group with this index.
    Member(u32),
    /// At the live end, until what is pending before its place has been written to the others.
    Joiner,
    /// Behind (or new), and about to go on.
    Behind(Box<Reader>),
    /// Behind, and waiting for a page of history.
    Fetching(Box<Reader>),
    /// Its write side is shut; whatever it still sends is drained, so that no reset overtakes the last chunk.
    Shut,
}

impl Place {
    /// The reader, while it is not at the live end.
    pub fn reader(&self) -> Option<&Reader> {
        match self {
            Self::Behind(reader) | Self::Fetching(reader) => Some(reader),
            Self::Member(_) | Self::Joiner | Self::Shut => None,
        }
    }

    /// As [`Place::reader`].
    pub fn reader_mut(&mut self) -> Option<&mut Reader> {
        match self {
            Self::Behind(reader) | Self::Fetching(reader) => Some(reader),
            Self::Member(_) | Self::Joiner | Self::Shut => None,
        }
    }

    /// One who is behind waits for a page. False when it is not behind.
    pub fn start_fetching(&mut self) -> bool {
        self.exchange(|place| match place {
            Self::Behind(reader) => Ok(Self::Fetching(reader)),
            other => Err(other),
        })
    }

    /// One who waits for a page is behind again. False when it does not wait for one.
    pub fn stop_fetching(&mut self) -> bool {
        self.exchange(|place| match place {
            Self::Fetching(reader) => Ok(Self::Behind(reader)),
            other => Err(other),
        })
    }

    /// Puts another place here, made of this one, unless that is refused. A reader can only be moved out of one place into
    /// another by way of a third.
    fn exchange(&mut self, change: impl FnOnce(Self) -> Result<Self, Self>) -> bool {
        let changed = change(std::mem::replace(self, Self::Shut));
        let done = changed.is_ok();
        *self = changed.unwrap_or_else(|same| same);
        done
    }
}

/// See the module's documentation. Kept small: there is one for each subscriber.
pub struct Conn {
    pub socket: Socket,
    /// Who listens, behind whatever proxies are trusted; none on a unix socket. Port 0 where only the address is known.
    pub remote: Option<SocketAddr>,
    /// Counts it under its address, while that is limited.
    #[expect(dead_code, reason = "held for its drop")]
    pub held: Option<Held<Network>>,
    /// Why it may listen; none where everybody may, which costs the pointer alone.
    pub granted: Option<Box<Granted>>,
    /// When it was opened, in seconds since the fan-out's start.
    pub opened: u32,
    /// When it last had all of a batch, or as many bytes in parts, or stood at the live end, in the same seconds. Kept while
    /// it is behind.
    pub progressed: u32,
    /// Bytes that its socket has taken since then.
    pub taken: u32,
    pub place: Place,
    /// Key of its group.
    pub group: u32,
    /// Tells this connection from earlier ones with the same key.
    pub generation: u32,
    /// Its slot in the heartbeat wheel, and its index there.
    pub beat: (u32, u32),
    /// The sequence number of the last id it was told by itself rather than by an event.
    pub told: u64,
    /// The unsent rest of a frame. While there is one, nothing else is written.
    pub rest: Option<Box<Rest>>,
    /// What becomes of it once the rest is written.
    pub ending: Option<Ending>,
    /// In the queue of connections that can go on.
    pub queued: Queued,
    /// What its last heartbeat found of its peer.
    pub peer: Peer,
}

/// Why a connection may listen.
pub struct Granted {
    pub grant: Arc<Grant>,
    /// Counts it under its subject, while that is limited.
    #[expect(dead_code, reason = "held for its drop")]
    pub held: Option<Held<Arc<str>>>,
}

impl Conn {
    /// It stands at the live end, or has all there was for it.
    pub fn progress(&mut self, now: u32) {
        (self.progressed, self.taken) = (now, 0);
    }

    /// Its socket has taken a part of what there was for it: a small one never takes a whole batch at once.
    pub fn take(&mut self, bytes: usize, now: u32) {
        self.taken = self.taken.saturating_add(bytes as u32);
        if self.taken as usize >= BATCH_BYTES {
            self.progress(now);
        }
    }
}

/// What a connection is to do after its half-written rest, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Say farewell, then shut the write side.
    Farewell(Closed),
    /// Shut the write side: the rest is the farewell's.
    Shut(Closed),
}

/// Whether a connection is in the shard's queue of those that can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    Yes,
    No,
}

/// What a heartbeat finds of a connection's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It acknowledges what it gets.
    There,
    /// It has been silent for too long. At the next heartbeat, too, and it has vanished: a single look can't tell an
    /// acknowledgement that is lost from one that is on its way.
    Silent,
}

/// A reference that a later connection with the same key does not answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnRef {
    pub key: Key,
    pub generation: u32,
}

impl ConnRef {
    /// Whether it is there.
    pub fn is_in(self, conns: &Slab<Conn>) -> bool {
        conns.get(self.key as usize).is_some_and(|found| found.generation == self.generation)
    }
}

// One of these for each of 100,000 subscribers: a field more is 100 KB more for each 8 bytes.
const _: () = assert!(size_of::<Conn>() <= 144);
