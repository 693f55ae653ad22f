//! Values as JSON text, in the order of their keys, into a sink that says when it is enough.

use std::io::{self, Write};

use super::super::error::Why;
use super::super::scope::header;
use super::super::value::{List, Map, Value};
use super::Json;

/// Where text goes: it is refused beyond what the delivery may make.
pub(in super::super) struct Sink {
    text: Vec<u8>,
    room: u64,
}

impl Sink {
    /// A sink for at most `room` bytes.
    pub(in super::super) fn new(room: u64) -> Self {
        Self { text: Vec::new(), room }
    }

    pub(in super::super) fn put(&mut self, text: &[u8]) -> Result<(), Why> {
        if (self.text.len() + text.len()) as u64 > self.room {
            return Err(Why::Made);
        }
        self.text.extend_from_slice(text);
        Ok(())
    }

    /// What was written: text, as only whole texts are put.
    pub(in super::super) fn into_text(self) -> Result<String, Why> {
        String::from_utf8(self.text).map_err(|_| Why::NotUtf8("the result"))
    }

    fn serialize(&mut self, value: impl serde::Serialize) -> Result<(), Why> {
        // The only error there is comes from the sink itself.
        serde_json::to_writer(self, &value).map_err(|_| Why::Made)
    }
}

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.put(text).map_err(|_| io::ErrorKind::StorageFull)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a value. Points and lengths of time are texts in JSON, and keys of maps are made texts.
pub(in super::super) fn write(value: &Value<'_>, sink: &mut Sink) -> Result<(), Why> {
    match value {
        Value::Null => sink.put(b"null"),
        Value::Bool(b) => sink.serialize(b),
        Value::Int(n) => sink.serialize(n),
        Value::Uint(n) => sink.serialize(n),
        Value::Double(n) if n.is_finite() => sink.serialize(n),
        Value::Double(_) => Err(Why::NotFinite),
        Value::Text(text) => sink.serialize(&**text),
        Value::Moment(_) | Value::Span(_) | Value::Kind(_) => {
            sink.serialize(value.text().unwrap_or_default())
        }
        Value::List(List::Seen(list)) => write_list(list.iter(), sink, write_json),
        Value::List(List::Made(list)) => write_list(list.iter(), sink, write),
        Value::Map(map) => write_map(map, sink),
    }
}

/// Writes a part of the body.
fn write_json(json: &Json<'_>, sink: &mut Sink) -> Result<(), Why> {
    match json {
        Json::Null => sink.put(b"null"),
        Json::Bool(b) => sink.serialize(b),
        Json::Int(n) => sink.serialize(n),
        Json::Uint(n) => sink.serialize(n),
        Json::Double(n) => sink.serialize(n),
        Json::Seen(text) => sink.serialize(text),
        Json::Made(text) => sink.serialize(text),
        Json::List(list) => write_list(list.iter(), sink, write_json),
        Json::Map(object) => write_entries(object.iter(), sink, |key, sink| sink.serialize(key), write_json),
    }
}

fn write_map(map: &Map<'_>, sink: &mut Sink) -> Result<(), Why> {
    match map {
        Map::Seen(object) => write_entries(object.iter(), sink, |key, sink| sink.serialize(key), write_json),
        Map::Made(entries) => {
            let entries = entries.iter().map(|(key, value)| (key, value));
            // Keys are texts, whole numbers and bools: all have a text.
            write_entries(entries, sink, |key, sink| sink.serialize(key.text().unwrap_or_default()), write)
        }
        Map::Headers(headers) => {
            let fields = headers.names().filter_map(|name| Some((name, header(*headers, name.as_str())?)));
            write_entries(
                fields,
                sink,
                |name, sink| sink.serialize(name.as_str()),
                |value, sink| write(&value?, sink),
            )
        }
    }
}

fn write_list<T>(
    elements: impl Iterator<Item = T>,
    sink: &mut Sink,
    each: impl Fn(T, &mut Sink) -> Result<(), Why>,
) -> Result<(), Why> {
    sink.put(b"[")?;
    for (n, element) in elements.enumerate() {
        if n > 0 {
            sink.put(b",")?;
        }
        each(element, sink)?;
    }
    sink.put(b"]")
}

fn write_entries<K, T>(
    entries: impl Iterator<Item = (K, T)>,
    sink: &mut Sink,
    key: impl Fn(K, &mut Sink) -> Result<(), Why>,
    value: impl Fn(T, &mut Sink) -> Result<(), Why>,
) -> Result<(), Why> {
    sink.put(b"{")?;
    for (n, (name, held)) in entries.enumerate() {
        if n > 0 {
            sink.put(b",")?;
        }
        key(name, sink)?;
        sink.put(b":")?;
        value(held, sink)?;
    }
    sink.put(b"}")
}
