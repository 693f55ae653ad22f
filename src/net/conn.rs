//! One accepted connection.
//!
//! [`Conn`] is what the HTTP library reads from and writes to. Being our own it can do what the library's cannot:
//!
//! - it reads a request's whole head before the library is started, within [`Limits`]: slow, large or ambiguous heads
//!   are refused in one place, and an idle connection holds no buffer;
//! - it hands on exactly one request's bytes. What a caller sends early (a pipelined request, a WebSocket's first frame)
//!   stays here for whoever is next;
//! - it keeps the deadline of its [`Control`];
//! - it can be had back ([`take_conn`]) and turned into a plain socket ([`Conn::into_socket`]).

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::control::Control;
use super::head::{self, Framing};
use super::refusal::Refusal;
use super::service::{Limits, Slot};

/// Bytes of small writes that are put together: one full TCP segment on Ethernet.
const WRITE_BUFFER: usize = 1460;
/// Bytes that are read at a time while a head is incomplete.
const HEAD_READ: usize = 4096;
/// Bytes of the next request that are taken in early, at most. More stay in the kernel.
const STASH: usize = 1024;
/// How long and how much is read away at the end, so that a reset for unread bytes does not overtake the answer.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 1 << 20;

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
    /// Written to us, not yet to the socket.
    unsent: BytesMut,
    /// Unsent bytes have survived one poll for reading.
    lingering: bool,
    control: Control,
    timer: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
    _slot: Slot,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// `owed` of a body whose end only its reader can tell.
const ENDLESS: u64 = u64::MAX - 1;
/// `owed` when there are no requests any more.
const OPEN: u64 = u64::MAX;

/// Reading away what still comes after the end was sent.
#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

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

    /// What was read and not yet handed on.
    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Drops the first bytes of it.
    pub(super) fn drop_unread(&mut self, bytes: usize) {
        self.unread.advance(bytes);
    }

    /// Reads more of it; 0 when the caller has ended.
    pub(super) async fn read_more(&mut self) -> io::Result<usize> {
        self.unread.reserve(HEAD_READ);
        self.io.read(&mut self.unread).await
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

    /// From now on all bytes of the caller are handed on as they come, those that came early first.
    pub fn open(&mut self) {
        self.owed = OPEN;
    }

    /// Takes back bytes that were handed on beyond the request's end, to be read before all others.
    pub(super) fn put_back(&mut self, mut bytes: BytesMut) {
        bytes.unsplit(std::mem::take(&mut self.unread));
        self.unread = bytes;
    }

    /// Waits for the next request's head and checks it. True: it is there, and reads begin with it. False: the caller is
    /// gone, was idle for too long, or `stop` came before its first byte.
    pub(super) async fn next_request(
        &mut self,
        limits: &Limits,
        stop: impl Future<Output = ()>,
    ) -> Result<bool, Refusal> {
        self.control.reset();
        if self.unread.is_empty() {
            // While it waits, which may be long, it holds no buffer.
            (self.unread, self.unsent, self.timer) = (BytesMut::new(), BytesMut::new(), None);
            tokio::select! {
                biased;
                read = timeout(limits.idle, self.first_bytes()) => match read {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0) | Err(_)) | Err(_) => return Ok(false),
                },
                () = stop => return Ok(false),
            }
        }
        let due = Instant::now() + limits.head;
        match timeout_at(due, self.read_head(limits.head_bytes)).await {
            Ok(whole) => whole,
            Err(_) if self.unread.is_empty() => Ok(false),
            Err(_) => Err(Refusal::Slow),
        }
    }

    /// Waits until something has come. Readiness alone says little: the runtime takes every accepted connection for
    /// readable until a read has shown otherwise. The read is one that tells the runtime when it has taken all there is,
    /// which spares the next request a read in vain.
    async fn first_bytes(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            ready!(self.io.poll_read_ready(cx))?;
            self.unread.reserve(HEAD_READ);
            let read = pin!(self.io.read(&mut self.unread)).poll(cx);
            if read.is_pending() {
                self.unread = BytesMut::new();
            }
            read
        })
        .await
    }

    async fn read_head(&mut self, limit: usize) -> Result<bool, Refusal> {
        let mut looked = 0;
        loop {
            // RFC 9112 §2.2: an empty line before the request line is ignored.
            let blank = self.unread.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if looked == 0 {
                self.unread.advance(blank);
            }
            let end = head::end(&self.unread, looked);
            if end.unwrap_or(self.unread.len()) > limit {
                return Err(Refusal::TooLarge);
            }
            if let Some(end) = end {
                self.owed = match head::check(&self.unread[..end])? {
                    Framing::Length(length) => end as u64 + length,
                    Framing::Chunked => ENDLESS,
                };
                return Ok(true);
            }
            looked = self.unread.len().saturating_sub(3);
            self.unread.reserve(HEAD_READ);
            match self.io.read(&mut self.unread).await {
                Ok(0) | Err(_) => return Ok(false),
                Ok(_) => {}
            }
        }
    }

    /// Answers what was no acceptable request, and ends the connection.
    pub(super) async fn refuse(&mut self, refusal: Refusal, limits: &Limits) {
        // One that does not read its refusal must not hold its place for longer than one that sends nothing.
        let _ = timeout(limits.head, async {
            self.write_all(&refusal.answer()).await?;
            self.owed = ENDLESS;
            AsyncWriteExt::shutdown(self).await
        })
        .await;
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

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.unsent.advance(sent),
            }
            self.control.touch();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is buffered when the application has turned to waiting: it is not followed by more soon. The first time
    /// the task is only woken once more, since a body usually follows its head in the same breath.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        if self.lingering {
            if let Poll::Ready(sent) = self.poll_send(cx) {
                sent?;
            }
        } else {
            self.lingering = true;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Takes in what comes behind the request, so that the caller's going is noticed, up to [`STASH`] bytes.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.unread.is_empty() {
                return Poll::Pending;
            }
            ready!(self.io.poll_read_ready(cx))?;
            self.unread.reserve(STASH);
            match self.io.try_read(&mut self.unread) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => self.control.touch(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads away what comes, until the caller ends, or [`LINGER`] or [`LINGER_BYTES`] are over.
    fn poll_waste(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep_until(Instant::now() + LINGER)),
            bytes: LINGER_BYTES,
        });
        let mut waste = [0; HEAD_READ];
        while linger.bytes > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => break,
                read => linger.bytes = linger.bytes.saturating_sub(read),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_fresh(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = Pin::new(&mut self.io);
        let before = buf.filled().len();
        if self.owed >= buf.remaining() as u64 {
            ready!(io.poll_read(cx, buf))?;
        } else {
            let mut rest = ReadBuf::new(buf.initialize_unfilled_to(self.owed as usize));
            ready!(io.poll_read(cx, &mut rest))?;
            let read = rest.filled().len();
            buf.advance(read);
        }
        self.handed(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    fn handed(&mut self, bytes: usize) {
        if self.owed < ENDLESS {
            self.owed -= bytes as u64;
        }
        if bytes > 0 {
            self.control.touch();
        }
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

impl AsyncRead for Conn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.poll_linger(cx)?;
        if this.owed == 0 {
            return this.poll_early(cx);
        }
        if this.unread.is_empty() {
            return this.poll_fresh(cx, buf);
        }
        let owed = usize::try_from(this.owed).unwrap_or(usize::MAX);
        let count = this.unread.len().min(owed).min(buf.remaining());
        buf.put_slice(&this.unread.split_to(count));
        if this.unread.is_empty() {
            this.unread = BytesMut::new();
        }
        this.handed(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Conn {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.lingering = false;
        if this.unsent.len() + bytes.len() > WRITE_BUFFER {
            ready!(this.poll_send(cx))?;
        }
        if bytes.len() < WRITE_BUFFER {
            this.unsent.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let sent = ready!(Pin::new(&mut this.io).poll_write(cx, bytes))?;
        this.control.touch();
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.poll_send(cx)
    }

    /// Sends what is left and the end of the stream. When the request was not read whole, what still comes is read away
    /// for a while: closing over unread bytes makes the kernel send a reset, which can overtake the answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(this.poll_send(cx))?;
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            let read_whole = this.owed == 0 && this.unread.is_empty();
            if read_whole || this.owed == OPEN {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_waste(cx)
    }
}

#[async_trait]
impl Shutdown for Conn {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl Io {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    fn try_read(&self, buf: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buf),
            Self::Unix(stream) => stream.try_read_buf(buf),
        }
    }

    async fn read(&mut self, buf: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_buf(buf).await,
            Self::Unix(stream) => stream.read_buf(buf).await,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl UniqueID for Conn {
    fn id(&self) -> i32 {
        match &self.io {
            Io::Tcp(stream) => stream.as_raw_fd(),
            Io::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl GetSocketDigest for Conn {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetProxyDigest for Conn {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetTimingDigest for Conn {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl Ssl for Conn {}

impl Peek for Conn {}
