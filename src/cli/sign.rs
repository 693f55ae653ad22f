//! `sidestream sign`: the header fields that a sender would send with a body.

use std::io::{self, Write};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::IgnoredAny;

use crate::event::Millis;
use crate::ingress::{Registry, Source};
use crate::verify::{IdRule, Locator, Request};

use super::args::Sign;
use super::sources::{self, Ended};
use super::{Failure, input, now};

/// Reads the body and prints the fields, one a line, as `curl -H @-` reads them.
pub(super) fn run(args: &Sign, brought: &Registry) -> Result<(), Ended> {
    let (_, source) = sources::find(&args.config, &args.source, brought)?;
    let body = input::standard("the body")?;
    let mut text = Vec::new();
    for (name, value) in &fields(args, &source, &body)? {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    Ok(out.write_all(&text).and_then(|()| out.flush())?)
}

/// The fields of a request with this body: those that were given, what the body is, the id, and the signature.
fn fields(args: &Sign, source: &Source, body: &[u8]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &args.headers {
        headers.append(name, value.clone());
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, content_type(body));
    }
    if let Some(id) = &args.id {
        headers.insert(id_field(source)?, HeaderValue::from_str(id)?);
    }
    let target = args.path.clone().unwrap_or_else(|| source.path.to_string());
    let received = args.time.map_or_else(now, |seconds| Millis(seconds.saturating_mul(1000)));
    let request = Request { method: &Method::POST, target: &target, headers: &headers, body, received };
    let scheme = source.scheme.name();
    let signed = source.scheme.sign(&request).ok_or_else(|| {
        format!(
            "no request of senders by {scheme} can be signed for the source {}: only their public keys are known, or \
             something that they sign is missing or not allowed (--id, --header and --path give it)",
            source.name
        )
    })?;
    let mut whole = headers.clone();
    for (name, value) in signed {
        whole.insert(name, value);
    }
    // What is printed is believed: an id that the scheme refuses, for one, is better told here.
    let request = Request { headers: &whole, ..request };
    source.scheme.verify(&request).map_err(|why| format!("it would be refused by {scheme}: {why}"))?;
    Ok(whole)
}

/// What the body is, if nobody says it. A form is what curl takes all data for that it is told nothing of.
fn content_type(body: &[u8]) -> HeaderValue {
    let json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    HeaderValue::from_static(if json { "application/json" } else { "application/x-www-form-urlencoded" })
}

/// Where the source's senders put the id of a delivery.
fn id_field(source: &Source) -> Result<HeaderName, Failure> {
    let (IdRule::First(places) | IdRule::Joined(places)) = &source.scheme.facts().id else {
        return if source.takes_our_headers() {
            Ok(HeaderName::from_static("sidestream-id"))
        } else {
            Err(format!("--id: senders by {} send no id", source.scheme.name()).into())
        };
    };
    let header = places.iter().find_map(|place| match place {
        Locator::Header(name) => Some(name.clone()),
        Locator::Body(_) => None,
    });
    header.ok_or_else(|| format!("--id: senders by {} have the id in the body", source.scheme.name()).into())
}
