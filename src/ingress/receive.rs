//! Everything between a route and the answer.
//!
//! The order is the module's: what is refused early costs little, nothing is parsed before it is verified, and nothing is
//! answered 2xx before the log has it.

use std::time::{Duration, Instant};

use http::Method;
use pingora::http::RequestHeader;
use tokio::time::timeout;

use super::app::{Ingress, Terms};
use super::bound::Bound;
use super::limits::{QUESTIONS, QUESTIONS_AT_ONCE};
use super::metrics::LogErrorKind;
use super::outcome::{Limited, Refusal};
use super::pipeline::{Nobody, Product, Received};
use super::rate::Rate;
use super::route::Routed;
use super::source::Source;
use crate::content::handshake::{self, Reply};
use crate::event::{Delivery, Millis, Topic};
use crate::lifecycle::Phase;
use crate::log::Appended;
use crate::net::http::{Answer, Incoming};

/// What a request that was not refused came to.
pub(super) struct Done {
    pub(super) end: End,
    /// The app's answer, which is the sender's then.
    pub(super) answer: Option<Answer>,
}

/// How it ended.
pub(super) enum End {
    /// In the log.
    Accepted(Accepted),
    /// Nothing of it was wanted.
    Filtered,
    /// It was a question.
    Handshake(Reply),
}

/// The topics of a delivery's events, in their order.
pub(super) type Topics = Vec<Topic>;

/// A delivery the log has.
pub(super) struct Accepted {
    pub(super) topics: Topics,
    pub(super) appended: Appended,
    pub(super) bytes: u64,
}

impl Ingress {
    /// What a request comes to.
    pub(super) async fn receive(
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
            // Anybody may ask, and a token can be guessed at. What senders may send is not theirs to use up.
            let checked = bound.state.questions.check(Some(questions()));
            checked.map_err(|exceeded| Refusal::Rate(Limited::Questions, exceeded))?;
            let reply = question(source, request.request())?;
            return Ok(Done { end: End::Handshake(reply), answer: None });
        }
        self.check_rates(bound, terms)?;
        let body = request.body_within(terms.body, &self.bodies, terms.alone).await;
        let body = body.map_err(Refusal::Body)?;
        let product = {
            let received = Received { head: request.request(), routed, body: body.clone(), time };
            let verified = received.verify(source, &mut Nobody)?;
            if !source.scheme.is_none() {
                check_source(bound)?;
            }
            verified.produce(source, terms.defaults, &|more| request.hold(more), &mut Nobody)?
        };
        let delivery = match product {
            Product::Handshake(reply) => return Ok(Done { end: End::Handshake(reply), answer: None }),
            Product::Filtered => None,
            Product::Delivery(delivery) => Some(delivery),
        };
        let relayed = self.relayed(source, request, body);
        let before = relayed.before().await?;
        let end = match delivery {
            Some(delivery) => match self.append(delivery, source.respond.deadline).await {
                Ok(accepted) => End::Accepted(accepted),
                Err(refusal) => {
                    relayed.doubtful(&refusal);
                    return Err(refusal);
                }
            },
            None => End::Filtered,
        };
        let answer = relayed.after(&end).await.or(before);
        Ok(Done { end, answer })
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
        let result = timeout(deadline.min(self.append_most), self.parts.log.append(delivery)).await;
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

    fn draining(&self) -> bool {
        self.parts.lifecycle.phase() >= Phase::Draining
    }
}

/// What a request of an allowed method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Webhook,
    /// A handshake by GET or OPTIONS.
    Question,
}

/// POST, and what a source's handshakes are asked by.
pub(super) fn allowed(source: &Source, method: &Method) -> Result<Allowed, Refusal> {
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
pub(super) fn question(source: &Source, head: &RequestHeader) -> Result<Reply, Refusal> {
    let none = || Refusal::Method { method: head.method.clone(), allowed: "POST" };
    if head.method == Method::OPTIONS {
        return handshake::options(&head.headers, &source.handshake).map_err(|refused| match refused {
            handshake::Refused::Method => none(),
            refused => Refusal::Handshake(refused),
        });
    }
    let asked = handshake::get(head.uri.query().unwrap_or_default(), &source.handshake);
    asked.map_err(Refusal::Handshake)?.ok_or_else(none)
}

/// How often a source's handshakes by GET and OPTIONS are answered.
fn questions() -> Rate {
    Rate::per_second(QUESTIONS, QUESTIONS_AT_ONCE)
}

fn check_source(bound: &Bound) -> Result<(), Refusal> {
    let checked = bound.state.limit.check(bound.source.limits.rate);
    checked.map_err(|exceeded| Refusal::Rate(Limited::Source, exceeded))
}
