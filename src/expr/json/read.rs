//! Reads JSON into the tree, with `serde_json`'s bounds: at most 128 levels, and nothing behind the value.
//!
//! What is not closed yet stands on one stack for all levels, so that a list or map is allocated once, at its size.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::error::Why;
use super::{Json, Object};

/// Reads a whole text.
///
/// # Errors
/// [`Why::NotJson`], with the place alone: what stands there is the sender's.
pub(in super::super) fn read(text: &[u8]) -> Result<Json<'_>, Why> {
    // All of it is looked at once, as it is faster than string by string. What is not UTF-8 is not JSON: where is for the
    // reader of bytes to say.
    let read = match std::str::from_utf8(text) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text)),
        Err(_) => whole(serde_json::Deserializer::from_slice(text)),
    };
    read.map_err(|e| Why::NotJson { line: e.line(), column: e.column() })
}

fn whole<'a, R: serde_json::de::Read<'a>>(
    mut deserializer: serde_json::Deserializer<R>,
) -> serde_json::Result<Json<'a>> {
    let json = Values(&mut Open::default()).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(json)
}

/// Reads a whole text that is a map or a list.
pub(in super::super) fn read_composite(text: &str) -> Option<Json<'_>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    read(text.as_bytes()).ok()
}

/// What was read of lists and maps that are not closed yet.
#[derive(Default)]
struct Open<'a> {
    elements: Vec<Json<'a>>,
    entries: Vec<(Cow<'a, str>, Json<'a>)>,
}

/// Takes what stands above `from` off a stack. A long list that is alone there is not copied: it may be most of the body.
fn close<T>(stack: &mut Vec<T>, from: usize) -> Box<[T]> {
    /// Room that is worth keeping for the next one.
    const SHORT: usize = 1024;
    if from == 0 && stack.len() > SHORT {
        return std::mem::take(stack).into();
    }
    stack.drain(from..).collect()
}

/// Reads any value.
struct Values<'s, 'a>(&'s mut Open<'a>);

impl<'de> DeserializeSeed<'de> for Values<'_, 'de> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, 'de> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Uint(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Double(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Seen(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Made(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let from = self.0.elements.len();
        while let Some(element) = list.next_element_seed(Values(self.0))? {
            self.0.elements.push(element);
        }
        Ok(Json::List(close(&mut self.0.elements, from)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let from = self.0.entries.len();
        while let Some(Key(key)) = map.next_key()? {
            let value = map.next_value_seed(Values(self.0))?;
            self.0.entries.push((key, value));
        }
        Ok(Json::Map(Box::new(Object::new(close(&mut self.0.entries, from)))))
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value::Value;
    use super::super::{Sink, write};
    use super::*;

    fn written(text: &str) -> String {
        let Ok(json) = read(text.as_bytes()) else { panic!("not read: {text}") };
        let mut sink = Sink::new(u64::MAX);
        assert!(write(&Value::from(&json), &mut sink).is_ok());
        sink.into_text().unwrap_or_else(|_| panic!("not written: {text}"))
    }

    #[test]
    fn long_and_short_ones_stand_on_one_stack() {
        // Longer than what the stack keeps room for: alone on it, and above others.
        let list = vec!["1"; 3000].join(",");
        let map: Vec<String> = (0..3000).map(|n| format!("\"{n}\":{{}}")).collect();
        let map = map.join(",");
        let text =
            format!(r#"[[{list}],[],{{{map}}},[2,[{list}],3],{{"a":[{list}],"b":{{{map}}},"c":"d"}},[4]]"#);
        assert_eq!(written(&text), text);
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        let place = |text: &[u8]| match read(text) {
            Err(Why::NotJson { line, column }) => (line, column),
            _ => (0, 0),
        };
        assert_eq!(place(b"[1,\n {\"a\":}]"), (2, 7));
        assert_eq!(place(b"[1] 2"), (1, 5));
        assert_eq!(place(b"[\"\xc3\xa9\",\n\"a\xff\"]").0, 2);
        assert_eq!(place(b"[1,\xff]"), (1, 4));
        assert_eq!(place(b"[1]"), (0, 0));
        let (deep, deeper) = ("[".repeat(127) + &"]".repeat(127), "[".repeat(128) + &"]".repeat(128));
        assert_eq!(written(&deep), deep);
        assert_eq!(place(deeper.as_bytes()).0, 1);
    }
}
