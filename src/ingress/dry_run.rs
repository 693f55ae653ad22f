//! A request that was captured, put through the steps of its source, without a log: what would become of it, step by step.
//!
//! It is the pipeline itself that runs, so the reports say what the ingress would do, and not what a second reading of the
//! configuration would.

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;

use super::outcome::{self, Refusal};
use super::pipeline::{Defaults, Product, Received, StepName, StepReport, Watch};
use super::settings::Settings;
use super::source::Source;
use crate::event::{Delivery, Event, Millis};
use crate::net::http::Answer;

/// A request as it was captured.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its method.
    pub method: Method,
    /// Its target, as in the request line.
    pub target: String,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Bytes,
    /// When it was received: what its age is judged by.
    pub received: Millis,
}

/// What would become of a request.
#[derive(Debug)]
pub struct DryRun {
    /// What each step did, in their order.
    pub steps: Vec<StepReport>,
    /// What came of it.
    pub end: DryEnd,
    /// What the sender would be answered, unless an app answers that it is handed on to. Cursors are not known before the
    /// log has given them: `…` stands for each.
    pub answer: Answer,
}

/// What would come of a request.
#[derive(Debug)]
pub enum DryEnd {
    /// This would be appended.
    Append(Delivery),
    /// Nothing of it is wanted: answered as if it had been published.
    Filtered,
    /// A question, answered with this status.
    Handshake(u16),
    /// Refused with this status, counted as this outcome, for this reason.
    Refused {
        /// The answer's status.
        status: u16,
        /// The metric's label.
        outcome: &'static str,
        /// Why, in words for the operator.
        why: String,
    },
}

/// Why a request can't be tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTried {
    /// No source takes requests at its path.
    #[error("no source takes webhooks at {0}")]
    NoSource(String),
    /// Another source does.
    #[error("requests for {0} are for another source")]
    OtherSource(String),
    /// It is none.
    #[error("this is no request")]
    Malformed,
}

/// Puts a request through the steps of the source that `settings` have for its path; `source`, if given, must be that
/// one's name.
///
/// # Errors
/// [`NotTried`].
pub fn dry_run(settings: &Settings, source: Option<&str>, request: &Captured) -> Result<DryRun, NotTried> {
    let mut head = RequestHeader::build(request.method.clone(), request.target.as_bytes(), None)
        .map_err(|_| NotTried::Malformed)?;
    for (name, value) in &request.headers {
        head.append_header(name.clone(), value.clone()).map_err(|_| NotTried::Malformed)?;
    }
    let routed = settings.sources.routes().find(&head);
    let routed = routed.ok_or_else(|| NotTried::NoSource(request.target.clone()))?;
    let found = settings.sources.all().get(routed.source);
    let found = found.ok_or_else(|| NotTried::NoSource(request.target.clone()))?;
    if source.is_some_and(|name| *name != *found.name) {
        return Err(NotTried::OtherSource(request.target.clone()));
    }
    let mut steps = Vec::new();
    steps.saw(StepName::Route, None, || Ok(format!("{} at {}", found.name, found.path)));
    let max_body = found.limits.max_body.unwrap_or(settings.max_body);
    let defaults = Defaults { max_body, dedupe_window: settings.dedupe_window };
    let received = Received { head: &head, routed, body: request.body.clone(), time: request.received };
    let (end, answer) = match run(found, received, defaults, &mut steps) {
        Ok(Product::Delivery(delivery)) => {
            let answer = found.respond.answer(|| accepted(&delivery));
            (DryEnd::Append(delivery), answer)
        }
        Ok(Product::Filtered) => (DryEnd::Filtered, found.respond.answer(outcome::filtered)),
        Ok(Product::Handshake(reply)) => {
            (DryEnd::Handshake(reply.status.as_u16()), outcome::handshake(reply))
        }
        Err(refusal) => {
            let (answer, outcome) = (refusal.answer(), refusal.outcome().as_str());
            let status = answer.status().as_u16();
            (DryEnd::Refused { status, outcome, why: refusal.to_string() }, answer)
        }
    };
    Ok(DryRun { steps, end, answer })
}

/// As [`outcome::accepted`] has it, of a delivery that no log has seen.
fn accepted(delivery: &Delivery) -> String {
    let place = |event: &Event| format!(r#""topic":"{}","cursor":"…""#, event.topic);
    let places: Vec<String> = delivery.events.iter().map(place).collect();
    let place = match places.as_slice() {
        [place] => place.clone(),
        places => format!(r#""events":[{{{}}}]"#, places.join("},{")),
    };
    format!(r#"{{{place},"subscribers":null,"duplicate":false}}"#)
}

fn run(
    source: &Source,
    received: Received<'_>,
    defaults: Defaults,
    steps: &mut Vec<StepReport>,
) -> Result<Product, Refusal> {
    super::receive::allowed(source, &received.head.method)?;
    if received.head.method != Method::POST {
        return super::receive::question(source, received.head).map(Product::Handshake);
    }
    if received.body.len() > defaults.max_body {
        let limit = defaults.max_body;
        return Err(Refusal::Body(crate::net::http::BodyError::TooLarge { limit }));
    }
    received.verify(source, steps)?.produce(source, defaults, &|_| true, steps)
}
