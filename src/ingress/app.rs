//! The listener's application: from a connection's next request to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::Method;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::timeout;

use super::limits::{APPEND_TIME, BODIES};
use super::metrics::{LogErrorKind, Metrics, SourceMetrics};
use super::outcome::{self, Limited, Outcome, Refusal};
use super::rate::AddressLimit;
use super::settings::Settings;
use super::source::{Received, Routed, Source};
use crate::event::{Delivery, Millis, Topic};
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::log::{Appended, Log};
use crate::net::http::{Answer, BodyBudget, BodyLimit, Exchange, Incoming, Reuse};

/// How many subscriptions of this instance match a topic.
pub type Subscribers = Arc<dyn Fn(&Topic) -> u64 + Send + Sync>;

/// What an ingress is made of.
pub struct Parts {
    /// Where deliveries go.
    pub log: Arc<dyn Log>,
    /// Told to the sender.
    pub subscribers: Subscribers,
    /// Limits; a reload replaces them.
    pub settings: Live<Settings>,
    /// From [`Phase::Draining`] on everything is refused.
    pub lifecycle: Lifecycle,
    /// What is counted.
    pub metrics: Metrics,
    /// The wall clock, for the events' times.
    pub clock: fn() -> Millis,
}

/// The ingress. Pingora calls it once per request.
pub struct Ingress {
    parts: Parts,
    source: Source,
    per_address: AddressLimit,
    append_time: Duration,
    bodies: BodyBudget,
}

impl Ingress {
    /// An ingress with the source of contract 3 and no other.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        tracing::warn!("source `default` verifies nothing: whoever reaches the ingress listener may publish");
        let bodies = BodyBudget::new(BODIES);
        let source = Source::standard(parts.metrics.source(Source::STANDARD));
        Self { parts, source, per_address: AddressLimit::default(), append_time: APPEND_TIME, bodies }
    }

    /// With another deadline for the log than [`APPEND_TIME`].
    #[must_use]
    pub fn with_append_time(mut self, time: Duration) -> Self {
        self.append_time = time;
        self
    }

    /// With another budget for bodies on their way in.
    #[cfg(test)]
    pub(super) fn with_bodies(mut self, bodies: BodyBudget) -> Self {
        self.bodies = bodies;
        self
    }

    #[cfg(test)]
    pub(super) fn bodies_held(&self) -> usize {
        self.bodies.held()
    }

    /// Counts a head that its listener refused before it came here.
    pub fn count_refused_head(&self) {
        self.parts.metrics.unrouted.count(Outcome::Malformed);
    }

    /// One request's answer, counted. The request may have come to any listener: what it is lent as knows its limits.
    pub async fn serve(&self, request: &mut Incoming<'_>) -> Answer {
        let (metrics, result) = match self.find(request) {
            Some(source) => (&source.metrics, self.receive(source, request).await),
            None => (&self.parts.metrics.unrouted, Err(Refusal::NoRoute)),
        };
        match result {
            Ok(Accepted { topic, appended, bytes }) => {
                self.count(metrics, appended, bytes);
                outcome::accepted(&topic, appended, (self.parts.subscribers)(&topic))
            }
            Err(refusal) => {
                metrics.count(refusal.outcome());
                tracing::debug!(outcome = refusal.outcome().as_str(), %refusal, "webhook refused");
                refusal.answer()
            }
        }
    }

    /// The source the request is for.
    fn find(&self, request: &Incoming<'_>) -> Option<&Source> {
        self.source.route(request.request()).map(|_| &self.source)
    }

    /// Everything between the route and the answer. The order is the module's: what is refused early costs little, and
    /// nothing is parsed before it is verified.
    async fn receive(&self, source: &Source, request: &mut Incoming<'_>) -> Result<Accepted, Refusal> {
        let method = &request.request().method;
        if method != Method::POST {
            return Err(Refusal::Method { method: method.clone() });
        }
        if self.draining() {
            return Err(Refusal::Draining);
        }
        self.check_rates(source, request)?;
        let time = (self.parts.clock)();
        let limit = {
            let settings = self.parts.settings.load();
            BodyLimit { bytes: settings.max_body, time: settings.body_timeout }
        };
        let body = request.body_within(limit, &self.bodies).await.map_err(Refusal::Body)?;
        let delivery = {
            let head = request.request();
            let routed: Routed<'_> = source.route(head).ok_or(Refusal::NoRoute)?;
            source.verify(Received { head, routed, body, time }).and_then(|v| source.delivery(v))?
        };
        self.append(delivery).await
    }

    /// The address first: what one sender sends beyond its share does not count against all.
    fn check_rates(&self, source: &Source, request: &Incoming<'_>) -> Result<(), Refusal> {
        let (rate, rate_per_ip) = {
            let settings = self.parts.settings.load();
            (settings.rate, settings.rate_per_ip)
        };
        if let Some(address) = request.address() {
            let checked = self.per_address.check(rate_per_ip, address);
            checked.map_err(|exceeded| Refusal::Rate(Limited::Address, exceeded))?;
        }
        source.limit.check(rate).map_err(|exceeded| Refusal::Rate(Limited::Source, exceeded))
    }

    /// Hands the delivery to the log and waits for its word, for a time.
    async fn append(&self, delivery: Delivery) -> Result<Accepted, Refusal> {
        let topic = delivery.events[0].topic.clone();
        let bytes = delivery.events.iter().map(|e| e.data.len() as u64).sum();
        let metrics = &self.parts.metrics;
        let begun = Instant::now();
        let result = timeout(self.append_time, self.parts.log.append(delivery)).await;
        metrics.log_append_seconds.observe(begun.elapsed().as_secs_f64());
        match result {
            Ok(Ok(appended)) => Ok(Accepted { topic, appended, bytes }),
            Ok(Err(error)) => {
                metrics.log_error(LogErrorKind::from(&error));
                Err(Refusal::Log(error))
            }
            Err(_) => {
                metrics.log_error(LogErrorKind::Slow);
                Err(Refusal::LogSlow)
            }
        }
    }

    fn count(&self, metrics: &SourceMetrics, appended: Appended, bytes: u64) {
        match appended {
            Appended::Accepted(placement) => {
                metrics.count(Outcome::Accepted);
                metrics.events.inc_by(u64::from(placement.events));
                self.parts.metrics.event_bytes.inc_by(bytes);
            }
            Appended::Duplicate(_) => metrics.count(Outcome::Duplicate),
        }
    }

    fn draining(&self) -> bool {
        self.parts.lifecycle.phase() >= Phase::Draining
    }
}

/// A delivery the log has.
struct Accepted {
    topic: Topic,
    appended: Appended,
    bytes: u64,
}

#[async_trait]
impl HttpServerApp for Ingress {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = match Exchange::read(session).await {
            Ok(exchange) => exchange?,
            Err(unreadable) => {
                self.count_refused_head();
                return unreadable.answer().await.finish().await;
            }
        };
        let received = Instant::now();
        let answer = self.serve(&mut exchange.incoming()).await;
        let answered = exchange.answer(&answer, Reuse::within(self.parts.lifecycle.phase())).await;
        self.parts.metrics.answered(received.elapsed());
        answered.finish().await
    }
}
