//! One accepted connection.
//!
//! [`Conn`] is what the HTTP library reads from and writes to. Being our own it can do what the library's cannot:
//!
//! - it reads a request's whole head before the library is started, within [`super::Limits`]: slow, large or ambiguous heads
//!   are refused in one place, and an idle connection holds no buffer;
//! - it hands on exactly one request's bytes, and chunks only while they are framed as they must be. What a caller sends
//!   early (a pipelined request, a WebSocket's first frame) stays here for whoever is next;
//! - it keeps the deadline of its [`Control`];
//! - it can keep an answer's last chunk back, so that whoever takes it over goes on with the body;
//! - it can be had back ([`take_conn`]) and turned into a plain socket ([`Conn::into_socket`]).
//!
//! Its parts, in the order of a request: `request` takes the head in, `read` hands it on, `write` sends the answer;
//! `socket` is what lies below, `library` what the HTTP library asks besides.

mod library;
mod read;
mod request;
mod socket;
mod write;

use std::future::Future as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use bytes::BytesMut;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::{SocketDigest, UniqueID};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};

use self::socket::Io;
use self::write::Linger;
use super::chunks::{BadChunks, Chunks};
use super::control::Control;
use super::service::Slot;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP; an IPv4 address is one even where the listener is IPv6.
    Ip(SocketAddr),
    /// Over a unix socket.
    Unix,
}

impl Peer {
    /// The IP address, if there is one.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

/// One accepted connection. See the module's documentation.
#[derive(Debug)]
pub struct Conn {
    io: Io,
    peer: Peer,
    digest: Arc<SocketDigest>,
    /// Read from the socket, not yet handed on.
    unread: BytesMut,
    /// Bytes of this request still to be handed on, head included. What follows is kept.
    owed: u64,
    /// What of this request is chunked.
    chunked: Option<Chunked>,
    /// Written to us, not yet to the socket.
    unsent: BytesMut,
    /// Unsent bytes have survived one poll for reading.
    lingering: bool,
    control: Control,
    timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
    _slot: Slot,
}

/// A request with a chunked body, as far as it was handed on.
#[derive(Debug)]
struct Chunked {
    /// Bytes of the head that are left.
    head: usize,
    body: Chunks,
}

/// What ends a chunked body without trailers (RFC 9112, section 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// `owed` of a body whose end only its reader can tell.
const ENDLESS: u64 = u64::MAX - 1;
/// `owed` when there are no requests any more.
const OPEN: u64 = u64::MAX;

impl Conn {
    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr, slot: Slot) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        // Known from accept(2); asking for it lazily would be another system call.
        let _ = digest.peer_addr.set(Some(PingoraAddr::Inet(peer)));
        Self::new(Io::Tcp(stream), Peer::Ip(peer), digest, slot)
    }

    pub(super) fn unix(stream: UnixStream, slot: Slot) -> Self {
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        let _ = digest.peer_addr.set(None);
        Self::new(Io::Unix(stream), Peer::Unix, digest, slot)
    }

    fn new(io: Io, peer: Peer, digest: SocketDigest, slot: Slot) -> Self {
        Self {
            io,
            peer,
            digest: Arc::new(digest),
            unread: BytesMut::new(),
            owed: 0,
            chunked: None,
            unsent: BytesMut::new(),
            lingering: false,
            control: Control::default(),
            timer: None,
            linger: None,
            _slot: slot,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Makes what a PROXY header said the peer, here and for the HTTP library.
    pub(super) fn set_peer(&mut self, peer: Peer) {
        let digest = SocketDigest::from_raw_fd(self.id());
        let _ = digest.peer_addr.set(match peer {
            Peer::Ip(address) => Some(PingoraAddr::Inet(address)),
            Peer::Unix => None,
        });
        (self.peer, self.digest) = (peer, Arc::new(digest));
    }

    /// Whether bytes behind the request have come already: a pipelined request, or a protocol's first bytes.
    #[must_use]
    pub fn has_early_bytes(&self) -> bool {
        self.owed == 0 && !self.unread.is_empty()
    }

    /// What this connection is told by the application. Also in the session's connection context.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Gives the socket away: no longer registered with the runtime, still non-blocking. Bytes that came behind the
    /// request are dropped ([`Conn::has_early_bytes`]). It no longer counts against its listener's cap.
    ///
    /// # Errors
    /// When written bytes were not flushed, or the socket can't be deregistered; then it is closed.
    pub fn into_socket(self) -> io::Result<socket2::Socket> {
        if !self.unsent.is_empty() {
            return Err(io::Error::other("unflushed bytes"));
        }
        match self.io {
            Io::Tcp(stream) => stream.into_std().map(Into::into),
            Io::Unix(stream) => stream.into_std().map(Into::into),
        }
    }

    /// Takes back the last chunk of an answer's body, which was written and kept ([`Control::keep_last_chunk`]): the body
    /// goes on, and its next last chunk is sent. False, and nothing is changed, when anything else is unsent; what was said to the caller is then not known.
    #[must_use]
    pub fn take_back_last_chunk(&mut self) -> bool {
        let kept = self.unsent[..] == LAST_CHUNK[..];
        if kept {
            self.unsent = BytesMut::new();
            self.control.let_last_chunk_go();
        }
        kept
    }

    /// From now on all bytes of the caller are handed on as they come, those that came early first.
    pub fn open(&mut self) {
        (self.owed, self.chunked) = (OPEN, None);
    }

    /// Fails when the deadline has passed; otherwise wakes the task when it does.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(at) = self.control.at() {
            if self.control.fire(Instant::now()).is_some() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Set lazily: it is moved only when it fires, or must fire earlier than it would.
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.is_elapsed() || timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
        }
        Ok(())
    }
}

/// Takes the connection out of a session, which is left with an empty one: the caller answers on it, and must not touch
/// the session's request afterwards. `None`, and the session is as it was, when it is not on a [`Conn`].
#[must_use]
pub fn take_conn(session: &mut ServerSession) -> Option<Box<Conn>> {
    session.stream()?.as_any().downcast_ref::<Conn>()?;
    let empty = ServerSession::new_http1(Box::new(io::Cursor::new(Vec::new())));
    match std::mem::replace(session, empty) {
        ServerSession::H1(h1) => h1.into_inner().into_any().downcast().ok(),
        _ => None,
    }
}

/// Whether the HTTP library's error comes of a body that was not handed on any further, since its chunks are broken.
pub(crate) fn has_bad_chunks(error: &pingora::Error) -> bool {
    let error = error.root_cause().downcast_ref::<io::Error>();
    error.and_then(io::Error::get_ref).and_then(|cause| cause.downcast_ref::<BadChunks>()).is_some()
}
