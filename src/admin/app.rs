//! The listener's application: routes, and what each answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use super::info::Listening;
use super::inspect::{Inspect, in_time};
use super::metrics::Metrics;
use super::reload::{self, Reload};
use super::revoke::{self, Revoke};
use super::route::{Access, Route};
use super::settings::Settings;
use super::sources::{self, Sources};
use super::{access, connections, health, info, topics};
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::log::Log;
use crate::net::http::{Answer, BodyLimit, Exchange, Reuse};

/// One path reads its body, which is small; what is sent to others is read so that the connection goes on.
const BODY: BodyLimit = BodyLimit { bytes: 64 << 10, time: Duration::from_secs(5) };

/// Called before metrics are gathered: brings gauges up to a snapshot. Quick; it runs on every scrape.
pub type Refresh = Box<dyn Fn() + Send + Sync>;

/// Names what makes no progress; empty while all is well.
pub type Wedged = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What an admin listener is made of.
pub struct Parts {
    /// The token and the readiness policy; a reload replaces them.
    pub settings: Live<Settings>,
    /// Decides readiness.
    pub lifecycle: Lifecycle,
    /// Told of.
    pub log: Arc<dyn Log>,
    /// Lists and ends streams, lists and purges topics.
    pub inspect: Arc<dyn Inspect>,
    /// Lists the sources of webhooks.
    pub sources: Arc<dyn Sources>,
    /// What `/metrics` gathers.
    pub registry: Registry,
    /// This part's own.
    pub metrics: Metrics,
    /// Called before each gathering.
    pub refresh: Vec<Refresh>,
    /// What `/healthz` says.
    pub wedged: Wedged,
    /// What `/api/info` says of the listeners.
    pub listeners: Vec<Listening>,
    /// What `POST /api/reload` asks.
    pub reload: Arc<dyn Reload>,
    /// What `POST /api/revoke` asks.
    pub revoke: Arc<dyn Revoke>,
    /// When the process started.
    pub started: Instant,
}

/// The admin listener. Pingora calls it once per request.
pub struct Admin {
    parts: Parts,
    /// One gathering at a time: refreshing and reading belong together.
    gathering: Mutex<()>,
}

impl Admin {
    /// An admin listener.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, gathering: Mutex::new(()) }
    }

    async fn serve(&self, exchange: &mut Exchange) -> Answer {
        let head = exchange.request();
        let Some(route) = Route::of(head.uri.path()) else {
            return Answer::problem(StatusCode::NOT_FOUND, "there is nothing at this path");
        };
        let Some(access) = route.access(&head.method) else {
            return Answer::problem(StatusCode::METHOD_NOT_ALLOWED, &format!("only {}", route.allows()))
                .with(ALLOW, HeaderValue::from_static(route.allows()));
        };
        if access == Access::Write {
            let judged = {
                let settings = self.parts.settings.load();
                access::write(&head.headers, exchange.peer(), settings.token.as_ref())
            };
            if let Err(denied) = judged {
                tracing::warn!(path = head.uri.path(), %denied, "write refused");
                return denied.answer();
            }
        }
        let query = head.uri.query().unwrap_or_default().to_owned();
        match exchange.body(BODY).await {
            Ok(body) => self.answer(route, &query, &body).await,
            Err(error) => Answer::problem(error.status(), &error.to_string()),
        }
    }

    async fn answer(&self, route: Route, query: &str, body: &[u8]) -> Answer {
        let parts = &self.parts;
        let inspect = parts.inspect.as_ref();
        match route {
            Route::Metrics => self.gather(),
            Route::Health => health::liveness(&(parts.wedged)()),
            Route::Ready => {
                let policy = parts.settings.load().readiness;
                health::readiness(parts.lifecycle.phase(), &parts.log.health(), policy)
            }
            Route::Info => info::answer(&parts.listeners, parts.log.as_ref(), parts.started.elapsed()),
            Route::Reload => reload::answer(parts.reload.reload().await),
            Route::Revoke => in_time(revoke::answer(parts.revoke.as_ref(), body)).await,
            Route::Topics => in_time(topics::list(inspect, query)).await,
            Route::History(name) => in_time(topics::purge(inspect, &name)).await,
            Route::Connections => in_time(connections::list(inspect, query)).await,
            Route::Sources => sources::list(parts.sources.as_ref(), query),
            Route::Connection(id) => in_time(connections::end(inspect, &id)).await,
        }
    }

    fn gather(&self) -> Answer {
        let families = {
            let _one = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
            self.parts.metrics.refresh(self.parts.log.as_ref());
            for refresh in &self.parts.refresh {
                refresh();
            }
            self.parts.registry.gather()
        };
        match TextEncoder::new().encode_to_string(&families) {
            Ok(text) => Answer::new(StatusCode::OK, TEXT_FORMAT, text),
            Err(error) => Answer::problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = match Exchange::read(session).await {
            Ok(exchange) => exchange?,
            Err(unreadable) => return unreadable.answer().await.finish().await,
        };
        let answer = self
            .serve(&mut exchange)
            .await
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        exchange.answer(&answer, Reuse::within(self.parts.lifecycle.phase())).await.finish().await
    }
}
