//! The names that a request's head gives: the topic in its path, and the two headers of ours.

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::event::limits::DEDUPE_KEY_BYTES;
use crate::event::{DedupeKey, EventType, Topic};
use crate::ingress::outcome::Refusal;

/// The event's type.
const EVENT_HEADER: HeaderName = HeaderName::from_static("sidestream-event");
/// The delivery's idempotency key.
const ID_HEADER: HeaderName = HeaderName::from_static("sidestream-id");

/// The topic that a segment of the path names. It is decoded exactly once.
pub(super) fn path_topic(segment: &[u8]) -> Result<Topic, Refusal> {
    let text = crate::net::http::decode(segment).map_err(Refusal::TopicEncoding)?;
    Topic::parse(&text).map_err(Refusal::Topic)
}

/// The type that `Sidestream-Event` names.
pub(super) fn kind_header(headers: &HeaderMap) -> Result<Option<EventType>, Refusal> {
    single(headers, &EVENT_HEADER)?.map(parse_type).transpose()
}

/// The id in `Sidestream-Id`.
pub(super) fn id_header(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let id = single(headers, &ID_HEADER)?;
    if id.is_some_and(|id| id.len() > DEDUPE_KEY_BYTES) {
        return Err(Refusal::HeaderTooLong { name: ID_HEADER, limit: DEDUPE_KEY_BYTES });
    }
    Ok(id)
}

/// The digest that stands for these parts. Each goes in with its length, so that no two lists share their bytes; half of
/// SHA-256 keeps accidents away and a sender gains nothing by forging its own keys.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> DedupeKey {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    DedupeKey(key)
}

/// The key of contract 3: (source, topic, id).
pub(super) fn key(source: &str, topic: &Topic, id: &[u8]) -> DedupeKey {
    digest([source.as_bytes(), topic.as_str().as_bytes(), id])
}

/// The header's only value. Given twice it is ambiguous, given empty it is a mistake: both are refused rather than guessed.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
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

    fn of(topic: &str, id: &[u8]) -> DedupeKey {
        key("default", &Topic::parse(topic).unwrap(), id)
    }

    #[test]
    fn the_key_is_half_of_a_known_digest() {
        // printf '\7\0\0\0\0\0\0\0default\6\0\0\0\0\0\0\0orders\2\0\0\0\0\0\0\0id' | sha256sum
        let hex = of("orders", b"id").0.map(|b| format!("{b:02x}"));
        assert_eq!(hex.concat(), "efd47cc8339f6bcde38f35566d7229a7");
    }

    proptest! {
        #[test]
        fn other_topics_and_ids_have_other_keys(a in "[ab]{1,2}", b in "[ab]{1,2}", x in "[ab]{0,2}", y in "[ab]{0,2}") {
            prop_assert_eq!(of(&a, x.as_bytes()) == of(&b, y.as_bytes()), (&a, &x) == (&b, &y));
        }
    }
}
