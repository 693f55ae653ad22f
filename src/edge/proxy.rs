//! The reverse proxy's behaviour.
//!
//! A request's life: its target is put into origin form, it is routed, an app is found, the app is told who asks, its
//! answer is streamed back. Time is kept by the caller's connection ([`Control`]): an answer is due from the request's
//! end on, and after its first byte some byte must pass in either direction now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyWarnLogContext, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{BError, Error, ErrorSource, ErrorType, Result};

use super::exposed::Exposed;
use super::forward;
use super::hold::{self, Hold};
use super::metrics::Metrics;
use super::problem::{self, Problem};
use super::route::{Route, Target, route};
use super::settings::Settings;
use super::subscribe::Subscribe;
use super::tunnel::Tunnels;
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::net::http::origin_form;
use crate::net::upstream::{App, MAX_ADDRESSES, Resolver};
use crate::net::{Control, Peer, Roots, UPSTREAM_POOL, Wait, has_bad_chunks};
use crate::throttle::Throttle;

const NOT_FOUND: Problem = Problem::new(404, "nothing is served here");
const BAD_REQUEST: Problem = Problem::new(400, "the request is not valid");
const TIMEOUT: Problem = Problem::new(408, "the request did not arrive in time");
const INTERNAL: Problem = Problem::new(500, "the request could not be handled");
const BAD_GATEWAY: Problem = Problem::new(502, "the app could not be reached");
const GATEWAY_TIMEOUT: Problem = Problem::new(504, "the app did not answer in time");
const LOOP: Problem = Problem::new(508, "the request goes round in circles");

/// What the edge's listener does with requests. Wrapped by [`proxy`] it is the application of a [`crate::net::Service`].
pub struct Edge {
    pub(super) settings: Live<Settings>,
    pub(super) lifecycle: Lifecycle,
    pub(super) metrics: Metrics,
    pub(super) tunnels: Tunnels,
    pub(super) exposed: Option<Arc<dyn Exposed>>,
    pub(super) subscribe: Option<Subscribe>,
    roots: Roots,
    resolver: Resolver,
    pub(super) failures: Throttle,
}

impl Edge {
    /// Settings are read anew for every request.
    #[must_use]
    pub fn new(settings: Live<Settings>, lifecycle: Lifecycle, metrics: Metrics, roots: Roots) -> Self {
        Self {
            settings,
            lifecycle,
            metrics,
            tunnels: Tunnels::new(&roots),
            exposed: None,
            subscribe: None,
            roots,
            resolver: Resolver::default(),
            failures: Throttle::default(),
        }
    }

    /// Serves subscribers under the prefix; without this nothing is there.
    #[must_use]
    pub fn with_topics(mut self, subscribe: Subscribe) -> Self {
        self.subscribe = Some(subscribe);
        self
    }

    /// Serves webhooks on the paths of sources that say so; without this they go to the app, as every other path.
    #[must_use]
    pub fn with_exposed(mut self, exposed: Arc<dyn Exposed>) -> Self {
        self.exposed = Some(exposed);
        self
    }
}

/// The edge as an application of pingora's.
#[must_use]
pub fn proxy(edge: Edge) -> Arc<HttpProxy<Edge>> {
    // One set of idle connections for all threads: pingora multiplies the size by its number of threads.
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        // Each of a name's addresses, and one connection of the pool that turned out to be closed.
        max_retries: MAX_ADDRESSES + 1,
        ca_file: edge.roots.file(),
        ..ServerConf::default()
    };
    Arc::new(http_proxy(&Arc::new(conf), edge))
}

/// What is known of one request.
#[derive(Debug, Default)]
pub struct Context {
    pub(super) control: Option<Control>,
    pub(super) app: Option<App>,
    /// When the request went to the app.
    pub(super) asked: Option<Instant>,
    request_ended: bool,
    pub(super) answered: bool,
    pub(super) hold: Hold,
}

impl Context {
    pub(super) fn arm(&self, wait: Wait, limit: impl FnOnce(&App) -> Duration) {
        if let (Some(control), Some(app)) = (&self.control, &self.app) {
            control.arm(wait, limit(app));
        }
    }

    fn expired(&self) -> Option<Wait> {
        self.control.as_ref()?.expired()
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    /// None. The default is a compressor that would hold an event stream back until its end.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    fn on_connection_reuse(
        &self,
        _: &mut Session,
        ctx: &mut Context,
        control: Box<dyn std::any::Any + Send + Sync>,
    ) {
        ctx.control = control.downcast().ok().map(|control| *control);
    }

    async fn early_request_filter(&self, session: &mut Session, _: &mut Context) -> Result<()> {
        if session.req_header().version == Version::HTTP_10 {
            // RFC 9110 §15.2: MUST NOT send a 1xx response to an HTTP/1.0 client.
            session.downstream_session.set_ignore_info_resp(true);
        }
        to_origin_form(session.req_header_mut())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let target = session.req_header().raw_path().to_vec();
        let (topics, app) = {
            let settings = self.settings.load();
            match route(&settings.prefix, &target) {
                Route::Topics(Target { rest, query }) => (Some(Target { rest, query }), None),
                Route::App => (None, settings.app()),
            }
        };
        if let Some(target) = topics {
            match &self.subscribe {
                Some(subscribe) => {
                    let terms = subscribe.terms(&self.settings, peer(session), session.req_header());
                    subscribe.serve(&mut session.downstream_session, target, &terms).await?;
                }
                None => problem::answer(session, NOT_FOUND).await?,
            }
            return Ok(true);
        }
        if self.serve_exposed(session, ctx).await? {
            return Ok(true);
        }
        let Some((app, timeouts)) = app else {
            problem::answer(session, NOT_FOUND).await?;
            return Ok(true);
        };
        if forward::is_loop(session.req_header()) {
            problem::answer(session, LOOP).await?;
            return Ok(true);
        }
        ctx.app = Some(self.resolver.app(app, timeouts).await?);
        if forward::is_websocket(session.req_header()) {
            self.tunnel(session, ctx).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        ctx.app.as_ref().ok_or_else(|| Error::new(ErrorType::InternalError))?.peer()
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Context, mut error: BError) -> BError {
        // Nothing was sent, so every method may be tried at the next address.
        error.set_retry(ctx.app.as_mut().is_some_and(App::try_next));
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let authority = ctx.app.as_ref().map(App::authority).unwrap_or_default();
        forward::identify(request, peer(session), &self.settings.load().trusted_proxies, &authority)?;
        forward::add_via(request, session.req_header().version)?;
        self.note_place(ctx);
        ctx.asked = Some(Instant::now());
        if ctx.request_ended {
            // A retry.
            ctx.arm(Wait::Answer, |app| app.timeouts().first_byte);
        } else {
            // A body that neither comes nor is taken is no better than an answer that does not come.
            ctx.arm(Wait::Progress, |app| app.timeouts().first_byte.min(app.timeouts().idle));
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        if end {
            ctx.request_ended = true;
            if !ctx.answered {
                ctx.arm(Wait::Answer, |app| app.timeouts().first_byte);
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if answer.status.is_informational() {
            hold::strip(answer);
            return Ok(());
        }
        self.note_answer(answer, ctx);
        self.accept_hold(session, answer, ctx)?;
        ctx.arm(Wait::Progress, |app| app.timeouts().idle);
        if is_event_stream(answer)
            && let Some(control) = &ctx.control
        {
            control.end_with_drain();
            if self.lifecycle.phase() >= Phase::Ending {
                return Err(Error::explain(ErrorType::ConnectionClosed, "the drain is over").into_down());
            }
        }
        if session.req_header().version == Version::HTTP_10
            && answer.headers.contains_key(header::TRANSFER_ENCODING)
        {
            // RFC 9112 §6.1: only for HTTP/1.1 and later. The end is the connection's.
            answer.remove_header(&header::TRANSFER_ENCODING);
            session.set_keepalive(None);
        }
        if self.lifecycle.phase() >= Phase::Draining {
            session.set_keepalive(None);
        }
        for hop in ["keep-alive", "proxy-connection"] {
            answer.remove_header(hop);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        ctx.hold.see(body.as_deref());
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: BError,
        ctx: &mut Context,
        reused: bool,
    ) -> BError {
        let again = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && !ctx.answered
            && ctx.expired().is_none();
        if again {
            // Only a connection of the pool that turned out to be closed.
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        if self.answer_unheld(session, ctx).await {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let problem = problem_of(error, ctx);
        self.note_failure(session, error, problem, ctx);
        let begun = session.response_written().is_some_and(|answer| !answer.status.is_informational());
        if let Some(problem) = problem.filter(|_| !begun) {
            session.set_keepalive(None);
            // A caller that is gone needs no answer.
            let _ = problem::answer(session, problem).await;
            session.downstream_session.shutdown().await;
        }
        FailToProxy { error_code: problem.map_or(0, |p| p.status), can_reuse_downstream: false }
    }

    /// Runs when a request is over. The session may be an empty one by then, so nothing is asked of it.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        if error.is_none() {
            self.go_on(session, ctx).await;
        }
    }

    /// They are noted in `fail_to_proxy`, fewer and without what a URL may hold.
    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Context, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}

impl Edge {
    /// Counts the app's answer, once.
    pub(super) fn note_answer(&self, answer: &ResponseHeader, ctx: &mut Context) {
        if !std::mem::replace(&mut ctx.answered, true) {
            let after = ctx.asked.map(|asked| asked.elapsed()).unwrap_or_default();
            self.metrics.answered(answer.status.as_u16(), after);
        }
    }

    fn note_failure(&self, session: &Session, error: &Error, problem: Option<Problem>, ctx: &Context) {
        let (method, path) = (&session.req_header().method, session.req_header().uri.path());
        let ours = matches!(problem, Some(Problem { status: 500.., .. }))
            || *error.esource() == ErrorSource::Upstream;
        if !ours {
            tracing::debug!(%method, path, %error, "the caller's request failed");
            return;
        }
        if !ctx.answered {
            self.metrics.unanswered();
        }
        if let Some(left_out) = self.failures.pass(Instant::now()) {
            let status = problem.map_or(0, |p| p.status);
            tracing::warn!(%method, path, status, left_out, %error, "the app did not answer");
        }
    }
}

/// What a caller is told of an error; nothing when the connection is past that.
fn problem_of(error: &Error, ctx: &Context) -> Option<Problem> {
    use ErrorType::{
        ConnectionClosed, InvalidHTTPHeader, ReadError, ReadTimedout, WriteError, WriteTimedout,
    };
    match ctx.expired() {
        Some(Wait::Answer) => return Some(GATEWAY_TIMEOUT),
        Some(Wait::Progress) => return Some(TIMEOUT),
        None => {}
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ReadTimedout | WriteTimedout) => Some(GATEWAY_TIMEOUT),
        (ErrorSource::Upstream, _) => Some(BAD_GATEWAY),
        (ErrorSource::Downstream, ReadTimedout) => Some(TIMEOUT),
        (ErrorSource::Downstream, ReadError) if has_bad_chunks(error) => Some(BAD_REQUEST),
        (ErrorSource::Downstream, ReadError | WriteError | WriteTimedout | ConnectionClosed) => None,
        (ErrorSource::Downstream, _) | (_, InvalidHTTPHeader) => Some(BAD_REQUEST),
        _ => Some(INTERNAL),
    }
}

/// RFC 9112 §3.2.2: an absolute target is taken for what it names here; `Host` is its authority.
fn to_origin_form(request: &mut RequestHeader) -> Result<()> {
    let Some((authority, origin)) = origin_form(request.raw_path()) else { return Ok(()) };
    let authority = HeaderValue::from_bytes(authority)
        .map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "the target's authority").into_down())?;
    request.insert_header(header::HOST, authority)?;
    request.set_raw_path(&origin)
}

pub(super) fn peer(session: &Session) -> Peer {
    session.client_addr().and_then(SocketAddr::as_inet).map_or(Peer::Unix, |address| Peer::Ip(*address))
}

fn is_event_stream(answer: &ResponseHeader) -> bool {
    answer.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}
