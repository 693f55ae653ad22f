//! One attempt: a connection to the app, the request, the answer.
//!
//! Connections are kept and used again. One that the app has closed in the meantime is usually found out before it is used;
//! when not, the request fails, and whether it may be sent once more at once depends on whether the app can have taken it.
//! It can't when not even all of it was handed to the system: a request without its last byte is none. Then, and only then,
//! it goes out again on a new connection. When it was handed over whole, the app may have taken it and have ended before its
//! answer: that is the caller's to decide (a sender that waits is told, a queue tries again).

use std::sync::OnceLock;

use http::StatusCode;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use pingora::{Error, ErrorType, Result};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::error::RelayError;
use super::reply::{Extent, Reply};
use super::settings::Plan;
use super::webhook::Outgoing;
use crate::net::http::Reuse;
use crate::net::upstream::{App, POOL_IDLE, Resolver};
use crate::net::{Roots, UpstreamTimeouts};

/// The connections to all apps.
pub(super) struct Connections {
    /// Made when first needed: it reads the system's certificates.
    connector: OnceLock<TransportConnector>,
    ca_file: Option<String>,
    idle: usize,
    all: Semaphore,
    /// Those that queues may have of them: half, so that no queue keeps senders that wait from theirs.
    queues: Semaphore,
}

/// Who asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A sender waits for the answer.
    Sender,
    /// Nobody does.
    Queue,
}

/// An answer of which the head has been read.
struct Begun {
    session: HttpSession,
    peer: Box<HttpPeer>,
    head: ResponseHeader,
    reuse: Reuse,
}

/// Why a connection gave no answer.
enum Failure {
    /// The app can't have taken the request: not all of it was handed over.
    NotWhole,
    /// It may have.
    Unknown,
}

/// Which connections may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Any,
    New,
}

impl Connections {
    /// `total`: in use and idle together.
    pub(super) fn new(roots: &Roots, total: usize) -> Self {
        let in_use = (total / 2).clamp(2, Semaphore::MAX_PERMITS);
        Self {
            connector: OnceLock::new(),
            ca_file: roots.file(),
            idle: (total / 2).max(1),
            all: Semaphore::new(in_use),
            queues: Semaphore::new(in_use / 2),
        }
    }

    /// Asks the app once, within the plan's time.
    pub(super) async fn ask(
        &self,
        resolver: &Resolver,
        plan: &Plan,
        outgoing: &Outgoing,
        asker: Asker,
    ) -> Result<Reply, RelayError> {
        let _turn = match asker {
            Asker::Sender => None,
            // A queue waits for its turn outside of the time that the app has.
            Asker::Queue => Some(permit(&self.queues).await?),
        };
        let deadline = Instant::now() + plan.timeout;
        let _connection = timeout_at(deadline, permit(&self.all)).await.map_err(|_| RelayError::Busy)??;
        let begun = timeout_at(deadline, self.request(resolver, plan, outgoing)).await;
        let mut begun = begun.map_err(|_| RelayError::TimedOut)??;
        let reply = Reply::read(&mut begun.session, &begun.head, deadline).await;
        // What is cut off has more to come: its connection ends here.
        if begun.reuse == Reuse::Keep && reply.extent == Extent::Whole {
            let _ = timeout_at(deadline, self.keep(begun.session, &begun.peer)).await;
        }
        Ok(reply)
    }

    /// Sends the request and reads the answer's head.
    async fn request(
        &self,
        resolver: &Resolver,
        plan: &Plan,
        outgoing: &Outgoing,
    ) -> Result<Begun, RelayError> {
        let timeouts =
            UpstreamTimeouts { connect: plan.timeout, first_byte: plan.timeout, idle: plan.timeout };
        let app = resolver.app(plan.to.server().clone(), timeouts).await;
        let mut app = app.map_err(|_| RelayError::Unreachable)?;
        let head = outgoing.head(&plan.to).map_err(|_| RelayError::Broken)?;
        let mut from = From::Any;
        loop {
            let (mut session, peer, reused) = self.session(&mut app, from).await?;
            match exchange(&mut session, &head, &outgoing.body).await {
                Ok((head, reuse)) => return Ok(Begun { session, peer, head, reuse }),
                Err(Failure::NotWhole) if reused => from = From::New,
                Err(Failure::NotWhole | Failure::Unknown) => return Err(RelayError::Broken),
            }
        }
    }

    /// A connection to the first of the app's addresses that gives one, and whether it was used before.
    async fn session(
        &self,
        app: &mut App,
        from: From,
    ) -> Result<(HttpSession, Box<HttpPeer>, bool), RelayError> {
        loop {
            let peer = app.peer().map_err(|_| RelayError::Unreachable)?;
            if from == From::Any
                && let Some(stream) = self.connector().reused_stream(&*peer).await
            {
                return Ok((HttpSession::new(stream), peer, true));
            }
            match self.connector().new_stream(&*peer).await {
                Ok(stream) => return Ok((HttpSession::new(stream), peer, false)),
                Err(_) if app.try_next() => {}
                Err(_) => return Err(RelayError::Unreachable),
            }
        }
    }

    /// For another request, if the app allows that.
    async fn keep(&self, mut session: HttpSession, peer: &HttpPeer) {
        session.respect_keepalive();
        if let Some(stream) = session.reuse().await {
            self.connector().release_stream(stream, peer.reuse_hash(), Some(POOL_IDLE));
        }
    }

    fn connector(&self) -> &TransportConnector {
        self.connector.get_or_init(|| {
            let options =
                ConnectorOptions { ca_file: self.ca_file.clone(), ..ConnectorOptions::new(self.idle) };
            TransportConnector::new(Some(options))
        })
    }
}

async fn permit(semaphore: &Semaphore) -> Result<SemaphorePermit<'_>, RelayError> {
    // They are never closed.
    semaphore.acquire().await.map_err(|_| RelayError::Busy)
}

/// Sends one request and reads its answer's head. An app may answer before it has taken all, and close: so the answer is
/// looked for even where sending failed.
async fn exchange(
    session: &mut HttpSession,
    head: &RequestHeader,
    body: &[u8],
) -> Result<(ResponseHeader, Reuse), Failure> {
    let sent = send(session, head, body).await;
    match (final_head(session).await, sent) {
        (Ok(answer), Ok(())) => Ok((answer, Reuse::Keep)),
        // The rest of the request is owed: nothing else may follow it here.
        (Ok(answer), Err(_)) => Ok((answer, Reuse::Close)),
        (Err(_), Err(_)) => Err(Failure::NotWhole),
        (Err(_), Ok(())) => Err(Failure::Unknown),
    }
}

/// Fails only when the last byte was not handed over.
async fn send(session: &mut HttpSession, head: &RequestHeader, body: &[u8]) -> Result<()> {
    session.write_request_header(Box::new(head.clone())).await?;
    if !body.is_empty() {
        session.write_body(body).await?;
        session.finish_body().await?;
    }
    Ok(())
}

/// The first answer that is none in between. A protocol that nobody asked for is no answer.
async fn final_head(session: &mut HttpSession) -> Result<ResponseHeader> {
    loop {
        session.read_response().await?;
        let head = session.resp_header().ok_or_else(|| Error::new(ErrorType::InternalError))?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "an upgrade that was not asked for");
        }
        if !head.status.is_informational() {
            return Ok(head.clone());
        }
    }
}
