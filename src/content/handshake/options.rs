//! OPTIONS: may this origin send? (HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4, "Abuse Protection")

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Refused, Reply, Settings};
use crate::content::limits::ORIGIN_BYTES;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// The answer to an OPTIONS request.
///
/// `WebHook-Request-Callback` changes nothing: whoever is granted is told in the answer, and nobody else is told later.
///
/// # Errors
/// [`Refused`]; never one that could be read as consent (§4.2: "the handshake cannot rely on status codes").
pub fn options(headers: &HeaderMap, settings: &Settings) -> Result<Reply, Refused> {
    let Some(origin) = single(headers, &REQUEST_ORIGIN, "WebHook-Request-Origin is there more than once")?
    else {
        let cors = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        return Err(if cors { Refused::Cors } else { Refused::Method });
    };
    if settings.origins.is_empty() {
        return Err(Refused::Method);
    }
    if !is_origin(origin) {
        return Err(Refused::Malformed("WebHook-Request-Origin is not a DNS name"));
    }
    let rate = single(headers, &REQUEST_RATE, "WebHook-Request-Rate is there more than once")?;
    let rate = rate.map(requested).transpose()?;
    let granted = |own: &str| own == "*" || own.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
    if !settings.origins.iter().any(|own| granted(own)) {
        return Err(Refused::Origin);
    }
    let rate = match (rate, settings.rate.map(u32::from)) {
        (Some(asked), Some(most)) => asked.min(most).into(),
        (Some(rate), None) | (None, Some(rate)) => rate.into(),
        (None, None) => HeaderValue::from_static("*"),
    };
    let headers = vec![
        // §4.2.1: the name supplied, or `*` for all. The narrower is said, also where all are granted.
        (ALLOWED_ORIGIN, origin.clone()),
        (ALLOWED_RATE, rate),
        (ALLOW, HeaderValue::from_static("POST")),
    ];
    Ok(Reply::empty(StatusCode::OK, headers))
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    twice: &'static str,
) -> Result<Option<&'a HeaderValue>, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refused::Malformed(twice)),
        (value, None) => Ok(value),
    }
}

/// §4.1.2: "a DNS expression". Also with a port, which some put there.
fn is_origin(value: &HeaderValue) -> bool {
    (1..=ORIGIN_BYTES).contains(&value.len())
        && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(b))
}

/// §4.1.4: a positive number. One that is larger than ours can be is as large as it can be.
fn requested(value: &HeaderValue) -> Result<u32, Refused> {
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let rate = digits.filter(|text| !text.is_empty()).map(|text| text.parse().unwrap_or(u32::MAX));
    rate.filter(|rate| *rate > 0).ok_or(Refused::Malformed("WebHook-Request-Rate is not a positive number"))
}
