//! Finds a value in a JSON text by its pointer (RFC 6901), without making a tree of the rest.
//!
//! Of equal keys the last counts, as in browsers and in expressions. The whole text is read, so that one that is not JSON
//! to its end gives nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The text of the string or number at `pointer`. None where there is nothing, or anything else, and where the text is no
/// JSON.
pub(super) fn text(json: &[u8], pointer: &str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let steps: Vec<Cow<'_, str>> = pointer.split('/').skip(1).map(unescape).collect();
    let found = Seek(&steps).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

fn unescape(step: &str) -> Cow<'_, str> {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step.into() }
}

/// The rest of the way.
struct Seek<'a>(&'a [Cow<'a, str>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match self.0.split_first() {
                Some((step, rest)) if *step == key => found = map.next_value_seed(Seek(rest))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        // RFC 6901 §4: no leading zeros.
        let plain = |step: &str| step == "0" || !step.starts_with('0');
        let wanted = self.0.split_first().filter(|(step, _)| plain(step));
        let wanted = wanted.and_then(|(step, rest)| Some((step.parse::<usize>().ok()?, rest)));
        let mut found = None;
        for index in 0.. {
            match wanted {
                Some((at, rest)) if at == index => match list.next_element_seed(Seek(rest))? {
                    Some(value) => found = value,
                    None => break,
                },
                _ => {
                    if list.next_element::<IgnoredAny>()?.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn pointers_by_table() {
        let json = br#"{"id":"a","n":7,"m":-1,"f":1.5,"t":true,"z":null,"l":[0,{"x":"y"}],"a/b":{"~":"c"},"d":"1","d":"2"}"#;
        for (pointer, want) in [
            ("/id", Some("a")),
            ("/n", Some("7")),
            ("/m", Some("-1")),
            ("/f", None),
            ("/t", None),
            ("/z", None),
            ("/l", None),
            ("/l/0", Some("0")),
            ("/l/1/x", Some("y")),
            ("/l/01/x", None),
            ("/l/2", None),
            ("/l/x", None),
            ("/a~1b/~0", Some("c")),
            ("/d", Some("2")),
            ("/id/x", None),
            ("/none", None),
            ("", None),
        ] {
            assert_eq!(text(json, pointer).as_deref(), want, "{pointer}");
        }
        assert_eq!(text(br#""whole""#, "").as_deref(), Some("whole"));
        for broken in [&b""[..], b"{", b"{\"id\":\"a\"} x", b"id", b"{\"id\":\"\xff\"}"] {
            assert_eq!(text(broken, "/id"), None);
        }
    }

    proptest! {
        #[test]
        fn as_serde_json_finds_it(keys in prop::collection::vec("[ab/~]{1,2}", 1..4), value in "[a-z]{0,3}") {
            let mut tree = Value::from(value.clone());
            for key in keys.iter().rev() {
                tree = serde_json::json!({ key: tree, "zz": [1] });
            }
            let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
            let pointer = format!("/{}", keys.iter().map(escaped).collect::<Vec<_>>().join("/"));
            prop_assert_eq!(text(tree.to_string().as_bytes(), &pointer), Some(value.clone()));
            prop_assert_eq!(tree.pointer(&pointer).and_then(Value::as_str), Some(value.as_str()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(json: Vec<u8>, pointer in ".{0,10}") {
            let _ = text(&json, &pointer);
        }
    }
}
