//! What a shard is told from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::Socket;

use super::batch::Placed;
use super::reader::Start;
use crate::event::{Epoch, Position, Selector};
use crate::log::Coverage;
use crate::sse::Framing;

/// A subscriber whose request was admitted: from here on its socket belongs to a shard.
pub struct Admission {
    /// Non-blocking, and no longer registered anywhere.
    pub socket: Socket,
    /// The subscriber's address; none on a unix socket.
    pub peer: Option<SocketAddr>,
    /// What it listens to.
    pub selector: Selector,
    /// How the body is framed.
    pub framing: Framing,
    /// The response's head, up to and including the empty line.
    pub head: Bytes,
    /// The name of the topic rule it is counted under.
    pub rule: Arc<str>,
}

/// A page of history, already framed.
pub struct Fetched {
    /// What was found, in order.
    pub frames: Vec<Placed>,
    /// How far was looked.
    pub next: Position,
    /// What is known of losses.
    pub coverage: Coverage,
}

/// Which page a shard asked for: one of its groups, by serial number, and the place to read after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// The group's serial number; never used twice.
    pub group: u64,
    /// The epoch the position is in.
    pub epoch: Epoch,
    /// Resets that the shard has seen. Within one epoch, too, a page from before a reset is none for after it.
    pub resets: u64,
    /// Read after this.
    pub after: Position,
}

/// A shard's inbox.
pub enum Command {
    /// A new subscriber, and where it begins.
    Admit(Box<Admission>, Start),
    /// A page came, or could not be read now.
    Page(PageKey, Option<Fetched>),
    /// End all streams, evenly over this time.
    Drain(Duration),
    /// For tests: misbehave.
    Fault(Fault),
}

/// How a test makes a shard misbehave.
pub enum Fault {
    /// Panic.
    Panic,
    /// Stand still until the sender is dropped.
    Stall(std::sync::mpsc::Receiver<()>),
}
