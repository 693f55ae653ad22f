//! The listener's application: from a connection's next request to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::bound::{Bindings, Bound};
use super::limits::{BODIES, UNPACKING};
use super::metrics::{Metrics, SourceMetrics};
use super::outcome::{self, Outcome, Refusal};
use super::pipeline::Defaults;
use super::rate::{AddressLimit, Rate, SourceLimit};
use super::receive::{Accepted, Done, End};
use super::route::Routed;
use super::settings::Settings;
use super::source::{Reading, Source};
use crate::event::{Millis, Topic};
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::log::{Appended, Log};
use crate::net::http::{Answer, BodyBudget, BodyLimit, Exchange, Incoming, Reuse};
use crate::relay::Relay;

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
    pub(super) parts: Parts,
    pub(super) bindings: Bindings,
    /// On all sources together.
    pub(super) limit: SourceLimit,
    pub(super) per_address: AddressLimit,
    pub(super) relay: Option<Relay>,
    pub(super) append_most: Duration,
    pub(super) bodies: BodyBudget,
}

/// What a request is held to: of the settings at the moment it came.
pub(super) struct Terms {
    pub(super) body: BodyLimit,
    /// Bytes that one request always has room for while there is no other.
    pub(super) alone: usize,
    pub(super) rate: Option<Rate>,
    pub(super) rate_per_ip: Option<Rate>,
    pub(super) defaults: Defaults,
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
            relay: None,
            append_most: Duration::MAX,
            bodies: BodyBudget::new(BODIES),
        }
    }

    /// With a deadline for the log that no source's is longer than: for tests that wait for it.
    #[must_use]
    pub fn with_append_time(mut self, time: Duration) -> Self {
        self.append_most = time;
        self
    }

    /// With what hands webhooks on.
    #[must_use]
    pub fn with_relay(mut self, relay: Relay) -> Self {
        self.relay = Some(relay);
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
        self.serve_bound(&bound, routed, &terms, request).await
    }

    /// As [`Ingress::serve`], for a request that has been routed.
    pub(super) async fn serve_bound(
        &self,
        bound: &Bound,
        routed: Routed,
        terms: &Terms,
        request: &mut Incoming<'_>,
    ) -> Answer {
        let time = (self.parts.clock)();
        match self.receive(bound, routed, terms, time, request).await {
            Ok(done) => self.answer(bound, done),
            Err(refusal) => {
                bound.state.refused(&refusal, time);
                let source = &*bound.source.name;
                tracing::debug!(source, outcome = refusal.outcome().as_str(), %refusal, "webhook refused");
                refusal.answer()
            }
        }
    }

    /// What a sender is told of a request that was not refused.
    fn answer(&self, bound: &Bound, Done { end, answer }: Done) -> Answer {
        let (metrics, respond) = (&bound.state.metrics, &bound.source.respond);
        match end {
            End::Accepted(accepted) => {
                self.count(metrics, &accepted);
                let Accepted { topics, appended, .. } = accepted;
                let own = || outcome::accepted(&topics, appended, self.subscribers(&topics));
                answer.unwrap_or_else(|| respond.answer(own))
            }
            End::Filtered => {
                metrics.count(Outcome::Filtered);
                answer.unwrap_or_else(|| respond.answer(outcome::filtered))
            }
            End::Handshake(reply) => {
                metrics.count(Outcome::Handshake);
                outcome::handshake(reply)
            }
        }
    }

    /// The source the request is for, and its terms.
    pub(super) fn find(&self, head: &RequestHeader) -> Option<(Arc<Bound>, Routed, Terms)> {
        let settings = self.parts.settings.load();
        let routed = settings.sources.routes().find(head)?;
        let bound = Arc::clone(self.bindings.table(&settings.sources).at(routed)?);
        let max_body = bound.source.limits.max_body.unwrap_or(settings.max_body);
        let terms = Terms {
            body: BodyLimit { bytes: max_body, time: settings.body_timeout },
            alone: alone(&bound.source, max_body),
            rate: settings.rate,
            rate_per_ip: settings.rate_per_ip,
            defaults: Defaults { max_body, dedupe_window: settings.dedupe_window },
        };
        Some((bound, routed, terms))
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
}

/// Bytes that a request may take when there is no other: its body, and what that is unpacked with and to.
fn alone(source: &Source, max_body: usize) -> usize {
    match source.reading {
        Reading::AsItCame => max_body,
        Reading::AsItSays => {
            let max_unpacked = source.limits.max_unpacked.unwrap_or(max_body);
            max_body.saturating_add(max_unpacked.saturating_mul(UNPACKING))
        }
    }
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
