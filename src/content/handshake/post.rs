//! POST: are you there? Asked with a signature like every other webhook, so answered after it was verified.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EventGrid, Query, Refused, Reply, Settings, is_any};

/// What a sender of this kind may post instead of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Events API, `url_verification`.
    Slack,
    /// `PING`, of interactions and of webhook events.
    Discord,
}

const EVENT_TYPE: HeaderName = HeaderName::from_static("aeg-event-type");

/// The answer to a POST request that was verified; none where it is an event. `greeting` is what its source's kind of sender
/// posts, `query` stands without its `?`, `body` is unpacked.
///
/// # Errors
/// [`Refused`].
pub fn post(
    greeting: Option<Greeting>,
    headers: &HeaderMap,
    query: &str,
    body: &[u8],
    settings: &Settings,
) -> Result<Option<Reply>, Refused> {
    let validation = || headers.get(EVENT_TYPE).is_some_and(|value| value == "SubscriptionValidation");
    if settings.event_grid != EventGrid::Off && validation() {
        return event_grid(query, body, &settings.event_grid).map(Some);
    }
    match greeting {
        Some(Greeting::Slack) => slack(body),
        Some(Greeting::Discord) => Ok(discord(body)),
        None => Ok(None),
    }
}

/// <https://api.slack.com/events/url_verification>
fn slack(body: &[u8]) -> Result<Option<Reply>, Refused> {
    let Some(object) = Object::read(body).filter(|object| object.is("type", "url_verification")) else {
        return Ok(None);
    };
    let challenge: Option<String> = object.value("challenge");
    challenge
        .ok_or(Refused::Malformed("challenge is not a string"))
        .and_then(|text| Reply::echo(&text))
        .map(Some)
}

/// Interactions send `{"type":1}` and want the same back; webhook events send `{"type":0}` and want 204. There, 1 is an event,
/// and has it in `event`.
fn discord(body: &[u8]) -> Option<Reply> {
    let object = Object::read(body)?;
    match object.value::<i64>("type")? {
        1 if !object.has("event") => Some(Reply::json(r#"{"type":1}"#.to_owned())),
        0 => Some(Reply::empty(StatusCode::NO_CONTENT, Vec::new())),
        _ => None,
    }
}

/// "Webhook event delivery", the synchronous handshake: a list of one event, whose code is to come back with 200.
fn event_grid(query: &str, body: &[u8], settings: &EventGrid) -> Result<Reply, Refused> {
    if let EventGrid::Query { parameter, secrets } = settings
        && !is_any(secrets, Query::read(query)?.get(parameter)?.unwrap_or_default())
    {
        return Err(Refused::Token);
    }
    let code = code(body).ok_or(Refused::Malformed("there is no data.validationCode"))?;
    // The bounds of an echo are those of this.
    Reply::echo(&code)?;
    Ok(Reply::json(serde_json::json!({ "validationResponse": code }).to_string()))
}

fn code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let [event]: [&RawValue; 1] = serde_json::from_str(text).ok()?;
    let data: &RawValue = Object::read(event.get().as_bytes())?.raw("data")?;
    Object::read(data.get().as_bytes())?.value("validationCode")
}

/// A JSON object, of which only what is asked for is read. Of a name that comes twice the last counts, as for everybody.
struct Object<'a>(HashMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok().map(Self)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    fn value<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    fn is(&self, name: &str, text: &str) -> bool {
        self.value::<String>(name).is_some_and(|value| value == text)
    }
}
