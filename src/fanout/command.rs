//! What a shard is told from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::Socket;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::batch::Placed;
use super::holders::Held;
use super::judge::{Round, Sweep};
use super::list::ConnId;
use super::reader::Start;
use super::shard::ConnRef;
use crate::auth::Grant;
use crate::event::{Epoch, Position, Selector, Subscription, Topic};
use crate::log::Coverage;
use crate::network::Network;
use crate::sse::Framing;

/// A subscriber whose request was admitted: from here on its socket belongs to a shard.
pub struct Admission {
    /// Non-blocking, and no longer registered anywhere.
    pub socket: Socket,
    /// Who listens, behind whatever proxies are trusted; none on a unix socket. Port 0 where only the address is known.
    pub remote: Option<SocketAddr>,
    /// How the body is framed.
    pub framing: Framing,
    /// What goes before the stream's first block: the response's head, up to and including the empty line; or whatever a
    /// response that has begun already still lacks, framed, and that may be nothing.
    pub head: Bytes,
    /// The name of the topic rule it is counted under.
    pub rule: Arc<str>,
    /// Why it may listen; none where everybody may.
    pub grant: Option<Arc<Grant>>,
    /// What [`Fanout::round`](super::Fanout::round) was before that was judged.
    pub judged: Round,
}

/// A subscriber on its way to its shard.
pub struct Admit {
    /// Its socket, and how it is answered.
    pub admission: Admission,
    /// What it listens to; in the interest map already.
    pub subscription: Arc<Subscription>,
    /// What counts it.
    pub held: Counted,
    /// Where it begins.
    pub start: Start,
}

/// Counts a stream under whoever is limited, until it is dropped.
#[derive(Debug, Default)]
pub struct Counted {
    /// Under its address, while that is limited.
    pub address: Option<Held<Network>>,
    /// Under its subject, while that is limited.
    pub subject: Option<Held<Arc<str>>>,
}

/// A page of history, already framed.
pub struct Fetched {
    /// What was found, in order.
    pub frames: Vec<Placed>,
    /// How far was looked.
    pub next: Position,
    /// What is known of losses.
    pub coverage: Coverage,
    /// Its place among the pages that a shard may have; free again when the page is dropped.
    #[expect(dead_code, reason = "held for its drop")]
    pub room: OwnedSemaphorePermit,
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
    /// Purges that the shard has seen: a page from before one may hold what is gone.
    pub purges: u64,
    /// Read after this.
    pub after: Position,
}

/// A shard's inbox.
pub enum Command {
    /// A new subscriber.
    Admit(Box<Admit>),
    /// A page came, or could not be read now.
    Page(PageKey, Option<Fetched>),
    /// End all streams, evenly over this time.
    Drain(Duration),
    /// Tell of connections.
    List(ListRequest),
    /// End one stream, cleanly.
    End(ConnRef, oneshot::Sender<Outcome>),
    /// Judge streams again.
    Judge(Sweep),
    /// Something was purged from history: use no page from before. Answered when none is used any more.
    Purged(oneshot::Sender<()>),
    /// For tests: misbehave.
    Fault(Fault),
}

/// Which of its connections a shard is to tell of.
pub struct ListRequest {
    /// The first key to look at.
    pub from: u32,
    /// Connections at most.
    pub limit: usize,
    /// Which of them.
    pub only: ListOnly,
    /// Where the page goes.
    pub answer: oneshot::Sender<ListedPage>,
}

/// What a list of connections is narrowed to; all that is none is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOnly {
    /// Those that listen to this topic.
    pub topic: Option<Topic>,
    /// Those of this subject.
    pub subject: Option<Arc<str>>,
}

/// A page of a shard's connections.
pub struct ListedPage {
    /// In the order of their keys.
    pub connections: Vec<Listed>,
    /// The key to go on from; none when there are no more.
    pub next: Option<u32>,
}

/// What is told of one connection.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name in the API: shard, key and generation.
    pub id: ConnId,
    /// Who listens; none on a unix socket. Port 0 where only the address is known.
    pub remote: Option<SocketAddr>,
    /// Whom its token is about; none where there is no token, or it does not say.
    pub subject: Option<Arc<str>>,
    /// To what.
    pub selector: Selector,
    /// Since when, to the second.
    pub age: Duration,
    /// Deliveries in the log, over all topics, that it has not been brought past yet; 0 at the live end.
    pub lag: u64,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// There is no such stream (any more).
    Unknown,
}

/// How a test makes a shard misbehave.
pub enum Fault {
    /// Panic.
    Panic,
    /// Stand still until the sender is dropped.
    Stall(std::sync::mpsc::Receiver<()>),
}
