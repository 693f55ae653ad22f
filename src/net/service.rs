//! The accept loop of one listener, as a pingora service.
//!
//! It bounds what pingora does not: connections (so that one listener can't take another's descriptors), a head's bytes
//! and time, and what a drain leaves open.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::server::{ListenFds, ShutdownWatch};
use prometheus::IntCounter;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::address::Address;
use super::conn::Conn;
use super::control::Control;
use super::head::MAX_HEAD;
use super::listener::Listener;
use super::proxy_protocol::{Proxied, ProxyProtocol};
use super::refusal::Refusal;
use crate::lifecycle::{Lifecycle, Phase};

/// How long a request's head may take from its first byte. Nobody types by hand for longer.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle before a request's first byte. Longer than the 60 s that load balancers and proxies
/// in front usually keep theirs, so that it is they who close, and no request meets a closing connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a request's body may pause.
const BODY_READ_TIMEOUT: Duration = Duration::from_mins(1);
/// How long to wait for a descriptor when there was none: short for people, long for a processor.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a listener takes of each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a head's first byte to its end; then 408.
    pub head: Duration,
    /// Before a head's first byte; then closed.
    pub idle: Duration,
    /// Bytes of a head; then 431.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: HEAD_TIMEOUT, idle: IDLE_TIMEOUT, head_bytes: MAX_HEAD }
    }
}

/// How a [`Service`] runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, in logs and thread names.
    pub name: &'static str,
    /// Threads of its runtime.
    pub threads: usize,
    /// Open connections at most; more wait in the kernel's queue.
    pub connections: usize,
    /// Per connection.
    pub limits: Limits,
}

/// Accepts on a [`Listener`] and lets `app` answer.
///
/// Stops accepting when pingora says so; connections that are open then have pingora's grace. From [`Phase::Draining`]
/// on connections end after their answer, idle ones at once and new ones that say nothing after a second; at
/// [`Phase::Ending`] those end whose application said so ([`Control::end_with_drain`]). An application finds the
/// [`Control`] in the session's connection context.
pub struct Service<A> {
    settings: Settings,
    listener: Listener,
    app: Arc<A>,
    lifecycle: Lifecycle,
    slots: Arc<Semaphore>,
    open: Open,
    proxied: Proxied,
    refused: Told,
}

/// Called with each head that is refused before the application sees it. Quick: its answer waits for it.
type Told = Arc<dyn Fn(Refusal) + Send + Sync>;

impl<A> Service<A> {
    /// Nothing is accepted until pingora starts it.
    #[must_use]
    pub fn new(settings: Settings, listener: Listener, app: Arc<A>, lifecycle: Lifecycle) -> Self {
        let slots = Arc::new(Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            settings,
            listener,
            app,
            lifecycle,
            slots,
            open: Open::default(),
            proxied: Proxied::default(),
            refused: Arc::new(|_| {}),
        }
    }

    /// Tells `told` of each head that is refused before the application sees it, ahead of its answer.
    #[must_use]
    pub fn with_refused(mut self, told: impl Fn(Refusal) + Send + Sync + 'static) -> Self {
        self.refused = Arc::new(told);
        self
    }

    /// Whether its connections begin with a PROXY header, and what counts those that should and do not.
    #[must_use]
    pub fn with_proxy_protocol(mut self, policy: ProxyProtocol, errors: IntCounter) -> Self {
        self.proxied = Proxied::new(policy, errors);
        self
    }

    /// The count of its open connections. Clones are one.
    #[must_use]
    pub fn open(&self) -> Open {
        self.open.clone()
    }
}

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub struct Open(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    open: AtomicUsize,
    none: Notify,
}

impl Open {
    /// Now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.open.load(Ordering::Acquire)
    }

    /// Waits until there is none.
    pub async fn none(&self) {
        loop {
            let none = self.0.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// One open connection's place under its listener's cap; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    open: Open,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, open: &Open) -> Self {
        open.0.open.fetch_add(1, Ordering::AcqRel);
        Self { open: open.clone(), _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.open.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.open.0.none.notify_waiters();
        }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> pingora::services::Service for Service<A> {
    async fn start_service(&mut self, _fds: Option<ListenFds>, shutdown: ShutdownWatch, _per_fd: usize) {
        match Acceptor::new(&self.listener) {
            Ok(acceptor) => self.accept(&acceptor, shutdown).await,
            Err(error) => tracing::error!(service = self.settings.name, %error, "can't accept"),
        }
        self.app.http_cleanup().await;
    }

    fn name(&self) -> &str {
        self.settings.name
    }

    fn threads(&self) -> Option<usize> {
        Some(self.settings.threads)
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Service<A> {
    async fn accept(&self, acceptor: &Acceptor, mut shutdown: ShutdownWatch) {
        let mut exhausted = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept_one(acceptor) => accepted,
                _ = shutdown.wait_for(|down| *down) => return,
            };
            match accepted {
                Ok(conn) => {
                    exhausted = false;
                    let served = serve(
                        conn,
                        Arc::clone(&self.app),
                        self.settings.limits,
                        self.lifecycle.clone(),
                        shutdown.clone(),
                        self.proxied.clone(),
                        Arc::clone(&self.refused),
                    );
                    tokio::spawn(served);
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => {
                    // Said once, not for every attempt; the connection stays in the kernel's queue.
                    if !std::mem::replace(&mut exhausted, true) {
                        tracing::warn!(service = self.settings.name, %error, "can't accept for now");
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    async fn accept_one(&self, acceptor: &Acceptor) -> io::Result<Conn> {
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
        match acceptor {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Conn::tcp(stream, peer, Slot::new(permit, &self.open)))
            }
            Acceptor::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Conn::unix(stream, Slot::new(permit, &self.open)))
            }
        }
    }
}

/// The caller was gone before it was accepted: nothing is wrong with us.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(listener: &Listener) -> io::Result<Self> {
        let socket = listener.socket()?;
        match listener.local() {
            Address::Tcp { .. } => TcpListener::from_std(socket.into()).map(Self::Tcp),
            Address::Unix(_) => UnixListener::from_std(socket.into()).map(Self::Unix),
        }
    }
}

/// How long a drain waits for the first bytes of a new connection, whether it comes before or during the drain: they may
/// be on their way, and who sent them is to hear that it is too late rather than nothing. One that has had an answer gets
/// no such time: it may try again safely (RFC 9112 §9.3.1).
const FIRST_BYTES: Duration = Duration::from_secs(1);

/// Serves one connection, request by request.
async fn serve<A: HttpServerApp + Send + Sync + 'static>(
    conn: Conn,
    app: Arc<A>,
    limits: Limits,
    lifecycle: Lifecycle,
    shutdown: ShutdownWatch,
    proxied: Proxied,
    refused: Told,
) {
    let mut conn = Box::new(conn);
    let mut grace = FIRST_BYTES;
    let end = async |grace| {
        lifecycle.reached(Phase::Draining).await;
        tokio::time::sleep(grace).await;
    };
    if !proxied.introduced(&mut conn, limits.head, end(grace)).await {
        return;
    }
    loop {
        match conn.next_request(&limits, end(grace)).await {
            Ok(true) => grace = Duration::ZERO,
            Ok(false) => return,
            Err(refusal) => {
                tracing::debug!(peer = ?conn.peer(), %refusal, "refused");
                refused(refusal);
                return conn.refuse(refusal, &limits).await;
            }
        }
        let control = conn.control();
        let mut session = ServerSession::new_http1(conn);
        session.set_read_timeout(Some(BODY_READ_TIMEOUT));
        if lifecycle.phase() >= Phase::Draining || *shutdown.borrow() {
            // Reading the request sets keep-alive anew; the number of reuses is what lasts.
            session.set_keepalive_reuses_remaining(Some(0));
        }
        session.set_connection_user_context(Some(Box::new(control.clone())));
        let served = tokio::select! {
            biased;
            served = app.process_new_http(session, &shutdown) => served,
            () = end_of_streams(&lifecycle, &control) => return,
            () = control.overdue() => return tracing::debug!("closed: its deadline passed unnoticed"),
        };
        let Some(reused) = served else { return };
        match reused.consume().0.into_any().downcast() {
            Ok(same) => conn = same,
            Err(_) => return,
        }
    }
}

async fn end_of_streams(lifecycle: &Lifecycle, control: &Control) {
    lifecycle.reached(Phase::Ending).await;
    if !control.ends_with_drain() {
        std::future::pending::<()>().await;
    }
}
