//! `GET /topics/…`: from a request to a stream, or to a page of history.
//!
//! What is wrong for good is answered as a problem; what is only wrong now gets the overload answer; and whoever may
//! listen has its socket handed to a shard, which answers it. Pingora's task ends there, and frees all it held.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use super::accept::{self, Wanted};
use super::access::{self, Gate};
use super::answer::{self, Asker, Common, Cookies, METHODS};
use super::ask::AskError;
use super::client_address::{self, TrustedProxies};
use super::history::{History, Listener};
use super::query::{self, Asked};
use super::route::Target;
use super::settings::{Overload, Settings};
use crate::auth::Grant;
use crate::event::Selector;
use crate::fanout::{Admission, Beginning, Fanout, Round};
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::net::http::Answer;
use crate::net::{Peer, take_conn};
use crate::sse::Framing;

/// Bytes of a stream's send buffer in the kernel, which doubles it for its own use. Kernel buffers count in a pod's
/// memory: without a cap a slow subscriber gets up to 4 MiB of it. It holds a few hundred small events.
pub(super) const SEND_BUFFER: usize = 64 << 10;

/// Which topic rule the subscriptions to these topics are counted under.
pub type RuleOf = Arc<dyn Fn(&Selector) -> Arc<str> + Send + Sync>;

/// Opens streams.
pub struct Subscribe {
    fanout: Arc<Fanout>,
    history: History,
    rule_of: RuleOf,
    gate: Arc<Gate>,
}

/// What holds for one request, taken from the settings of the moment it came.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    overload: Overload,
    topics: usize,
    common: Common,
    /// What judges who may listen; none where everybody may.
    access: Option<access::Terms>,
    /// From before that was looked up: what changes later is asked of the stream once more.
    judged: Round,
    /// Who asks, behind whatever proxies are trusted; none over a unix socket.
    remote: Option<SocketAddr>,
}

impl Terms {
    /// The terms for `request`, by the settings of a moment that is not before `judged`.
    fn of(settings: &Settings, judged: Round, peer: Peer, request: &RequestHeader) -> Self {
        let cookies = if access::depends_on_cookies(settings) { Cookies::Read } else { Cookies::Unread };
        Self {
            overload: settings.overload,
            topics: settings.topics_per_connection,
            common: Common::of(settings.cors.as_ref(), cookies, &request.method, &request.headers),
            access: access::Terms::of(settings, peer, request),
            judged,
            remote: remote(peer, &request.headers, &settings.trusted_proxies),
        }
    }
}

/// Who asks, behind whatever proxies are trusted.
pub(super) fn remote(peer: Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<SocketAddr> {
    let client = client_address::client(peer, headers, trusted);
    match peer {
        Peer::Ip(address) if client == Some(address.ip()) => Some(address),
        // A proxy's word has no port that means something here.
        _ => client.map(|address| SocketAddr::new(address, 0)),
    }
}

/// Why a request is refused for good.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("only {METHODS}")]
    Method,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("this is text/event-stream or application/json, neither of which the request accepts")]
    NotAcceptable,
}

impl Refusal {
    fn answer(&self) -> Answer {
        let status = match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Ask(AskError::NoTopic) => StatusCode::NOT_FOUND,
            Self::Ask(_) => StatusCode::BAD_REQUEST,
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
    /// Streams are opened on `fanout`, and pages read from its log. `requests` is how many the edge's listener takes at one
    /// time. `access` judges who may listen.
    #[must_use]
    pub fn new(
        fanout: Arc<Fanout>,
        rule_of: RuleOf,
        lifecycle: Lifecycle,
        requests: usize,
        access: access::Parts,
    ) -> Self {
        let gate = Arc::new(Gate::new(access));
        let history = History::new(Arc::clone(&fanout), lifecycle, requests, Arc::clone(&gate));
        Self { fanout, history, rule_of, gate }
    }

    /// Where its streams are opened.
    pub(super) fn fanout(&self) -> &Arc<Fanout> {
        &self.fanout
    }

    /// Who says who may listen.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The rule that a subscription to `selector` is counted under.
    pub(super) fn rule(&self, selector: &Selector) -> Arc<str> {
        (self.rule_of)(selector)
    }

    /// What holds for `request`.
    pub(super) fn terms(&self, settings: &Live<Settings>, peer: Peer, request: &RequestHeader) -> Terms {
        let judged = self.fanout.round();
        Terms::of(&settings.load(), judged, peer, request)
    }

    /// Answers a request under the prefix, or takes its connection away: after that the session is an empty one.
    ///
    /// # Errors
    /// When the answer could not be written.
    pub(super) async fn serve(
        &self,
        session: &mut ServerSession,
        target: Target<'_>,
        terms: &Terms,
    ) -> pingora::Result<()> {
        let request = session.req_header();
        let common = &terms.common;
        let (asker, asked) = match read(&request.method, target, &request.headers, terms.topics) {
            Err(refusal) => return common.on(refusal.answer()).write(session).await,
            Ok(Read::Options) => return answer::write_options(session, common).await,
            Ok(Read::Page(asked)) => (Asker::Page, asked),
            Ok(Read::Stream(asked)) => (Asker::Stream(terms.overload), asked),
        };
        let grant = match self.judge(request, terms, &asked).await {
            Ok(grant) => grant,
            Err(refusal) => return access::refuse(session, &refusal, asker, common).await,
        };
        match asker {
            Asker::Page => {
                let listener = Listener { remote: terms.remote, grant };
                self.history.serve(session, asked, listener, common).await
            }
            Asker::Stream(_) if session.req_header().method == Method::HEAD => {
                answer::write_stream(session, Bytes::new(), common).await
            }
            Asker::Stream(_) => {
                let listener = Listener { remote: terms.remote, grant };
                match self.begin(asked, &listener).await {
                    Some((beginning, rule)) => hand_over(session, beginning, rule, listener, terms).await,
                    None => answer::write_overload(session, asker, common).await,
                }
            }
        }
    }

    /// What the listener is to hold, when it may have what it asks for.
    async fn judge(
        &self,
        request: &RequestHeader,
        terms: &Terms,
        asked: &Asked,
    ) -> Result<Option<Arc<Grant>>, access::Refusal> {
        let Some(access) = &terms.access else { return Ok(None) };
        self.gate.admit(access, request, &asked.token, &asked.subscription.selector).await
    }

    /// Room for a stream, its place in the log, and the rule it is counted under; none when it can't be opened now.
    async fn begin(&self, asked: Asked, listener: &Listener) -> Option<(Beginning, Arc<str>)> {
        let Asked { subscription, begin, .. } = asked;
        let reservation = self.fanout.reserve(listener.address(), listener.subject(), &begin).ok()?;
        let rule = (self.rule_of)(&subscription.selector);
        match reservation.begin(Arc::new(subscription), &begin).await {
            Ok(beginning) => Some((beginning, rule)),
            Err(error) => {
                tracing::debug!(%error, "the log can't tell where a stream begins");
                None
            }
        }
    }
}

/// Gives the request's connection to a shard.
async fn hand_over(
    session: &mut ServerSession,
    beginning: Beginning,
    rule: Arc<str>,
    listener: Listener,
    terms: &Terms,
) -> pingora::Result<()> {
    let version = session.req_header().version;
    let framing = if version >= Version::HTTP_11 { Framing::Chunked } else { Framing::Close };
    let Some(conn) = take_conn(session) else {
        // Every listener of ours makes its own connections; anything else is a mistake in putting them together.
        return Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "no stream on this connection")
            .write(session)
            .await;
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
    let head = answer::stream_head(framing, &terms.common);
    let Listener { remote, grant } = listener;
    beginning.admit(Admission { socket, remote, framing, head, rule, grant, judged: terms.judged });
    Ok(())
}

/// What a good request wants.
#[derive(Debug)]
enum Read {
    Stream(Asked),
    Page(Asked),
    Options,
}

fn read(method: &Method, target: Target<'_>, headers: &HeaderMap, topics: usize) -> Result<Read, Refusal> {
    if *method == Method::OPTIONS {
        // Whatever the target: a browser that asks first is to see what is wrong with the real request.
        return Ok(Read::Options);
    }
    if ![Method::GET, Method::HEAD].contains(method) {
        return Err(Refusal::Method);
    }
    let last_event_id = headers.get("last-event-id").map(HeaderValue::as_bytes);
    let asked = query::read(target.rest, target.query, last_event_id, topics)?;
    match accept::preferred(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes)) {
        Wanted::Stream => Ok(Read::Stream(asked)),
        Wanted::Page => Ok(Read::Page(asked)),
        Wanted::Neither => Err(Refusal::NotAcceptable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, target: &'static str, accept: Option<&'static str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.extend(accept.map(|a| (ACCEPT, HeaderValue::from_static(a))));
        let (rest, query) =
            target.split_once('?').map_or((target, None), |(rest, query)| (rest, Some(query.as_bytes())));
        match read(method, Target { rest: rest.as_bytes(), query }, &headers, 64) {
            Ok(Read::Stream(_)) => 200,
            Ok(Read::Page(_)) => 201,
            Ok(Read::Options) => 204,
            Err(refusal) => refusal.answer().status().as_u16(),
        }
    }

    #[test]
    fn requests_by_table() {
        let sse = Some("text/event-stream");
        for (method, target, accept, want) in [
            (Method::GET, "/orders", None, 200),
            (Method::GET, "/orders", sse, 200),
            (Method::GET, "/orders.*", sse, 200),
            (Method::GET, "?topic=a&topic=b.*", sse, 200),
            (Method::HEAD, "/orders", sse, 200),
            (Method::OPTIONS, "/orders", None, 204),
            (Method::OPTIONS, "/a..b", None, 204),
            (Method::OPTIONS, "", None, 204),
            (Method::POST, "/orders", sse, 405),
            (Method::DELETE, "/orders", sse, 405),
            (Method::POST, "", sse, 405),
            (Method::GET, "", sse, 404),
            (Method::GET, "/", sse, 404),
            (Method::HEAD, "", sse, 404),
            (Method::GET, "/orders/", sse, 400),
            (Method::GET, "/a?since=x", sse, 400),
            (Method::HEAD, "/a?since=x", sse, 400),
            // 201 stands for a page here.
            (Method::GET, "/orders", Some("application/json"), 201),
            (Method::HEAD, "/orders", Some("application/json"), 201),
            (Method::GET, "/a..b", Some("application/json"), 400),
            (Method::GET, "/orders", Some("text/html"), 406),
            (Method::GET, "/a..b", Some("text/html"), 400),
        ] {
            assert_eq!(status(&method, target, accept), want, "{method} {target} {accept:?}");
        }
    }

    #[test]
    fn a_header_is_the_cursor() {
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", HeaderValue::from_bytes(b"\xff").unwrap());
        let target = Target { rest: b"/a", query: Some(b"last-event-id=b") };
        let Ok(Read::Stream(asked)) = read(&Method::GET, target, &headers, 64) else { panic!("a stream") };
        assert_eq!(asked.begin.cursor(), Some(&b"\xff"[..]));
    }
}
