//! What is answered under the prefix beside streams and pages: heads, the overload answer, and what may be asked at all.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER, VARY};
use http::{HeaderName, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::{ServerSession, date};

use super::cors::{Cors, Preflight};
use super::settings::Overload;
use crate::net::http::Answer;
use crate::sse::{self, Framing};

/// Bounds of the `retry:` of the overload answer. Longer than after a drop: the server asks for time.
const OVERLOAD_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

/// What may be asked under the prefix.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

/// Header lines of every answer that is a stream.
pub(super) const STREAM_HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
];

/// Whether who asks may be told by a cookie, which then counts with pages of some origins alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookies {
    /// It may.
    Read,
    /// No cookie is looked at.
    Unread,
}

/// The lines that every answer to one request has: what it varies with, and what a page of another origin may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Common(Vec<(HeaderName, HeaderValue)>);

impl Common {
    /// The lines for a request with these method and headers. Whoever is asked for by another page, and whoever is not,
    /// may get different lines: a shared cache is to know that.
    pub fn of(cors: Option<&Cors>, cookies: Cookies, method: &Method, headers: &HeaderMap) -> Self {
        let varies = match (cookies, cors) {
            (Cookies::Unread, None) => "Accept",
            (Cookies::Unread, Some(_)) => "Accept, Origin",
            (Cookies::Read, _) => "Accept, Origin, Cookie",
        };
        let mut lines = vec![(VARY, HeaderValue::from_static(varies))];
        let Some(cors) = cors else { return Self(lines) };
        let asks = *method == Method::OPTIONS && headers.contains_key("access-control-request-method");
        let preflight = if asks { Preflight::Yes } else { Preflight::No };
        // A second Origin is no browser's; without a value of its own it is allowed nothing.
        let mut origins = headers.get_all(ORIGIN).iter();
        if let (Some(origin), None) = (origins.next(), origins.next()) {
            lines.extend(cors.lines(Some(origin), preflight));
        }
        Self(lines)
    }

    /// The answer with these lines.
    pub fn on(&self, answer: Answer) -> Answer {
        self.0.iter().fold(answer, |answer, (name, value)| answer.with(name.clone(), value.clone()))
    }

    fn onto(&self, response: &mut ResponseHeader) -> pingora::Result<()> {
        for (name, value) in &self.0 {
            response.append_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Common {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

/// A stream's head, with the empty line that ends it. A stream's connection serves nothing after it.
pub(super) fn stream_head(framing: Framing, common: &Common) -> Bytes {
    let mut head = Vec::with_capacity(384);
    head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    let mut line = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    for (name, value) in STREAM_HEADERS {
        line(name, value.as_bytes());
    }
    for (name, value) in &common.0 {
        line(name.as_str(), value.as_bytes());
    }
    line("Date", date::get_cached_date().as_bytes());
    if framing == Framing::Chunked {
        line("Transfer-Encoding", b"chunked");
    }
    line("Connection", b"close");
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// What may be asked. 204 has no content, and says nothing of its length (RFC 9110, section 8.6).
pub(super) async fn write_options(session: &mut ServerSession, common: &Common) -> pingora::Result<()> {
    let mut response = ResponseHeader::build(StatusCode::NO_CONTENT, Some(8))?;
    response.insert_header(ALLOW, METHODS)?;
    common.onto(&mut response)?;
    session.write_response_header(Box::new(response)).await
}

/// Who is turned away for now: what it asked for decides what it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// It wants a stream. A browser's `EventSource` gives up for good on any status but 200, so `edge.overload` says
    /// whether it gets an empty stream that asks it to come back, or a status.
    Stream(Overload),
    /// It wants a page, and reads statuses.
    Page,
}

/// The answer of a server that is temporarily unable.
pub(super) async fn write_overload(
    session: &mut ServerSession,
    asker: Asker,
    common: &Common,
) -> pingora::Result<()> {
    let retry = overload_retry();
    if asker == Asker::Stream(Overload::Retry) {
        return write_stream(session, sse::retry_only(retry).into(), common).await;
    }
    let answer = Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "this cannot be served now; try again")
        .with(RETRY_AFTER, HeaderValue::from(retry.as_secs()));
    common.on(answer).write(session).await
}

/// What a stream ends with that can't go on for now.
pub(super) fn come_back() -> Vec<u8> {
    sse::retry_only(overload_retry())
}

fn overload_retry() -> Duration {
    let (low, high) = OVERLOAD_RETRY;
    Duration::from_millis(fastrand::u64(low.as_millis() as u64..=high.as_millis() as u64))
}

/// A stream of known length; `HEAD` gets its head alone.
pub(super) async fn write_stream(
    session: &mut ServerSession,
    body: Bytes,
    common: &Common,
) -> pingora::Result<()> {
    let mut response = ResponseHeader::build(StatusCode::OK, Some(10))?;
    for (name, value) in STREAM_HEADERS {
        response.insert_header(name, value)?;
    }
    common.onto(&mut response)?;
    let head_only = session.req_header().method == Method::HEAD;
    if !head_only {
        let mut length = String::new();
        let _ = write!(length, "{}", body.len());
        response.insert_header("Content-Length", length)?;
    }
    session.write_response_header(Box::new(response)).await?;
    if !head_only {
        session.write_response_body(body, true).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::cors::Credentials;

    fn cors() -> Cors {
        Cors {
            origins: vec!["https://app.example".parse().unwrap()],
            credentials: Credentials::Withheld,
            max_age: Duration::from_mins(1),
        }
    }

    fn names(common: &Common) -> Vec<&str> {
        common.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn lines_are_for_the_asker_alone() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            Common::of(None, Cookies::Unread, &Method::GET, &headers).0,
            [(VARY, HeaderValue::from_static("Accept"))]
        );
        assert_eq!(names(&Common::of(Some(&cors()), Cookies::Unread, &Method::GET, &headers)), ["vary"]);
        headers.insert(ORIGIN, HeaderValue::from_static("https://app.example"));
        let get = Common::of(Some(&cors()), Cookies::Unread, &Method::GET, &headers);
        assert_eq!(names(&get), ["vary", "access-control-allow-origin", "access-control-expose-headers"]);
        assert!(
            names(&Common::of(Some(&cors()), Cookies::Unread, &Method::OPTIONS, &headers)).len() == 3,
            "no preflight"
        );
        headers.insert("access-control-request-method", HeaderValue::from_static("GET"));
        assert!(
            names(&Common::of(Some(&cors()), Cookies::Unread, &Method::OPTIONS, &headers))
                .contains(&"access-control-max-age")
        );
        headers.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert_eq!(names(&Common::of(Some(&cors()), Cookies::Unread, &Method::GET, &headers)), ["vary"]);
    }

    #[test]
    fn a_streams_head_is_one_head() {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://app.example"));
        let common = Common::of(Some(&cors()), Cookies::Unread, &Method::GET, &headers);
        let head = stream_head(Framing::Chunked, &common);
        let head = std::str::from_utf8(&head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{head}");
        assert!(head.contains("\r\naccess-control-allow-origin: https://app.example\r\n"), "{head}");
        assert!(head.ends_with("\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"), "{head}");
        assert_eq!(head.matches("\r\n\r\n").count(), 1);
        assert!(!std::str::from_utf8(&stream_head(Framing::Close, &common)).unwrap().contains("chunked"));
    }
}
