//! One request and its one answer.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::http::RequestHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::answer::{Answer, Body, Connection};
use super::body::{BodyError, BodyLimit};
use super::incoming::{Caller, Incoming, Intake};
use super::linger::linger;
use crate::lifecycle::Phase;
use crate::net::{Conn, Peer};

/// How long a peer may take to receive one answer. Only a peer that sends without ever reading runs into it.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// A request whose head was read, and which is answered exactly once.
pub struct Exchange {
    session: ServerSession,
    /// What the request allows.
    reuse: Reuse,
    intake: Intake,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It takes the next request, if the request and its framing allow that.
    Keep,
    /// It is closed, and says so.
    Close,
}

impl Reuse {
    /// What a phase of the process asks for: a drain ends connections with their answer.
    #[must_use]
    pub fn within(phase: Phase) -> Self {
        if phase >= Phase::Draining { Self::Close } else { Self::Keep }
    }
}

/// An exchange whose answer is written.
#[must_use = "finish() hands the connection on or closes it"]
pub enum Answered {
    /// The connection takes another request.
    Kept(ReusedHttpStream),
    /// The connection is to be closed.
    Closing(Stream),
    /// There is no connection any more, or it is not ours to end.
    Gone,
}

/// A request whose head could not be read.
pub struct Unreadable {
    session: ServerSession,
    error: HeadError,
}

/// Why a request's head could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP, or ambiguous.
    #[error("the request's head is not valid HTTP")]
    Malformed,
    /// More header lines or bytes than are taken.
    #[error("the request's headers are too many or too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the request's head was not complete in time")]
    TimedOut,
}

impl Exchange {
    /// Reads the next request's head. None when the peer is gone: there is nobody to answer. How long a head may take and
    /// a connection may idle is the listener's ([`crate::net::Service`]), which has the head before this is called.
    ///
    /// # Errors
    /// [`Unreadable`], to be answered.
    pub async fn read(mut session: ServerSession) -> Result<Option<Self>, Box<Unreadable>> {
        // Bytes behind a request are the next one's. Without this its connection would be dropped, and since the answer is
        // written after the session has given the connection up, the answer with it.
        session.set_pipelining_enabled(true);
        let read = session.read_request().await;
        match read {
            Ok(true) => {
                // Pingora has settled what version, Connection header and framing allow.
                let open =
                    session.get_keepalive().is_some() && session.get_keepalive_reuses_remaining() != Some(0);
                let reuse = if open { Reuse::Keep } else { Reuse::Close };
                Ok(Some(Self { session, reuse, intake: Intake::default() }))
            }
            Ok(false) => Ok(None),
            Err(error) => match HeadError::classify(&error) {
                Some(error) => Err(Box::new(Unreadable { session, error })),
                None => Ok(None),
            },
        }
    }

    /// The request's head.
    #[must_use]
    pub fn request(&self) -> &RequestHeader {
        self.session.req_header()
    }

    /// Who is at the other end. None when the connection does not say.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        if let Some(conn) = self.session.stream().and_then(|s| (**s).as_any().downcast_ref::<Conn>()) {
            return Some(conn.peer());
        }
        match self.session.client_addr()? {
            SocketAddr::Inet(address) => Some(Peer::Ip(*address)),
            SocketAddr::Unix(_) => Some(Peer::Unix),
        }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// [`BodyError`]; the connection is then closed after the answer.
    pub async fn body(&mut self, limit: BodyLimit) -> Result<Bytes, BodyError> {
        self.incoming().body(limit).await
    }

    /// Lends the request to who knows its answer.
    pub fn incoming(&mut self) -> Incoming<'_> {
        let caller = Caller::Peer(self.peer());
        Incoming::new(&mut self.session, caller, &mut self.intake)
    }

    /// Answers. What becomes of the connection is settled by [`Answered::finish`], so that a caller can stop its clock
    /// before a close that may take a while.
    pub async fn answer(mut self, answer: &Answer, reuse: Reuse) -> Answered {
        if self.intake.has_failed() || !self.session.is_body_done() || reuse == Reuse::Close {
            self.reuse = Reuse::Close;
        }
        if !matches!(self.session, ServerSession::H1(_)) {
            if answer.write(&mut self.session).await.is_ok() {
                // An HTTP/2 stream that fails to end is reset by its drop.
                let _ = self.session.finish().await;
            }
            return Answered::Gone;
        }
        let head = self.session.req_header();
        let body = if head.method == Method::HEAD { Body::Omitted } else { Body::Sent };
        let said = match (self.reuse, head.version) {
            (Reuse::Close, _) => Connection::Close,
            (Reuse::Keep, Version::HTTP_11) => Connection::Open,
            (Reuse::Keep, _) => Connection::OpenSaid,
        };
        let bytes = answer.bytes(said, body);
        match self.reuse {
            Reuse::Keep => keep(self.session, &bytes).await,
            Reuse::Close => close(self.session, &bytes).await,
        }
    }
}

impl Unreadable {
    /// Why.
    #[must_use]
    pub fn error(&self) -> HeadError {
        self.error
    }

    /// Answers with the error's problem; the connection is closed after it.
    pub async fn answer(self) -> Answered {
        let bytes = self.error.answer().bytes(Connection::Close, Body::Sent);
        close(self.session, &bytes).await
    }
}

impl HeadError {
    /// None when the peer is gone.
    fn classify(error: &pingora::Error) -> Option<Self> {
        use pingora::ErrorType::{ConnectionClosed, ReadError, ReadTimedout};
        match error.etype() {
            ConnectionClosed | ReadError => None,
            ReadTimedout => Some(Self::TimedOut),
            // Pingora's type is the same for all of these; only its text tells them apart.
            _ => {
                let text = error.to_string();
                let large = text.contains("larger than") || text.contains("too many headers");
                Some(if large { Self::TooLarge } else { Self::Malformed })
            }
        }
    }

    /// The problem to answer with.
    #[must_use]
    pub fn answer(self) -> Answer {
        let status = match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
        };
        Answer::problem(status, &self.to_string())
    }
}

impl Answered {
    /// Hands the connection back for its next request, or closes it so that the answer arrives.
    pub async fn finish(self) -> Option<ReusedHttpStream> {
        match self {
            Self::Kept(stream) => Some(stream),
            Self::Closing(stream) => {
                linger(stream).await;
                None
            }
            Self::Gone => None,
        }
    }
}

/// The request is read to its end, so the session can give the connection up before the answer is written: the answer
/// is then one write of ours, whatever buffers lie below.
async fn keep(mut session: ServerSession, bytes: &[u8]) -> Answered {
    // Pingora forbids reuse when it says 100 while the body is still to come; by now the body is there. 0: no time-out of
    // its own between requests.
    session.set_keepalive(Some(0));
    let mut settings = HttpPersistentSettings::for_session(&session);
    let Ok(Some(reusable)) = session.finish().await else { return Answered::Gone };
    let (mut stream, next) = reusable.into_parts();
    if write(&mut stream, bytes).await.is_none() {
        return Answered::Gone;
    }
    match next {
        None => {}
        // The end of a chunked body is known to its reader alone, which may have read past it.
        Some(next) if (*stream).as_any().is::<Conn>() => {
            let Ok(mut conn) = stream.into_any().downcast::<Conn>() else { return Answered::Gone };
            conn.put_back(next);
            stream = conn;
        }
        Some(next) => settings.set_pipelined_prefix(next),
    }
    Answered::Kept(ReusedHttpStream::new(stream, Some(settings)))
}

async fn close(session: ServerSession, bytes: &[u8]) -> Answered {
    let ServerSession::H1(session) = session else { return Answered::Gone };
    let mut stream = session.into_inner();
    match write(&mut stream, bytes).await {
        Some(()) => Answered::Closing(stream),
        None => Answered::Gone,
    }
}

/// None when the peer is gone or does not read.
async fn write(stream: &mut Stream, bytes: &[u8]) -> Option<()> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    timeout(WRITE_TIME, written).await.ok()?.ok()
}
