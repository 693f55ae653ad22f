//! What a verified body holds: one event, or several that the sender put into one request.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::content::cloudevents::{self, CloudEvent, Mode};
use crate::content::{Room, form, lines, unpack};
use crate::expr::Body;
use crate::ingress::outcome::Refusal;
use crate::ingress::source::{Headers, Source};

/// One of the things that a request brought.
pub(super) struct Item {
    /// Its bytes: the whole body, a line, or a `CloudEvent`'s data.
    pub(super) raw: Bytes,
    fields: Option<Vec<(String, String)>>,
    /// What else is known of it where it is one.
    pub(super) cloud: Option<Cloud>,
}

/// A `CloudEvent`, and how it came.
pub(super) struct Cloud {
    pub(super) event: CloudEvent,
    mode: Mode,
}

/// What a request brought.
pub(super) struct Content {
    /// None to many, in their order.
    pub(super) items: Vec<Item>,
    /// How they came, for the dry run.
    pub(super) kind: &'static str,
}

/// The body as it was before it was packed.
pub(super) fn unpacked(
    source: &Source,
    headers: &HeaderMap,
    body: Bytes,
    max_body: usize,
    room: &Room<'_>,
) -> Result<Bytes, Refusal> {
    let most = source.limits.max_unpacked.unwrap_or(max_body);
    unpack(headers, body, most, room).map_err(Refusal::Unpack)
}

impl Content {
    /// Reads an unpacked body as its headers say. Where headers are not signed they do not make a `CloudEvent` of a body
    /// that is none by itself.
    pub(super) fn read(source: &Source, headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        if let Some(incoming) = cloudevents::read(headers, &body).map_err(Refusal::Cloud)? {
            let mode = incoming.mode;
            if mode != Mode::Binary || source.headers() == Headers::AsTheBody {
                let items = incoming.events.into_iter().map(|event| Item::cloud(event, mode)).collect();
                let kind = match mode {
                    Mode::Binary => "a CloudEvent in header fields",
                    Mode::Structured => "a CloudEvent",
                    Mode::Batch => "a batch of CloudEvents",
                };
                return Ok(Self { items, kind });
            }
        }
        if let Some(lines) = lines::read(headers, &body).map_err(Refusal::Lines)? {
            return Ok(Self { items: lines.into_iter().map(Item::whole).collect(), kind: "lines of JSON" });
        }
        let fields = form::read(headers, &body).map_err(Refusal::Form)?.map(|fields| {
            fields.into_iter().map(|field| (field.name.into_owned(), field.value.into_owned())).collect()
        });
        let kind = if fields.is_some() { "a form" } else { "a body" };
        Ok(Self { items: vec![Item { raw: body, fields, cloud: None }], kind })
    }
}

impl Item {
    fn whole(raw: Bytes) -> Self {
        Self { raw, fields: None, cloud: None }
    }

    fn cloud(event: CloudEvent, mode: Mode) -> Self {
        let raw = event.data().map(|data| data.bytes().clone()).unwrap_or_default();
        Self { raw, fields: None, cloud: Some(Cloud { event, mode }) }
    }

    /// What expressions see as `body`. Many senders say that their JSON is something else, so whatever is no form is taken
    /// for JSON once an expression looks into it.
    pub(super) fn body(&self) -> Body<'_> {
        match &self.fields {
            Some(fields) => Body::Fields(fields),
            None => Body::Json(&self.raw),
        }
    }

    /// Whether it is the text of a form, which a JSON pointer does not look into.
    pub(super) fn is_form(&self) -> bool {
        self.fields.is_some()
    }

    /// What expressions see as `headers`. A `CloudEvent` that came as JSON is shown as if its attributes had come as header
    /// fields, so that it does not matter to expressions how it came.
    pub(super) fn headers<'a>(&self, headers: &'a HeaderMap) -> Cow<'a, HeaderMap> {
        match &self.cloud {
            Some(Cloud { event, mode: Mode::Structured | Mode::Batch }) => {
                Cow::Owned(as_fields(event, headers))
            }
            _ => Cow::Borrowed(headers),
        }
    }
}

/// HTTP binding §3.1.3, but for the percent-encoding: expressions want the values.
fn as_fields(event: &CloudEvent, headers: &HeaderMap) -> HeaderMap {
    let mut fields = headers.clone();
    let mut set = |name: HeaderName, value: &str| {
        fields.remove(&name);
        // An attribute holds no control characters, and UTF-8 is obs-text (RFC 9110 §5.5).
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            fields.insert(name, value);
        }
    };
    let attributes = [
        ("ce-id", Some(event.id())),
        ("ce-source", Some(event.source())),
        ("ce-type", Some(event.kind())),
        ("ce-specversion", Some("1.0")),
        ("ce-subject", event.subject()),
        ("ce-time", event.time()),
        ("ce-dataschema", event.dataschema()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            set(HeaderName::from_static(name), value);
        }
    }
    set(CONTENT_TYPE, event.datacontenttype().unwrap_or("application/json"));
    for (name, value) in event.extensions() {
        if let Ok(name) = HeaderName::from_bytes(format!("ce-{name}").as_bytes()) {
            set(name, &value.to_string());
        }
    }
    fields
}
