//! What a verified body holds: one event, or several that the sender put into one request.
//!
//! Where header fields are worth as much as the body they say what it is. Where they are not signed its bytes do
//! ([`Shape`]): a header field may then have the body refused, and never have it read as something else. Else whoever has
//! captured a signed request could send it again as another event, and past the key that would tell it is the same.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::content::cloudevents::{self, CloudEvent, Incoming, Mode};
use crate::content::{Media, Room, Shape, form, lines, unpack};
use crate::expr::Body;
use crate::ingress::outcome::Refusal;
use crate::ingress::source::{Binary, Headers, Source};

/// One of the things that a request brought.
pub(super) struct Item {
    /// Its bytes: the whole body, a line, or a `CloudEvent`'s data.
    pub(super) raw: Bytes,
    fields: Option<Vec<(String, String)>>,
    /// What else is known of it where it is one.
    pub(super) cloud: Option<Cloud>,
    kind: Kind,
}

/// What tells an item's media type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `Content-Type`.
    AsSaid,
    /// Its bytes: this one, or what they look like.
    AsItIs(Option<&'static str>),
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
    if source.headers() == Headers::AsTheBody {
        return unpack(headers, body, most, room).map_err(Refusal::Unpack);
    }
    // Nothing in bytes that may be any tells packed ones from others: the header field would choose what is published.
    if is_packed(headers) && source.mapping.binary == Binary::Base64 {
        return Err(Refusal::Packed);
    }
    let came = body.clone();
    let body = unpack(headers, body, most, room).map_err(Refusal::Unpack)?;
    if is_packed(headers) && !Shape::of(&came).is_other() {
        return Err(Refusal::NotPacked);
    }
    // So that a packed body whose Content-Encoding was taken away is nothing at all.
    match source.mapping.binary {
        Binary::Refused if std::str::from_utf8(&body).is_err() => Err(Refusal::BodyNotUtf8),
        _ => Ok(body),
    }
}

fn is_packed(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

impl Content {
    /// Reads an unpacked body.
    pub(super) fn read(source: &Source, headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        match source.headers() {
            Headers::AsTheBody => Self::as_it_says(headers, body),
            Headers::Unsigned => Self::as_it_is(source, headers, body),
        }
    }

    /// By its header fields.
    fn as_it_says(headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        if let Some(incoming) = cloudevents::read(headers, &body).map_err(Refusal::Cloud)? {
            return Ok(Self::events(incoming));
        }
        if let Some(lines) = lines::read(headers, &body).map_err(Refusal::Lines)? {
            return Ok(Self::lines(lines, Kind::AsSaid));
        }
        match form::read(headers, &body).map_err(Refusal::Form)? {
            Some(fields) => Ok(Self::form(&body, fields, Kind::AsSaid)),
            None => Ok(Self::whole(body, Kind::AsSaid)),
        }
    }

    /// By its bytes. What its header fields say besides must not be contradicted, so that a sender who gets it wrong is told.
    fn as_it_is(source: &Source, headers: &HeaderMap, body: Bytes) -> Result<Self, Refusal> {
        let shape = Shape::of(&body);
        if Media::of(headers) == Media::Multipart {
            return Err(Refusal::Form(form::FormError::Multipart));
        }
        match cloudevents::mode(headers).map_err(Refusal::Cloud)? {
            Some(said @ (Mode::Structured | Mode::Batch)) if shape != Shape::CloudEvents(said) => {
                let incoming = cloudevents::read_as(said, headers, &body).map_err(Refusal::Cloud)?;
                // A batch of none is one, and looks like any list.
                if incoming.events.is_empty() {
                    return Ok(Self::events(incoming));
                }
            }
            _ => {}
        }
        let kind = Kind::AsItIs(shape.media_type());
        match shape {
            // A source that splits bodies itself, by what the configuration says of them, gets the list.
            Shape::CloudEvents(Mode::Batch) if source.mapping.each.is_some() => Ok(Self::whole(body, kind)),
            Shape::CloudEvents(mode) => {
                cloudevents::read_as(mode, headers, &body).map(Self::events).map_err(Refusal::Cloud)
            }
            Shape::Lines(lines) => Ok(Self::lines(lines, kind)),
            Shape::Form => {
                let fields = form::fields(&body).map_err(Refusal::Form)?;
                Ok(Self::form(&body, fields, kind))
            }
            Shape::Json | Shape::Other => {
                lines::read(headers, &body).map_err(Refusal::Lines)?;
                Ok(Self::whole(body, kind))
            }
        }
    }

    fn events(incoming: Incoming) -> Self {
        let Incoming { mode, events } = incoming;
        let kind = match mode {
            Mode::Binary => "a CloudEvent in header fields",
            Mode::Structured => "a CloudEvent",
            Mode::Batch => "a batch of CloudEvents",
        };
        Self { items: events.into_iter().map(|event| Item::cloud(event, mode)).collect(), kind }
    }

    fn lines(lines: Vec<Bytes>, kind: Kind) -> Self {
        let items = lines.into_iter().map(|raw| Item { raw, fields: None, cloud: None, kind }).collect();
        Self { items, kind: "lines of JSON" }
    }

    fn form(body: &Bytes, fields: Vec<form::Field<'_>>, kind: Kind) -> Self {
        let fields = fields.into_iter().map(|field| (field.name.into_owned(), field.value.into_owned()));
        let item = Item { raw: body.clone(), fields: Some(fields.collect()), cloud: None, kind };
        Self { items: vec![item], kind: "a form" }
    }

    fn whole(raw: Bytes, kind: Kind) -> Self {
        Self { items: vec![Item { raw, fields: None, cloud: None, kind }], kind: "a body" }
    }
}

impl Item {
    fn cloud(event: CloudEvent, mode: Mode) -> Self {
        let raw = event.data().map(|data| data.bytes().clone()).unwrap_or_default();
        // What its Content-Type is, its attribute says, and it is shown so.
        Self { raw, fields: None, cloud: Some(Cloud { event, mode }), kind: Kind::AsSaid }
    }

    /// The media type of what is in it, as far as it is known.
    pub(super) fn media_type<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        match self.kind {
            Kind::AsSaid => headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()),
            Kind::AsItIs(media_type) => media_type,
        }
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

    /// Makes of `headers` what expressions see as `headers`. A `CloudEvent` that came as JSON is shown as if its attributes
    /// had come as header fields, so that it does not matter to expressions how it came; and none has those of another, or
    /// of a request in which nobody signed them.
    pub(super) fn show(&self, worth: Headers, headers: &mut Cow<'_, HeaderMap>) {
        match &self.cloud {
            Some(Cloud { event, mode: Mode::Structured | Mode::Batch }) => {
                let fields = headers.to_mut();
                without_attributes(fields);
                set_attributes(event, fields);
            }
            _ if worth == Headers::Unsigned && headers.keys().any(is_attribute) => {
                without_attributes(headers.to_mut());
            }
            _ => {}
        }
    }
}

fn is_attribute(name: &HeaderName) -> bool {
    name.as_str().starts_with("ce-")
}

fn without_attributes(fields: &mut HeaderMap) {
    let names: Vec<HeaderName> = fields.keys().filter(|name| is_attribute(name)).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

/// HTTP binding §3.1.3, but for the percent-encoding: expressions want the values.
fn set_attributes(event: &CloudEvent, fields: &mut HeaderMap) {
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
}
