//! What tells one delivery from another.

use http::HeaderMap;

use super::item::On;
use super::names::{digest, id_header, path_topic, single};
use super::read::Item;
use crate::event::limits::DEDUPE_KEY_BYTES;
use crate::event::{DedupeKey, Topic};
use crate::ingress::outcome::Refusal;
use crate::ingress::pipeline::locate;
use crate::ingress::source::{DedupeBy, Headers, OnError, Place, Source};
use crate::verify::{Freshness, IdRule, Locator, Request};

/// The id of an item: what the source names, else what the request or the scheme knows. None where there is none; then
/// nothing tells the delivery from others.
pub(super) fn id(on: &On<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let source = on.source;
    if let Some(template) = &source.mapping.id {
        return match template.text(on.scope, None) {
            Ok(id) => Ok(Some(id.into_bytes())),
            Err(_) if source.mapping.on_error == OnError::Pass => Ok(None),
            Err(failure) => Err(Refusal::Unmapped(failure)),
        };
    }
    if let Some(cloud) = &on.item.cloud {
        // CloudEvents 1.0.2, `id`: source and id are what no two different events share. A space stands in no source.
        let (source, id) = cloud.event.identity();
        return Ok(Some(format!("{source} {id}").into_bytes()));
    }
    let known = match &source.scheme.facts().id {
        IdRule::Nothing | IdRule::Body => None,
        IdRule::First(places) => places.iter().find_map(|place| at(place, on.headers, on.item)),
        IdRule::Joined(places) => {
            let parts: Option<Vec<_>> = places.iter().map(|place| at(place, on.headers, on.item)).collect();
            parts.map(|parts| parts.join(" "))
        }
    };
    if known.is_some() || source.headers() == Headers::Unsigned {
        return Ok(known.map(String::into_bytes));
    }
    Ok(id_header(on.headers)?.map(<[u8]>::to_vec))
}

/// The text at a place of the scheme's.
pub(super) fn at(locator: &Locator, headers: &HeaderMap, item: &Item) -> Option<String> {
    match locator {
        Locator::Header(name) => header(name, headers),
        Locator::Body(pointer) => pointed(pointer, item),
    }
}

/// A header field's only value, if it is text. Twice is as good as not there: which one counts would be a guess.
fn header(name: &http::HeaderName, headers: &HeaderMap) -> Option<String> {
    let value = single(headers, name).ok()??;
    std::str::from_utf8(value).ok().map(str::to_owned)
}

fn pointed(pointer: &str, item: &Item) -> Option<String> {
    if item.is_form() { None } else { locate::text(&item.raw, pointer) }
}

/// What the log compares of an item, if anything.
pub(super) fn compared(on: &On<'_>, id: Option<&[u8]>) -> Result<Option<Vec<u8>>, Refusal> {
    let compared = match &on.source.dedupe.by {
        DedupeBy::Body => None,
        DedupeBy::Id => id.map(<[u8]>::to_vec),
        DedupeBy::First(places) => places.iter().find_map(|place| match place {
            Place::Header(name) => header(name, on.headers).map(String::into_bytes),
            Place::Body(pointer) => pointed(pointer, on.item).map(String::into_bytes),
        }),
        DedupeBy::Template(template) => match template.text(on.scope, None) {
            Ok(text) => Some(text.into_bytes()),
            Err(_) if on.source.mapping.on_error == OnError::Pass => None,
            Err(failure) => return Err(Refusal::Unmapped(failure)),
        },
    };
    match compared {
        Some(bytes) if bytes.len() > DEDUPE_KEY_BYTES => Err(Refusal::IdTooLong),
        compared => Ok(compared),
    }
}

/// The key of a delivery: of what is compared of all of its items, or of its body. None where one of them has nothing to
/// compare: then the delivery is not known to be the same as any other.
///
/// `place` is what stands in the topic's place of the path: the topic tells deliveries apart, however it is encoded.
pub(super) fn key(
    source: &Source,
    place: &[u8],
    compared: &[Option<Vec<u8>>],
    request: &Request<'_>,
) -> Result<Option<DedupeKey>, Refusal> {
    // No topic is empty, and none is longer than 256 bytes: none of these is the second part of a key of contract 3.
    const OF_ITEMS: &[u8] = &[b'i'; 257];
    const OF_BODY: &[u8] = &[b'b'; 257];
    const OF_SIGNED: &[u8] = &[b's'; 257];
    let topic = if place.is_empty() { None } else { Some(path_topic(place)?) };
    let topic = topic.as_ref().map_or("", Topic::as_str).as_bytes();
    let head = |kind| [source.name.as_bytes(), kind, topic];
    let body_tells = matches!(source.dedupe.by, DedupeBy::Body)
        || (matches!(source.dedupe.by, DedupeBy::Id)
            && source.mapping.id.is_none()
            && source.scheme.facts().id == IdRule::Body
            && compared.iter().all(Option::is_none));
    if body_tells {
        let signed = source.scheme.signed_body(request);
        return Ok(Some(digest(
            head(OF_BODY).into_iter().chain([signed.as_deref().unwrap_or(request.body)]),
        )));
    }
    let all: Option<Vec<&[u8]>> = compared.iter().map(|part| part.as_deref()).collect();
    if let Some(all) = all.filter(|all| !all.is_empty()) {
        return Ok(Some(digest(head(OF_ITEMS).into_iter().chain(all))));
    }
    let signed = if misses_its_id(source) { source.scheme.signed_bytes(request) } else { None };
    Ok(signed.map(|signed| digest(head(OF_SIGNED).into_iter().chain([&*signed]))))
}

/// Whether a delivery without anything to compare is told by what is signed of it, its time included. A captured request
/// that comes again is the same then; another with the same body is signed at another time. Where the time is not signed
/// two honest deliveries could not be told apart, nor where the source compares nothing at all.
fn misses_its_id(source: &Source) -> bool {
    let facts = source.scheme.facts();
    let known = match &facts.id {
        IdRule::Nothing | IdRule::Body => &[][..],
        IdRule::First(places) | IdRule::Joined(places) => places,
    };
    let compares = match source.dedupe.by {
        DedupeBy::Body => false,
        DedupeBy::First(_) | DedupeBy::Template(_) => true,
        DedupeBy::Id => source.mapping.id.is_some() || !known.is_empty(),
    };
    compares && source.headers() == Headers::Unsigned && matches!(facts.freshness, Freshness::Signed(_))
}
