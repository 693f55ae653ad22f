//! The requests that are this process's own: a connection to a server, the request, the head of its answer.
//!
//! Connections are kept and used again. One that the server has closed in the meantime is usually found out before it is
//! used; when not, the request fails, and [`Repeat`] says whether it goes out once more, on a new connection.

#[cfg(test)]
pub(crate) mod testing;
mod url;

use std::sync::OnceLock;

use http::StatusCode;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use pingora::{Error, ErrorType, Result};

use super::Roots;
use super::http::Reuse;
use super::upstream::{App, POOL_IDLE};
pub use url::{Url, UrlError};

/// Connections to servers, and those of them that are idle.
pub(crate) struct Client {
    /// Made when first needed: it reads the system's certificates.
    connector: OnceLock<TransportConnector>,
    ca_file: Option<String>,
    idle: usize,
}

/// A request, ready to be sent.
pub(crate) struct Request<'a> {
    /// Its head, which says the length of the body if there is one.
    pub head: &'a RequestHeader,
    /// Its body.
    pub body: &'a [u8],
    /// What to do when a connection that was used before gives no answer.
    pub repeat: Repeat,
}

/// Whether a request that a kept connection did not answer goes out once more. On a new connection none does: there it is
/// the server's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Only when the server can't have taken it, since not even all of it was handed to the system: a request without its
    /// last byte is none.
    Unsent,
    /// Always: being asked twice changes nothing there (RFC 9110 §9.2.1).
    Safe,
}

/// An answer of which the head has been read.
pub(crate) struct Begun {
    pub session: HttpSession,
    pub head: ResponseHeader,
    peer: Box<HttpPeer>,
    reuse: Reuse,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientError {
    /// No connection: nobody listens at any address, or TLS failed. The server has seen nothing of the request.
    Unreachable,
    /// The connection ended, or what came is no HTTP. The server may have taken the request.
    Broken,
}

/// Why a connection gave no answer.
enum Failure {
    /// The server can't have taken the request: not all of it was handed over.
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

impl Client {
    /// Keeps so many idle connections at most. Nothing is opened before there is something to ask.
    pub fn new(roots: &Roots, idle: usize) -> Self {
        Self { connector: OnceLock::new(), ca_file: roots.file(), idle }
    }

    /// Sends a request and reads its answer's head. Has no deadline of its own, and may be dropped at any time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask(&self, mut app: App, request: &Request<'_>) -> Result<Begun, ClientError> {
        let mut from = From::Any;
        loop {
            let (mut session, peer, reused) = self.session(&mut app, from).await?;
            match exchange(&mut session, request).await {
                Ok((head, reuse)) => return Ok(Begun { session, head, peer, reuse }),
                Err(Failure::NotWhole) if reused => from = From::New,
                Err(Failure::Unknown) if reused && request.repeat == Repeat::Safe => from = From::New,
                Err(Failure::NotWhole | Failure::Unknown) => return Err(ClientError::Broken),
            }
        }
    }

    /// Keeps the connection of an answer that was read to its end for another request, if the server allows that.
    pub async fn keep(&self, begun: Begun) {
        let Begun { mut session, peer, reuse, .. } = begun;
        if reuse == Reuse::Close {
            return;
        }
        session.respect_keepalive();
        if let Some(stream) = session.reuse().await {
            self.connector().release_stream(stream, peer.reuse_hash(), Some(POOL_IDLE));
        }
    }

    /// Drops an answer's body. The connection is kept if that has no more than `most` bytes, and otherwise ends.
    pub async fn discard(&self, mut begun: Begun, most: usize) {
        let mut read = 0;
        loop {
            match begun.session.read_body_ref().await {
                Ok(Some(piece)) if read + piece.len() <= most => read += piece.len(),
                Ok(None) => return self.keep(begun).await,
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }

    /// A connection to the first of the server's addresses that gives one, and whether it was used before.
    async fn session(
        &self,
        app: &mut App,
        from: From,
    ) -> Result<(HttpSession, Box<HttpPeer>, bool), ClientError> {
        loop {
            let peer = app.peer().map_err(|_| ClientError::Unreachable)?;
            if from == From::Any
                && let Some(stream) = self.connector().reused_stream(&*peer).await
            {
                return Ok((HttpSession::new(stream), peer, true));
            }
            match self.connector().new_stream(&*peer).await {
                Ok(stream) => return Ok((HttpSession::new(stream), peer, false)),
                Err(_) if app.try_next() => {}
                Err(_) => return Err(ClientError::Unreachable),
            }
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

/// Sends one request and reads its answer's head. A server may answer before it has taken all, and close: so the answer is
/// looked for even where sending failed.
async fn exchange(
    session: &mut HttpSession,
    request: &Request<'_>,
) -> Result<(ResponseHeader, Reuse), Failure> {
    let sent = send(session, request).await;
    match (final_head(session).await, sent) {
        (Ok(answer), Ok(())) => Ok((answer, Reuse::Keep)),
        // The rest of the request is owed: nothing else may follow it here.
        (Ok(answer), Err(_)) => Ok((answer, Reuse::Close)),
        (Err(_), Err(_)) => Err(Failure::NotWhole),
        (Err(_), Ok(())) => Err(Failure::Unknown),
    }
}

/// Fails only when the last byte was not handed over.
async fn send(session: &mut HttpSession, request: &Request<'_>) -> Result<()> {
    session.write_request_header(Box::new(request.head.clone())).await?;
    if !request.body.is_empty() {
        session.write_body(request.body).await?;
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
