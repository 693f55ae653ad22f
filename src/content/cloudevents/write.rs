//! An event as an envelope of JSON (JSON format §3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::attribute::{SPECVERSION, Value};
use super::{CloudEvent, Data};

/// Bytes of the attributes, about: what is there before the data.
const HEAD: usize = 512;

/// The envelope, on one line but for line breaks within JSON data.
pub(super) fn write(event: &CloudEvent) -> Bytes {
    let data = event.data.as_ref().map_or(0, |data| data.bytes().len());
    let mut out = Vec::with_capacity(HEAD + data + data / 2);
    out.extend_from_slice(b"{\"specversion\":");
    push(&mut out, SPECVERSION);
    let required = [("id", &event.id), ("source", &event.source), ("type", &event.kind)];
    for (name, value) in required {
        member(&mut out, name);
        push(&mut out, value);
    }
    let optional = [
        ("subject", &event.subject),
        ("time", &event.time),
        ("datacontenttype", &event.datacontenttype),
        ("dataschema", &event.dataschema),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            member(&mut out, name);
            push(&mut out, value);
        }
    }
    for (name, value) in &event.extensions {
        member(&mut out, name);
        match value {
            Value::Text(text) => push(&mut out, text),
            plain => out.extend_from_slice(plain.to_string().as_bytes()),
        }
    }
    match &event.data {
        None => {}
        Some(Data::Json(json)) => {
            member(&mut out, "data");
            out.extend_from_slice(json.trim_ascii());
        }
        Some(Data::Text(text)) => {
            member(&mut out, "data");
            // It is UTF-8; nothing is replaced here.
            push(&mut out, &String::from_utf8_lossy(text));
        }
        Some(Data::Binary(bytes)) => {
            member(&mut out, "data_base64");
            push(&mut out, &STANDARD.encode(bytes));
        }
    }
    out.push(b'}');
    out.into()
}

/// What stands before a member's value. No name has a character that JSON would escape.
fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A JSON string.
fn push(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes every write");
}
