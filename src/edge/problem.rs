//! Error answers as problem documents (RFC 9457). What they say is fixed here; nothing of the inside reaches a caller.

use http::StatusCode;
use pingora::Result;
use pingora::proxy::Session;

use crate::net::http::Answer;

/// An error's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub status: u16,
    detail: &'static str,
}

impl Problem {
    pub(super) const fn new(status: u16, detail: &'static str) -> Self {
        Self { status, detail }
    }
}

/// Writes the whole answer.
///
/// # Errors
/// When the caller is gone.
pub(super) async fn answer(session: &mut Session, problem: Problem) -> Result<()> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::problem(status, problem.detail).write(&mut session.downstream_session).await
}
