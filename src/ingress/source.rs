//! A source: a configured kind of sender, and the steps from what it sent to what is published.
//!
//! The steps are types, so that none can be left out: [`Received`] → [`Verified`] → [`Delivery`].

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use sha2::{Digest, Sha256};

use super::metrics::SourceMetrics;
use super::outcome::Refusal;
use super::path;
use super::rate::SourceLimit;
use crate::event::limits::DEDUPE_KEY_BYTES;
use crate::event::{DedupeKey, Delivery, Event, EventType, Millis, Topic};

/// The event's type.
const EVENT_HEADER: HeaderName = HeaderName::from_static("sidestream-event");
/// The delivery's idempotency key.
const ID_HEADER: HeaderName = HeaderName::from_static("sidestream-id");

/// A kind of sender.
pub(super) struct Source {
    name: &'static str,
    prefix: &'static str,
    verification: Verification,
    /// What is counted under its name.
    pub(super) metrics: SourceMetrics,
    /// How often all of its senders together may send.
    pub(super) limit: SourceLimit,
}

/// How a source's deliveries are verified.
enum Verification {
    /// Not at all: whoever reaches the listener may publish. Said once, at start.
    None,
}

/// A request that is for this source.
pub(super) struct Routed<'a> {
    /// What stands in the topic's place, still encoded.
    pub(super) topic: &'a [u8],
}

/// A request that is for a source, whole, and of which nothing has been believed yet.
pub(super) struct Received<'a> {
    /// The request's head.
    pub(super) head: &'a RequestHeader,
    /// What the route found in it.
    pub(super) routed: Routed<'a>,
    /// The body's bytes as they came.
    pub(super) body: Bytes,
    /// When the head had arrived.
    pub(super) time: Millis,
}

/// A request that is from whom the source says it must be from. Only [`Source::verify`] makes one.
pub(super) struct Verified<'a>(Received<'a>);

impl Source {
    /// The only source where none is configured: `/webhooks/<topic>`, unverified, any content type; the body is the data.
    pub(super) fn standard(metrics: SourceMetrics) -> Self {
        Self {
            name: Self::STANDARD,
            prefix: "/webhooks/",
            verification: Verification::None,
            metrics,
            limit: SourceLimit::default(),
        }
    }

    /// Its name.
    pub(super) const STANDARD: &'static str = "default";

    /// Whether the request is for this source.
    pub(super) fn route<'a>(&self, head: &'a RequestHeader) -> Option<Routed<'a>> {
        path::topic_segment(head, self.prefix).map(|topic| Routed { topic })
    }

    /// Believes the request or refuses it.
    #[expect(clippy::unnecessary_wraps, reason = "the one verification there is refuses nobody")]
    pub(super) fn verify<'a>(&self, received: Received<'a>) -> Result<Verified<'a>, Refusal> {
        match self.verification {
            Verification::None => Ok(Verified(received)),
        }
    }

    /// What the request is to publish.
    pub(super) fn delivery(&self, Verified(received): Verified<'_>) -> Result<Delivery, Refusal> {
        let topic = crate::net::http::decode(received.routed.topic).map_err(Refusal::TopicEncoding)?;
        let topic = Topic::parse(&topic).map_err(Refusal::Topic)?;
        let headers = &received.head.headers;
        let kind = single(headers, &EVENT_HEADER)?.map(parse_type).transpose()?;
        let dedupe = single(headers, &ID_HEADER)?.map(|id| self.key(&topic, id)).transpose()?;
        if std::str::from_utf8(&received.body).is_err() {
            return Err(Refusal::BodyNotUtf8);
        }
        let event = Event { topic, kind, time: received.time, data: received.body };
        Ok(Delivery { events: vec![event], dedupe })
    }

    /// The digest that stands for (source, topic, id). Each part goes in with its length, so that no two triples share
    /// their bytes; half of SHA-256 keeps accidents away and a sender gains nothing by forging its own keys.
    fn key(&self, topic: &Topic, id: &[u8]) -> Result<DedupeKey, Refusal> {
        if id.len() > DEDUPE_KEY_BYTES {
            return Err(Refusal::HeaderTooLong { name: ID_HEADER, limit: DEDUPE_KEY_BYTES });
        }
        let mut digest = Sha256::new();
        for part in [self.name.as_bytes(), topic.as_str().as_bytes(), id] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Ok(DedupeKey(key))
    }
}

/// The header's only value. Given twice it is ambiguous, given empty it is a mistake: both are refused rather than guessed.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::HeaderTwice { name: name.clone() });
    }
    if value.is_empty() {
        return Err(Refusal::HeaderEmpty { name: name.clone() });
    }
    Ok(Some(value.as_bytes()))
}

fn parse_type(value: &[u8]) -> Result<EventType, Refusal> {
    let text = std::str::from_utf8(value).map_err(|_| Refusal::TypeNotUtf8)?;
    EventType::parse(text).map_err(Refusal::Type)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingress::Metrics;

    fn source() -> Source {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Source::standard(metrics.source(Source::STANDARD))
    }

    fn key(topic: &str, id: &[u8]) -> DedupeKey {
        source().key(&Topic::parse(topic).unwrap(), id).unwrap()
    }

    #[test]
    fn the_key_is_half_of_a_known_digest() {
        // printf '\7\0\0\0\0\0\0\0default\6\0\0\0\0\0\0\0orders\2\0\0\0\0\0\0\0id' | sha256sum
        let hex = key("orders", b"id").0.map(|b| format!("{b:02x}"));
        assert_eq!(hex.concat(), "efd47cc8339f6bcde38f35566d7229a7");
    }

    proptest! {
        #[test]
        fn other_topics_and_ids_have_other_keys(a in "[ab]{1,2}", b in "[ab]{1,2}", x in "[ab]{0,2}", y in "[ab]{0,2}") {
            prop_assert_eq!(key(&a, x.as_bytes()) == key(&b, y.as_bytes()), (&a, &x) == (&b, &y));
        }
    }

    #[test]
    fn an_id_has_a_longest_length() {
        let topic = Topic::parse("t").unwrap();
        assert!(source().key(&topic, &[b'x'; DEDUPE_KEY_BYTES]).is_ok());
        assert!(source().key(&topic, &[b'x'; DEDUPE_KEY_BYTES + 1]).is_err());
    }
}
