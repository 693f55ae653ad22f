//! The listener's application: from a connection's next request to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::Method;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::timeout;

use super::bound::{Bindings, Bound};
use super::limits::{APPEND_TIME, BODIES};
use super::metrics::{LogErrorKind, Metrics, SourceMetrics};
use super::outcome::{self, Limited, Outcome, Refusal};
use super::pipeline::{Defaults, Nobody, Product, Received};
use super::rate::{AddressLimit, Rate, SourceLimit};
use super::route::Routed;
use super::settings::Settings;
use super::source::Source;
use crate::content::handshake::{self, Reply};
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
    bindings: Bindings,
    /// On all sources together.
    limit: SourceLimit,
    per_address: AddressLimit,
    append_time: Duration,
    bodies: BodyBudget,
}

/// What a request is held to: of the settings at the moment it came.
struct Terms {
    body: BodyLimit,
    rate: Option<Rate>,
    rate_per_ip: Option<Rate>,
    defaults: Defaults,
}

impl Ingress {
    /// An ingress for the sources in the settings.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let bindings = Bindings::new(parts.metrics.clone(), &parts.settings.load().sources);
        let (limit, per_address) = (SourceLimit::default(), AddressLimit::default());
        Self {
            parts,
            bindings,
            limit,
            per_address,
            append_time: APPEND_TIME,
            bodies: BodyBudget::new(BODIES),
        }
    }

    /// With a deadline for the log that no source's is longer than.
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
        let Some((bound, routed, terms)) = self.find(request.request()) else {
            self.parts.metrics.unrouted.count(Outcome::NotFound);
            return Refusal::NoRoute.answer();
        };
        let time = (self.parts.clock)();
        match self.receive(&bound, routed, &terms, time, request).await {
            Ok(Done::Accepted(accepted)) => {
                self.count(&bound.state.metrics, &accepted);
                let Accepted { topics, appended, .. } = accepted;
                bound
                    .source
                    .respond
                    .answer(|| outcome::accepted(&topics, appended, self.subscribers(&topics)))
            }
            Ok(Done::Filtered) => {
                bound.state.metrics.count(Outcome::Filtered);
                bound.source.respond.answer(outcome::filtered)
            }
            Ok(Done::Handshake(reply)) => {
                bound.state.metrics.count(Outcome::Handshake);
                outcome::handshake(reply)
            }
            Err(refusal) => {
                bound.state.refused(&refusal, time);
                let source = &*bound.source.name;
                tracing::debug!(source, outcome = refusal.outcome().as_str(), %refusal, "webhook refused");
                refusal.answer()
            }
        }
    }

    /// The source the request is for, and its terms.
    fn find(&self, head: &RequestHeader) -> Option<(Arc<Bound>, Routed, Terms)> {
        let settings = self.parts.settings.load();
        let routed = settings.sources.routes().find(head)?;
        let bound = Arc::clone(self.bindings.table(&settings.sources).at(routed)?);
        let max_body = bound.source.limits.max_body.unwrap_or(settings.max_body);
        let terms = Terms {
            body: BodyLimit { bytes: max_body, time: settings.body_timeout },
            rate: settings.rate,
            rate_per_ip: settings.rate_per_ip,
            defaults: Defaults { max_body, dedupe_window: settings.dedupe_window },
        };
        Some((bound, routed, terms))
    }

    /// Everything between the route and the answer. The order is the module's: what is refused early costs little, and
    /// nothing is parsed before it is verified.
    async fn receive(
        &self,
        bound: &Bound,
        routed: Routed,
        terms: &Terms,
        time: Millis,
        request: &mut Incoming<'_>,
    ) -> Result<Done, Refusal> {
        let source = &bound.source;
        let allowed = allowed(source, &request.request().method)?;
        if self.draining() {
            return Err(Refusal::Draining);
        }
        self.check_address(bound, terms, request)?;
        if allowed == Allowed::Question {
            return question(source, request.request()).map(Done::Handshake);
        }
        self.check_rates(bound, terms)?;
        let body = request.body_within(terms.body, &self.bodies).await.map_err(Refusal::Body)?;
        let product = {
            let received = Received { head: request.request(), routed, body, time };
            let verified = received.verify(source, &mut Nobody)?;
            if !source.scheme.is_none() {
                check_source(bound)?;
            }
            verified.produce(source, terms.defaults, &mut Nobody)?
        };
        match product {
            Product::Delivery(delivery) => {
                self.append(delivery, source.respond.deadline).await.map(Done::Accepted)
            }
            Product::Filtered => Ok(Done::Filtered),
            Product::Handshake(reply) => Ok(Done::Handshake(reply)),
        }
    }

    /// The address first: what one sender sends beyond its share does not count against all.
    fn check_address(&self, bound: &Bound, terms: &Terms, request: &Incoming<'_>) -> Result<(), Refusal> {
        if let Some(address) = request.address() {
            let refuse = |exceeded| Refusal::Rate(Limited::Address, exceeded);
            self.per_address.check(terms.rate_per_ip, address).map_err(refuse)?;
            bound.state.per_address.check(bound.source.limits.rate_per_ip, address).map_err(refuse)?;
        }
        Ok(())
    }

    /// What a source may send counts here only where it verifies nothing: elsewhere, those who are not believed could use up
    /// what the others need.
    fn check_rates(&self, bound: &Bound, terms: &Terms) -> Result<(), Refusal> {
        self.limit.check(terms.rate).map_err(|exceeded| Refusal::Rate(Limited::All, exceeded))?;
        if bound.source.scheme.is_none() { check_source(bound) } else { Ok(()) }
    }

    /// Hands the delivery to the log and waits for its word, for a time.
    async fn append(&self, delivery: Delivery, deadline: Duration) -> Result<Accepted, Refusal> {
        let topics: Topics = delivery.events.iter().map(|event| event.topic.clone()).collect();
        let bytes = delivery.events.iter().map(|e| e.data.len() as u64).sum();
        let metrics = &self.parts.metrics;
        let begun = Instant::now();
        let result = timeout(deadline.min(self.append_time), self.parts.log.append(delivery)).await;
        metrics.log_append_seconds.observe(begun.elapsed().as_secs_f64());
        match result {
            Ok(Ok(appended)) => Ok(Accepted { topics, appended, bytes }),
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

    fn count(&self, metrics: &SourceMetrics, accepted: &Accepted) {
        match accepted.appended {
            Appended::Accepted(placement) => {
                metrics.count(Outcome::Accepted);
                metrics.events.inc_by(u64::from(placement.events));
                self.parts.metrics.event_bytes.inc_by(accepted.bytes);
            }
            Appended::Duplicate(_) => metrics.count(Outcome::Duplicate),
        }
    }

    /// Of events of several topics it is not known: a subscription may match more than one of them.
    fn subscribers(&self, topics: &[Topic]) -> Option<u64> {
        let (first, rest) = topics.split_first()?;
        rest.iter().all(|topic| topic == first).then(|| (self.parts.subscribers)(first))
    }

    fn draining(&self) -> bool {
        self.parts.lifecycle.phase() >= Phase::Draining
    }
}

/// What a request of an allowed method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Webhook,
    /// A handshake by GET or OPTIONS.
    Question,
}

/// POST, and what a source's handshakes are asked by.
fn allowed(source: &Source, method: &Method) -> Result<Allowed, Refusal> {
    let handshakes = &source.handshake;
    let gets = !handshakes.topics.is_empty() || !handshakes.verify_tokens.is_empty();
    let options = !handshakes.origins.is_empty();
    if method == Method::POST {
        return Ok(Allowed::Webhook);
    }
    if (method == Method::GET && gets) || (method == Method::OPTIONS && options) {
        return Ok(Allowed::Question);
    }
    let allowed = match (gets, options) {
        (false, false) => "POST",
        (true, false) => "GET, POST",
        (false, true) => "OPTIONS, POST",
        (true, true) => "GET, OPTIONS, POST",
    };
    Err(Refusal::Method { method: method.clone(), allowed })
}

/// The answer to a handshake by GET or OPTIONS, of which nothing is signed.
fn question(source: &Source, head: &RequestHeader) -> Result<Reply, Refusal> {
    if head.method == Method::OPTIONS {
        return handshake::options(&head.headers, &source.handshake).map_err(Refusal::Handshake);
    }
    let asked = handshake::get(head.uri.query().unwrap_or_default(), &source.handshake);
    let none = || Refusal::Method { method: head.method.clone(), allowed: "POST" };
    asked.map_err(Refusal::Handshake)?.ok_or_else(none)
}

fn check_source(bound: &Bound) -> Result<(), Refusal> {
    let checked = bound.state.limit.check(bound.source.limits.rate);
    checked.map_err(|exceeded| Refusal::Rate(Limited::Source, exceeded))
}

/// What a request that was not refused came to.
enum Done {
    Accepted(Accepted),
    Filtered,
    Handshake(Reply),
}

/// The topics of a delivery's events, in their order.
type Topics = Vec<Topic>;

/// A delivery the log has.
struct Accepted {
    topics: Topics,
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
