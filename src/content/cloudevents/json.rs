//! Structured and batch mode: envelopes of JSON (JSON format §2 to §4).

use std::fmt;
use std::str::from_utf8;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::limits::{EXTENSIONS, quote};
use super::super::media::is_json;
use super::attribute::{Attributes, Value};
use super::{CloudEvent, CloudEventError, Data};
use crate::event::limits::DELIVERY_EVENTS;

/// The event of a body.
pub(super) fn structured(body: &Bytes) -> Result<CloudEvent, CloudEventError> {
    from_utf8(body).map_err(|_| CloudEventError::NotUtf8).and_then(|text| envelope(body, text))
}

/// The events of a body: all of them, or an error (JSON format §4).
pub(super) fn batch(body: &Bytes) -> Result<Vec<CloudEvent>, CloudEventError> {
    let text = from_utf8(body).map_err(|_| CloudEventError::NotUtf8)?;
    let Items { items, more } = parse(text, "a list of events")?;
    if more {
        return Err(CloudEventError::TooMany);
    }
    let read = |(index, item): (usize, &RawValue)| {
        envelope(body, item.get()).map_err(|why| CloudEventError::At(index + 1, Box::new(why)))
    };
    items.into_iter().enumerate().map(read).collect()
}

/// The event of an envelope, whose text is a part of `body`.
fn envelope(body: &Bytes, text: &str) -> Result<CloudEvent, CloudEventError> {
    let Members { members, more } = parse(text, "an event")?;
    if more {
        return Err(CloudEventError::TooManyExtensions);
    }
    let mut attributes = Attributes::default();
    let (mut data, mut base64) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "data" => data = Some(value),
            "data_base64" => base64 = Some(value).filter(|value| value.get() != "null"),
            _ => match attribute(&name, value)? {
                Some(value) => attributes.set(&name, value)?,
                None => attributes.unset(&name),
            },
        }
    }
    let mut event = attributes.finish(|media_type| match (data, base64) {
        (None, None) => Ok(None),
        (Some(data), None) => Ok(Some(plain(body, media_type, data)?)),
        (None, Some(base64)) => Ok(Some(binary(base64)?)),
        (Some(_), Some(_)) => Err(CloudEventError::TwoData),
    })?;
    event.envelope = Some(body.slice_ref(text.trim_ascii().as_bytes()));
    Ok(event)
}

/// §2.2: an attribute's value; none where it is `null`.
fn attribute(name: &str, value: &RawValue) -> Result<Option<Value>, CloudEventError> {
    let text = value.get();
    let invalid = |why| CloudEventError::Value { name: quote(name), why };
    match text.as_bytes()[0] {
        b'n' => Ok(None),
        b't' => Ok(Some(Value::Boolean(true))),
        b'f' => Ok(Some(Value::Boolean(false))),
        b'"' => match serde_json::from_str::<Box<str>>(text) {
            Ok(text) => Ok(Some(Value::Text(text))),
            Err(_) => Err(invalid("it is not Unicode")),
        },
        b'{' | b'[' => Err(invalid("it is not a string, a whole number, true or false")),
        _ => match text.parse() {
            Ok(number) => Ok(Some(Value::Integer(number))),
            Err(_) => Err(invalid("it is not a whole number of 32 bits")),
        },
    }
}

/// §3.1.2 for `data`: JSON by its media type, or without one, is the value itself. Else a string is what it says, and
/// another value, which may be refused, is kept as what it is.
fn plain(body: &Bytes, media_type: Option<&str>, data: &RawValue) -> Result<Data, CloudEventError> {
    let text = data.get();
    let within = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match within {
        Some(within) if !media_type.is_none_or(is_json) => {
            if !within.contains('\\') {
                return Ok(Data::Text(body.slice_ref(within.as_bytes())));
            }
            let text: String = serde_json::from_str(text)
                .map_err(|_| CloudEventError::Value { name: "data".to_owned(), why: "it is not Unicode" })?;
            Ok(Data::Text(text.into()))
        }
        _ => Ok(Data::Json(body.slice_ref(text.as_bytes()))),
    }
}

/// §3.1.2 for `data_base64`.
fn binary(data: &RawValue) -> Result<Data, CloudEventError> {
    let text: String = serde_json::from_str(data.get()).map_err(|_| CloudEventError::Base64)?;
    let bytes = STANDARD.decode(text).map_err(|_| CloudEventError::Base64)?;
    Ok(Data::Binary(bytes.into()))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, expected: &'static str) -> Result<T, CloudEventError> {
    serde_json::from_str(text).map_err(|error| CloudEventError::NotJson {
        expected,
        line: error.line(),
        column: error.column(),
    })
}

/// The members of an object in their order, [`MEMBERS`] at most, a name maybe more than once; and whether there are more.
/// Values are parts of the text.
struct Members<'a> {
    members: Vec<(String, &'a RawValue)>,
    more: bool,
}

/// Members of an envelope: room for every attribute, and for some that come twice.
const MEMBERS: usize = 2 * EXTENSIONS;

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'a> Visitor<'a> for Object {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut more) = (Vec::new(), false);
                while let Some(member) = map.next_entry()? {
                    more |= members.len() == MEMBERS;
                    if !more {
                        members.push(member);
                    }
                }
                Ok(Members { members, more })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The items of a list, [`DELIVERY_EVENTS`] at most, and whether there are more.
struct Items<'a> {
    items: Vec<&'a RawValue>,
    more: bool,
}

impl<'a> Deserialize<'a> for Items<'a> {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'a> Visitor<'a> for List {
            type Value = Items<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let (mut items, mut more) = (Vec::new(), false);
                while let Some(item) = list.next_element()? {
                    more |= items.len() == DELIVERY_EVENTS;
                    if !more {
                        items.push(item);
                    }
                }
                Ok(Items { items, more })
            }
        }
        deserializer.deserialize_seq(List)
    }
}
