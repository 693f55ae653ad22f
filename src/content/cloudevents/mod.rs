//! CloudEvents over HTTP, in and out.
//!
//! Sources: CloudEvents 1.0.2 (`spec.md`, attributes and their types), HTTP Protocol Binding 1.0.2 (the three modes) and
//! JSON Event Format 1.0.2 (envelopes), all of <https://github.com/cloudevents/spec>. An event that exists is valid in
//! what they say of the attributes; that `source` and `dataschema` are URIs is taken at their word but for their scheme.
//!
//! Data is kept byte by byte: a slice of the body it came in wherever it is one. An envelope that came as JSON goes out as
//! it came.

mod attribute;
mod binary;
mod data;
mod error;
mod json;
mod write;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use serde_json::value::RawValue;

pub use attribute::Value;
pub use data::Data;
pub use error::CloudEventError;

use super::limits::quote;
use super::media::essence;

/// One CloudEvent. It holds every required attribute, and no two names twice.
#[derive(Clone, Debug)]
pub struct CloudEvent {
    id: Box<str>,
    source: Box<str>,
    kind: Box<str>,
    subject: Option<Box<str>>,
    time: Option<Box<str>>,
    datacontenttype: Option<Box<str>>,
    dataschema: Option<Box<str>>,
    extensions: BTreeMap<Box<str>, Value>,
    data: Option<Data>,
    /// The JSON it came as.
    envelope: Option<Bytes>,
}

/// What an ordinary event is made a CloudEvent of.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Unique within `source`, not empty.
    pub id: &'a str,
    /// A URI reference, not empty.
    pub source: &'a str,
    /// Not empty.
    pub kind: &'a str,
    /// Not empty where there is one.
    pub subject: Option<&'a str>,
    /// RFC 3339.
    pub time: Option<&'a str>,
    /// The media type of `data`. Without one UTF-8 is looked at, and is `application/json` or
    /// `text/plain`.
    pub datacontenttype: Option<&'a str>,
    /// The data; nothing is no data.
    pub data: Bytes,
}

impl CloudEvent {
    /// The event of these parts.
    ///
    /// # Errors
    /// [`CloudEventError::Missing`] and [`CloudEventError::Value`].
    pub fn new(parts: Parts<'_>) -> Result<Self, CloudEventError> {
        let datacontenttype = parts.datacontenttype.or_else(|| Data::looks_like(&parts.data));
        let mut attributes = attribute::Attributes::default();
        attributes.set("id", Value::Text(parts.id.into()))?;
        attributes.set("source", Value::Text(parts.source.into()))?;
        attributes.set("type", Value::Text(parts.kind.into()))?;
        for (name, value) in
            [("subject", parts.subject), ("time", parts.time), ("datacontenttype", datacontenttype)]
        {
            if let Some(value) = value {
                attributes.set(name, Value::Text(value.into()))?;
            }
        }
        attributes.set("specversion", Value::Text(attribute::SPECVERSION.into()))?;
        attributes.finish(|media_type| Ok(Data::of_body(media_type, parts.data)))
    }

    /// Its id, unique within its source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The context it happened in.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What it is about, within its source.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it happened, as it was written (RFC 3339).
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        self.time.as_deref()
    }

    /// The media type of its data.
    #[must_use]
    pub fn datacontenttype(&self) -> Option<&str> {
        self.datacontenttype.as_deref()
    }

    /// The schema of its data.
    #[must_use]
    pub fn dataschema(&self) -> Option<&str> {
        self.dataschema.as_deref()
    }

    /// Its extension attributes, by name, [`super::limits::EXTENSIONS`] at most.
    #[must_use]
    pub fn extensions(&self) -> &BTreeMap<Box<str>, Value> {
        &self.extensions
    }

    /// Its data.
    #[must_use]
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// What no two different events share (CloudEvents 1.0.2, `id`): source and id.
    #[must_use]
    pub fn identity(&self) -> (&str, &str) {
        (&self.source, &self.id)
    }

    /// The event as JSON (`application/cloudevents+json`): as it came where it came so, else written.
    #[must_use]
    pub fn envelope(&self) -> Bytes {
        self.envelope.clone().unwrap_or_else(|| write::write(self))
    }
}

/// Equal in what they say, whatever they were written in.
impl PartialEq for CloudEvent {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.kind == other.kind
            && self.subject == other.subject
            && self.time == other.time
            && self.datacontenttype == other.datacontenttype
            && self.dataschema == other.dataschema
            && self.extensions == other.extensions
            && self.data == other.data
    }
}

impl Eq for CloudEvent {}

/// How events came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in header fields, data as the body.
    Binary,
    /// One envelope.
    Structured,
    /// A list of envelopes.
    Batch,
}

/// What a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// How.
    pub mode: Mode,
    /// One, or in a batch none to [`crate::event::limits::DELIVERY_EVENTS`], in their order.
    pub events: Vec<CloudEvent>,
}

/// The events of a request, all of them valid; none where it doesn't say that it has some. `body` is unpacked.
///
/// # Errors
/// [`CloudEventError`]; one bad event refuses a batch.
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Option<Incoming>, CloudEventError> {
    mode(headers)?.map(|mode| read_as(mode, headers, body)).transpose()
}

/// The events of a request that has some in this mode.
///
/// # Errors
/// As [`read`].
pub fn read_as(mode: Mode, headers: &HeaderMap, body: &Bytes) -> Result<Incoming, CloudEventError> {
    let events = match mode {
        Mode::Batch => json::batch(body)?,
        Mode::Structured => vec![json::structured(body)?],
        Mode::Binary => vec![binary::read(headers, body)?],
    };
    Ok(Incoming { mode, events })
}

/// The mode of a body by itself, for those who can't believe its `Content-Type`: an object with all that every event must
/// have, each a string, is one event; a list whose first element is such an object is a batch. None where it is neither.
#[must_use]
pub fn mode_by_shape(json: &[u8]) -> Option<Mode> {
    // Nothing is parsed where there is none. A name may be written with escapes.
    if memmem::find(json, b"specversion").is_none() && memmem::find(json, br"\u").is_none() {
        return None;
    }
    let text = std::str::from_utf8(json).ok()?;
    match json.first()? {
        b'[' => {
            let events: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            is_event(events.first()?.get()).then_some(Mode::Batch)
        }
        _ => is_event(text).then_some(Mode::Structured),
    }
}

fn is_event(text: &str) -> bool {
    let members: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let is_text = |name| members.get(name).is_some_and(|value| value.get().starts_with('"'));
    ["specversion", "id", "source", "type"].into_iter().all(is_text)
}

/// The mode that a request says it has. HTTP binding §3: the content type decides, and without one of ours the header
/// fields do.
///
/// # Errors
/// [`CloudEventError::Twice`] and [`CloudEventError::Format`].
pub fn mode(headers: &HeaderMap) -> Result<Option<Mode>, CloudEventError> {
    let types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let starts = |value: &[u8], prefix: &str| {
        value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let (mut ours, mut count) = (None, 0);
    for value in types {
        count += 1;
        if starts(value, BATCH) {
            ours = Some((Mode::Batch, BATCH, value));
        } else if starts(value, STRUCTURED) {
            ours = Some((Mode::Structured, STRUCTURED, value));
        }
    }
    let binary = binary::REQUIRED.iter().all(|name| headers.contains_key(*name));
    if count > 1 && (ours.is_some() || binary) {
        return Err(CloudEventError::Twice(CONTENT_TYPE));
    }
    match ours {
        Some((mode, prefix, value)) => {
            let value = String::from_utf8_lossy(value);
            let value = essence(&value);
            let format = value.get(prefix.len()..).unwrap_or_default();
            // Without a format it can only be the one that every implementation must have.
            if format.is_empty() || format.eq_ignore_ascii_case("+json") {
                return Ok(Some(mode));
            }
            Err(CloudEventError::Format(quote(value)))
        }
        None => Ok(binary.then_some(Mode::Binary)),
    }
}

const BATCH: &str = "application/cloudevents-batch";
const STRUCTURED: &str = "application/cloudevents";

#[cfg(test)]
mod tests;
