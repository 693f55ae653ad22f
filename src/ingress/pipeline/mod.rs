//! From what a source was sent to what is published.
//!
//! The steps are types, so that none can be left out: [`Received`] → [`Verified`] → [`Product`]. Nothing of a request is
//! decoded, unpacked or parsed before it is verified, and only events can be appended.

mod names;

use bytes::Bytes;
use pingora::http::RequestHeader;

use super::outcome::Refusal;
use super::route::{Routed, path_of};
use super::source::{Source, TopicRule, Verification};
use crate::event::{Dedupe, Delivery, Event, Millis};
use crate::verify::Request;

/// A request that is for a source, whole, and of which nothing has been believed yet.
pub(super) struct Received<'a> {
    /// The request's head.
    pub(super) head: &'a RequestHeader,
    /// What the route found in it.
    pub(super) routed: Routed,
    /// The body's bytes as they came.
    pub(super) body: Bytes,
    /// When the head had arrived.
    pub(super) time: Millis,
}

/// A request that is from whom the source says it must be from. Only [`Received::verify`] makes one.
pub(super) struct Verified<'a>(Received<'a>);

/// What a request comes to.
pub(super) enum Product {
    /// To be appended.
    Delivery(Delivery),
}

impl<'a> Received<'a> {
    /// Believes the request or refuses it.
    pub(super) fn verify(self, source: &Source) -> Result<Verified<'a>, Refusal> {
        match &source.verification {
            Verification::None => {}
            Verification::By(verifier, _) => {
                let target = std::str::from_utf8(self.head.raw_path()).map_err(|_| Refusal::Target)?;
                let request = Request {
                    method: &self.head.method,
                    target,
                    headers: &self.head.headers,
                    body: &self.body,
                    received: self.time,
                };
                verifier.verify(&request).map_err(Refusal::Unverified)?;
            }
        }
        Ok(Verified(self))
    }
}

impl Verified<'_> {
    /// What the request is to publish.
    pub(super) fn produce(self, source: &Source, window: std::time::Duration) -> Result<Product, Refusal> {
        let Received { head, routed, body, time } = self.0;
        let topic = match (&source.topic, routed.topic) {
            (TopicRule::Fixed(topic), _) => topic.clone(),
            (TopicRule::Path, Some((begin, end))) => names::path_topic(&path_of(head)[begin..end])?,
            (TopicRule::Path, None) => return Err(Refusal::NoRoute),
        };
        let headers = &head.headers;
        let kind = names::kind_header(headers)?;
        let dedupe = names::id_header(headers)?
            .map(|id| names::key(&source.name, &topic, id))
            .map(|key| Dedupe { key, window: source.dedupe.window.unwrap_or(window) });
        if std::str::from_utf8(&body).is_err() {
            return Err(Refusal::BodyNotUtf8);
        }
        let event = Event { topic, kind, time, data: body };
        Ok(Product::Delivery(Delivery { events: vec![event], dedupe }))
    }
}
