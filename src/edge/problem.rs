//! Error answers as problem documents (RFC 9457). What they say is fixed here; nothing of the inside reaches a caller.

use bytes::Bytes;
use http::{StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

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

    fn body(self) -> Bytes {
        let title = StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
        let (status, detail) = (self.status, self.detail);
        format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}"#).into()
    }
}

/// Writes the whole answer.
///
/// # Errors
/// When the caller is gone.
pub(super) async fn answer(session: &mut Session, problem: Problem) -> Result<()> {
    let body = problem.body();
    let mut head = ResponseHeader::build(problem.status, Some(4))?;
    head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    session.write_response_header(Box::new(head), false).await?;
    session.write_response_body(Some(body), true).await
}
