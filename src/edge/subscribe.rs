//! `GET /topics/<name>`: from a request to a stream.
//!
//! What is wrong for good is answered as a problem; what is only wrong now gets the overload answer; and whoever may
//! listen has its socket handed to a shard, which answers it. Pingora's task ends there, and frees all it held.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode, Version};
use pingora::protocols::http::{ServerSession, date};

use super::accept;
use super::route::Target;
use super::settings::Overload;
use crate::event::{Begin, NameError, Selector, Subscription, Topic};
use crate::fanout::{Admission, Beginning, Fanout};
use crate::net::http::{Answer, DecodeError, decode};
use crate::net::{Peer, take_conn};
use crate::sse::{self, Framing};

/// Bytes of a stream's send buffer in the kernel, which doubles it for its own use. Kernel buffers count in a pod's
/// memory: without a cap a slow subscriber gets up to 4 MiB of it. It holds a few hundred small events.
const SEND_BUFFER: usize = 64 << 10;

/// Bounds of the `retry:` of the overload answer. Longer than after a drop: the server asks for time.
const OVERLOAD_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Which topic rule a topic's subscriptions are counted under.
pub type RuleOf = Arc<dyn Fn(&Topic) -> Arc<str> + Send + Sync>;

/// Opens streams.
pub struct Subscribe {
    fanout: Arc<Fanout>,
    rule_of: RuleOf,
}

/// Why a request is refused for good.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("only {METHODS}")]
    Method,
    #[error("name a topic: PREFIX/NAME")]
    NoTopic,
    #[error("the topic is not percent-encoded text: {0}")]
    Encoding(#[from] DecodeError),
    #[error("this is no topic: {0}")]
    Name(#[from] NameError),
    #[error("this is a stream of text/event-stream, which the request does not accept")]
    NotAcceptable,
}

impl Refusal {
    fn answer(&self) -> Answer {
        let status = match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoTopic => StatusCode::NOT_FOUND,
            Self::Encoding(_) | Self::Name(_) => StatusCode::BAD_REQUEST,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        };
        let answer = Answer::problem(status, &self.to_string());
        match self {
            Self::Method => answer.with(ALLOW, HeaderValue::from_static(METHODS)),
            _ => answer,
        }
    }
}

impl Subscribe {
    /// Streams are opened on `fanout`.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, rule_of: RuleOf) -> Self {
        Self { fanout, rule_of }
    }

    /// Answers a request under the prefix, or takes its connection away: after that the session is an empty one.
    ///
    /// # Errors
    /// When the answer could not be written.
    pub(super) async fn serve(
        &self,
        session: &mut ServerSession,
        target: Target<'_>,
        overload: Overload,
    ) -> pingora::Result<()> {
        let request = session.req_header();
        let answer = match admit(&request.method, target.rest, &request.headers) {
            Err(refusal) => refusal.answer(),
            Ok(Wanted::Options) => return write_options(session).await,
            Ok(Wanted::Head) => return write_stream(session, Bytes::new()).await,
            Ok(Wanted::Stream(topic)) => match self.begin(session, &topic, target.query).await {
                Some(beginning) => return self.hand_over(session, &topic, beginning).await,
                None => return write_overload(session, overload).await,
            },
        };
        answer.write(session).await
    }

    /// Room for a stream and its place in the log; none when there is none now.
    async fn begin(&self, session: &ServerSession, topic: &Topic, query: Option<&[u8]>) -> Option<Beginning> {
        let begin = match requested(&session.req_header().headers, query) {
            Some(cursor) if !cursor.is_empty() => Begin::Cursor(cursor.into()),
            _ => Begin::Now,
        };
        let subscription = Arc::new(Subscription::to(Selector::Topic(topic.clone())));
        self.fanout.reserve(None, &begin).ok()?.begin(subscription, &begin).await.ok()
    }

    async fn hand_over(
        &self,
        session: &mut ServerSession,
        topic: &Topic,
        beginning: Beginning,
    ) -> pingora::Result<()> {
        let request = session.req_header();
        let framing = if request.version >= Version::HTTP_11 { Framing::Chunked } else { Framing::Close };
        let Some(conn) = take_conn(session) else {
            // Every listener of ours makes its own connections; anything else is a mistake in putting them together.
            return Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "no stream on this connection")
                .write(session)
                .await;
        };
        let peer = match conn.peer() {
            Peer::Ip(address) => Some(address),
            Peer::Unix => None,
        };
        let socket = match conn.into_socket() {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!(%error, "a subscriber's socket could not be taken over");
                return Ok(());
            }
        };
        // A kernel that refuses keeps its own default, which is only larger.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let rule = (self.rule_of)(topic);
        beginning.admit(Admission { socket, remote: peer, framing, head: head(framing), rule });
        Ok(())
    }
}

/// What a good request wants.
enum Wanted {
    Stream(Topic),
    Head,
    Options,
}

fn admit(method: &Method, rest: &[u8], headers: &HeaderMap) -> Result<Wanted, Refusal> {
    let name = rest.strip_prefix(b"/").unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::NoTopic);
    }
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return Err(Refusal::Method);
    }
    let topic = Topic::parse(&decode(name)?)?;
    if method == Method::OPTIONS {
        return Ok(Wanted::Options);
    }
    if !accept::allows_event_stream(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes)) {
        return Err(Refusal::NotAcceptable);
    }
    Ok(if method == Method::HEAD { Wanted::Head } else { Wanted::Stream(topic) })
}

/// The asked-for cursor: `Last-Event-ID`, or `?last-event-id=` where a header can't be set. The header wins.
fn requested(headers: &HeaderMap, query: Option<&[u8]>) -> Option<Vec<u8>> {
    if let Some(header) = headers.get("last-event-id") {
        return Some(header.as_bytes().to_vec());
    }
    let value = query?.split(|&b| b == b'&').find_map(|pair| pair.strip_prefix(b"last-event-id="))?;
    // What cannot be decoded is not a cursor, and is told like any other that is not.
    Some(decode(value).map_or_else(|_| value.to_vec(), |text| text.into_owned().into_bytes()))
}

/// Header lines of every answer that is a stream.
const STREAM_HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
];

/// The response's head, with the empty line that ends it. A stream's connection serves nothing after it.
fn head(framing: Framing) -> Bytes {
    use std::fmt::Write as _;
    let mut head = String::with_capacity(256);
    head.push_str("HTTP/1.1 200 OK\r\n");
    for (name, value) in STREAM_HEADERS {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Ok(date) = date::get_cached_date().to_str() {
        let _ = write!(head, "Date: {date}\r\n");
    }
    if framing == Framing::Chunked {
        head.push_str("Transfer-Encoding: chunked\r\n");
    }
    head.push_str("Connection: close\r\n\r\n");
    head.into()
}

/// What may be asked of a topic. 204 has no content, and says nothing of its length (RFC 9110, section 8.6).
async fn write_options(session: &mut ServerSession) -> pingora::Result<()> {
    let mut response = pingora::http::ResponseHeader::build(StatusCode::NO_CONTENT, Some(1))?;
    response.insert_header(ALLOW, METHODS)?;
    session.write_response_header(Box::new(response)).await
}

/// The answer of a server that is temporarily unable. A browser's `EventSource` gives up for good on any status but 200,
/// so it gets an empty stream that asks it to come back.
async fn write_overload(session: &mut ServerSession, overload: Overload) -> pingora::Result<()> {
    let (low, high) = OVERLOAD_RETRY;
    let retry = Duration::from_millis(fastrand::u64(low.as_millis() as u64..=high.as_millis() as u64));
    match overload {
        Overload::Retry => write_stream(session, sse::retry_only(retry).into()).await,
        Overload::Status => {
            let answer =
                Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "no stream can be opened now; try again")
                    .with(RETRY_AFTER, HeaderValue::from(retry.as_secs()))
                    .with(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer.write(session).await
        }
    }
}

/// A stream of known length; `HEAD` gets its head alone.
async fn write_stream(session: &mut ServerSession, body: Bytes) -> pingora::Result<()> {
    let mut response = pingora::http::ResponseHeader::build(StatusCode::OK, Some(5))?;
    for (name, value) in STREAM_HEADERS {
        response.insert_header(name, value)?;
    }
    let head_only = session.req_header().method == Method::HEAD;
    if !head_only {
        response.insert_header("Content-Length", body.len().to_string())?;
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

    fn status(method: &Method, rest: &str, accept: Option<&'static str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.extend(accept.map(|a| (ACCEPT, HeaderValue::from_static(a))));
        match admit(method, rest.as_bytes(), &headers) {
            Ok(Wanted::Stream(_) | Wanted::Head) => 200,
            Ok(Wanted::Options) => 204,
            Err(refusal) => refusal.answer().status().as_u16(),
        }
    }

    #[test]
    fn requests_by_table() {
        let sse = Some("text/event-stream");
        for (method, rest, accept, want) in [
            (Method::GET, "/orders", None, 200),
            (Method::GET, "/orders", sse, 200),
            (Method::HEAD, "/orders", sse, 200),
            (Method::OPTIONS, "/orders", None, 204),
            (Method::POST, "/orders", sse, 405),
            (Method::DELETE, "/orders", sse, 405),
            (Method::GET, "", sse, 404),
            (Method::GET, "/", sse, 404),
            (Method::GET, "/orders/", sse, 400),
            (Method::GET, "//orders", sse, 400),
            (Method::GET, "/a%2Eb", sse, 200),
            (Method::GET, "/a%252Eb", sse, 400),
            (Method::GET, "/a%2Fb", sse, 400),
            (Method::GET, "/a+b", sse, 400),
            (Method::GET, "/a%", sse, 400),
            (Method::GET, "/%ff", sse, 400),
            (Method::GET, "/orders.*", sse, 400),
            (Method::GET, "/sidestream.x", sse, 400),
            (Method::GET, "/orders", Some("application/json"), 406),
        ] {
            assert_eq!(status(&method, rest, accept), want, "{method} {rest} {accept:?}");
        }
    }

    #[test]
    fn the_header_wins_over_the_query() {
        let mut headers = HeaderMap::new();
        let query = Some(&b"x=1&last-event-id=a%2D1&last-event-id=b"[..]);
        assert_eq!(requested(&headers, None), None);
        assert_eq!(requested(&headers, query), Some(b"a-1".to_vec()));
        assert_eq!(requested(&headers, Some(b"last-event-id=%zz")), Some(b"%zz".to_vec()));
        headers.insert("last-event-id", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(requested(&headers, query), Some(b"\xff".to_vec()));
    }
}
