//! A request's body, read within a limit of bytes and of time.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use super::budget::Held;
use crate::net::has_bad_chunks;

/// Bounds on one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Bytes, counted as they stream; a longer announced length is refused before anything is read.
    pub bytes: usize,
    /// From the request's head to the body's last byte.
    pub time: Duration,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Over [`BodyLimit::bytes`].
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// All bodies together hold as much as they may.
    #[error("too many bodies are on their way in")]
    Busy,
    /// Over [`BodyLimit::time`].
    #[error("the body was not complete after {} seconds", limit.as_secs_f64())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The sender ended before the body did.
    #[error("the connection ended before the body did")]
    Ended,
    /// The chunked framing is broken.
    #[error("the body's chunked framing is broken")]
    Framing,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1 asks for 501).
    #[error("the only transfer coding taken is chunked")]
    Coding,
}

impl BodyError {
    /// The status to answer with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Ended | Self::Framing => StatusCode::BAD_REQUEST,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// Reads the whole body. Says `100 Continue` to a sender that waits for it (RFC 9110 §10.1.1), and only once the body
/// is wanted: a refusal by length comes without it.
pub(super) async fn read(
    session: &mut ServerSession,
    limit: BodyLimit,
    held: Option<&Held>,
) -> Result<Bytes, BodyError> {
    if session.is_body_done() {
        return Ok(Bytes::new());
    }
    let head = session.req_header();
    let announced = announced(&head.headers)?;
    if announced.is_some_and(|length| length > limit.bytes as u64) {
        return Err(BodyError::TooLarge { limit: limit.bytes });
    }
    let waits = head.version == Version::HTTP_11
        && head.headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    // The deadline below covers the whole body; pingora's own is per read.
    session.set_read_timeout(None);
    let whole = async {
        if waits {
            session.write_continue_response().await.map_err(|_| BodyError::Ended)?;
        }
        collect(session, limit.bytes, held).await
    };
    timeout(limit.time, whole).await.unwrap_or(Err(BodyError::TimedOut { limit: limit.time }))
}

/// The announced length; none when chunked.
fn announced(headers: &HeaderMap) -> Result<Option<u64>, BodyError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        return if plain { Ok(None) } else { Err(BodyError::Coding) };
    }
    // Pingora has refused lengths that differ or are no number; equal ones may still stand in one list ("5, 5").
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    Ok(length.and_then(|list| list.split(',').next()).and_then(|first| first.trim().parse().ok()))
}

/// Memory follows what has arrived, never what was announced, and in the end is no more than that: an event may keep it for
/// as long as it lives. A body that came with its head is not copied again.
async fn collect(session: &mut ServerSession, limit: usize, held: Option<&Held>) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    while let Some(piece) = session.read_request_body().await.map_err(|e| classify(&e))? {
        if first.len() + rest.len() + piece.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if held.is_some_and(|held| !held.grow(piece.len())) {
            return Err(BodyError::Busy);
        }
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(first.len() + piece.len());
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&piece);
    }
    Ok(if rest.is_empty() { first } else { rest.into_boxed_slice().into() })
}

fn classify(error: &pingora::Error) -> BodyError {
    use pingora::ErrorType::{ConnectionClosed, ReadError, ReadTimedout};
    match error.etype() {
        _ if has_bad_chunks(error) => BodyError::Framing,
        ConnectionClosed | ReadError | ReadTimedout => BodyError::Ended,
        _ => BodyError::Framing,
    }
}
