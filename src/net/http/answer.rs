//! An answer: status, a few headers and a body of known length.

use std::io::Write as _;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::{ServerSession, date};

/// Bytes reserved for an answer's head: status line, type, length, date and connection fit with room for one more.
const HEAD_BYTES: usize = 256;

/// An answer, complete in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    /// None only where somebody else's answer is passed on that has none.
    content_type: Option<HeaderValue>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// What the answer says of the connection after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// Open, which HTTP/1.1 takes for granted (RFC 9112 §9.3).
    Open,
    /// Open, said aloud to an HTTP/1.0 peer that asked for it.
    OpenSaid,
    /// Closed after the answer.
    Close,
}

impl Answer {
    /// An answer with a body of type `content_type`.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let content_type = Some(HeaderValue::from_static(content_type));
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// An answer of somebody else's, with its own type, if it says one, and its fields in their order, also such of one
    /// name. What is an answer's own ([`Answer::with`]) is left out of them, and so is `Transfer-Encoding`.
    #[must_use]
    pub fn passed_on(
        status: StatusCode,
        fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Self {
        let own = [CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING];
        let mut answer = Self { status, content_type: None, headers: Vec::new(), body };
        for (name, value) in fields {
            if name == CONTENT_TYPE {
                answer.content_type.get_or_insert(value);
            } else if !own.contains(&name) {
                answer.headers.push((name, value));
            }
        }
        answer
    }

    /// A problem in RFC 9457's form: `type` (always `about:blank`, so `title` is the status's phrase), `title`, `status`,
    /// `detail`. `detail` is for whoever sent the request: it quotes nothing secret.
    #[must_use]
    pub fn problem(status: StatusCode, detail: &str) -> Self {
        Self::problem_with(status, detail, serde_json::Map::new())
    }

    /// As [`Answer::problem`], with extension members (RFC 9457 §3.2).
    #[must_use]
    pub fn problem_with(
        status: StatusCode,
        detail: &str,
        members: serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        let mut problem = members;
        problem.insert("type".into(), "about:blank".into());
        problem.insert("title".into(), status.canonical_reason().unwrap_or("Error").into());
        problem.insert("status".into(), status.as_u16().into());
        problem.insert("detail".into(), detail.into());
        let body = serde_json::Value::Object(problem).to_string();
        // What is wrong now may be right a moment later: a 404 or 410 could be kept by caches without being asked to
        // (RFC 9110 §15.1).
        Self::new(status, "application/problem+json", body)
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// No content (RFC 9110 §15.3.5).
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self::new(status, "text/plain", Bytes::new())
    }

    /// JSON text.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// Sets a header. Content-Type, Content-Length, Date and Connection are the answer's own.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    /// As [`Answer::with`], beside what is there of that name.
    #[must_use]
    pub fn and(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its header fields: the type of its body, if it has one, and what else was set.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let content_type = self.content_type.iter().filter(|_| self.has_content());
        let headers = self.headers.iter().map(|(name, value)| (name, value));
        content_type.map(|value| (&CONTENT_TYPE, value)).chain(headers)
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether answers of this status have content. Those without say nothing of its length (RFC 9110 §8.6), or would have
    /// to say another's (§15.4.5).
    fn has_content(&self) -> bool {
        !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Writes the answer through pingora's writer, for callers that only borrow the session, such as a proxy's filter,
    /// and for HTTP/2. Pingora adds Date and Connection and decides on reuse; a HEAD gets no body.
    ///
    /// # Errors
    /// When the peer is gone.
    pub async fn write(&self, session: &mut ServerSession) -> pingora::Result<()> {
        let mut header = ResponseHeader::build(self.status, Some(4 + self.headers.len()))?;
        if self.has_content() {
            if let Some(content_type) = &self.content_type {
                header.insert_header(CONTENT_TYPE, content_type.clone())?;
            }
            header.insert_header(CONTENT_LENGTH, HeaderValue::from(self.body.len()))?;
        }
        for (name, value) in &self.headers {
            header.append_header(name.clone(), value.clone())?;
        }
        let omitted = session.req_header().method == Method::HEAD || !self.has_content();
        let body = if omitted { Bytes::new() } else { self.body.clone() };
        session.write_response_header(Box::new(header)).await?;
        session.write_response_body(body, true).await
    }

    /// The bytes of the answer on an HTTP/1 connection (RFC 9112 §4), `with_body` or, for HEAD, without.
    pub(super) fn bytes(&self, connection: Connection, with_body: Body) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.body.len());
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.status.canonical_reason().unwrap_or("").as_bytes());
        let content = self.has_content();
        if let Some(content_type) = self.content_type.as_ref().filter(|_| content) {
            line(&mut out, "\r\nContent-Type", content_type);
        }
        for (name, value) in &self.headers {
            out.extend_from_slice(b"\r\n");
            line(&mut out, name.as_str(), value);
        }
        if content {
            write!(out, "\r\nContent-Length: {}", self.body.len()).expect("a Vec takes every write");
        }
        line(&mut out, "\r\nDate", &date::get_cached_date());
        match connection {
            Connection::Open => {}
            Connection::OpenSaid => out.extend_from_slice(b"\r\nConnection: keep-alive"),
            Connection::Close => out.extend_from_slice(b"\r\nConnection: close"),
        }
        out.extend_from_slice(b"\r\n\r\n");
        if with_body == Body::Sent && content {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

/// Whether the body follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// It does.
    Sent,
    /// It does not: the request was a HEAD (RFC 9110 §9.3.2).
    Omitted,
}

fn line(out: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use http::header::ALLOW;

    use super::*;

    #[test]
    fn the_bytes_are_one_http_answer() {
        let answer = Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "only POST")
            .with(ALLOW, HeaderValue::from_static("POST"));
        let text = String::from_utf8(answer.bytes(Connection::Close, Body::Sent)).unwrap();
        assert!(text.contains("\r\ncache-control: no-store\r\n"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/problem+json\r\n")
        );
        assert!(head.contains("\r\nallow: POST\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(head.ends_with("\r\nConnection: close"), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            problem,
            serde_json::json!({"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"only POST"})
        );
    }

    #[test]
    fn no_content_is_a_head_alone() {
        let text = Answer::empty(StatusCode::NO_CONTENT).bytes(Connection::Open, Body::Sent);
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 204 No Content\r\nDate: ") && text.ends_with("\r\n\r\n"),
            "{text}"
        );
        assert!(!text.contains("Content-"), "{text}");
    }

    #[test]
    fn what_is_passed_on_has_its_own_type_or_none_and_all_fields_of_one_name() {
        let fields = |list: &[(&'static str, &'static str)]| {
            let field = |(n, v): &(&'static str, &'static str)| {
                (HeaderName::from_static(n), HeaderValue::from_static(v))
            };
            list.iter().map(field).collect::<Vec<_>>()
        };
        let all = [
            ("set-cookie", "a"),
            ("content-type", "text/x"),
            ("content-length", "9"),
            ("connection", "close"),
            ("date", "never"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "b"),
        ];
        let answer = Answer::passed_on(StatusCode::IM_A_TEAPOT, fields(&all), Bytes::from_static(b"four"));
        let text = String::from_utf8(answer.bytes(Connection::Open, Body::Sent)).unwrap();
        let expected = "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/x\r\nset-cookie: a\r\nset-cookie: b\r\n\
             Content-Length: 4\r\nDate: ";
        assert!(text.starts_with(expected) && text.ends_with("\r\n\r\nfour"), "{text}");
        assert!(!text.contains("never"), "{text}");
        let text = Answer::passed_on(StatusCode::OK, [], Bytes::new()).bytes(Connection::Open, Body::Sent);
        assert!(!String::from_utf8(text).unwrap().to_lowercase().contains("content-type"));
    }

    #[test]
    fn a_head_answer_has_the_length_and_no_body() {
        let text = Answer::text(StatusCode::OK, "four").bytes(Connection::Open, Body::Omitted);
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with("\r\n\r\n") && text.contains("Content-Length: 4\r\n"), "{text}");
        assert!(!text.contains("Connection"), "{text}");
    }
}
