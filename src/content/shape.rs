//! What a body is by its bytes alone, where nobody vouches for the header fields that came with it.
//!
//! Every body has exactly one shape, whatever is said of it: so whoever sends a signed body again can't have it read as
//! something else. JSON comes first: what begins as a JSON object or list is never a form, and never lines unless it is
//! several values.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cloudevents::{self, Mode};
use super::lines::lines;

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It begins as a JSON object or list does. Whether it is one to its end is seen when it is looked into.
    Json,
    /// A JSON object or list that is one CloudEvent, or several.
    CloudEvents(Mode),
    /// More than one JSON value, the first of them an object or a list, each on a line of its own: these.
    Lines(Vec<Bytes>),
    /// One line of printable text in which a plain name stands before the first `=`: what a form is written as. Text that
    /// only looks so loses nothing by it: it is no JSON either, and its data is the same.
    Form,
    /// Anything else.
    Other,
}

impl Shape {
    /// The shape of a body.
    #[must_use]
    pub fn of(body: &Bytes) -> Self {
        let text = trim(body);
        if !matches!(text.first(), Some(b'{' | b'[')) {
            return if is_form(body) { Self::Form } else { Self::Other };
        }
        // Few senders break lines within JSON; for the others this is all that it costs.
        if memchr::memchr(b'\n', text).is_some()
            && !is_one_value(text)
            && let Ok(lines) = lines(body)
            && lines.len() > 1
        {
            return Self::Lines(lines);
        }
        cloudevents::mode_by_shape(text).map_or(Self::Json, Self::CloudEvents)
    }

    /// The media type that says the same, as far as there is one.
    #[must_use]
    pub fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Form => Some("application/x-www-form-urlencoded"),
            // What it holds is looked at, as it may be broken.
            Self::Json | Self::CloudEvents(_) | Self::Lines(_) | Self::Other => None,
        }
    }

    /// Whether the body is nothing in particular.
    #[must_use]
    pub fn is_other(&self) -> bool {
        *self == Self::Other
    }
}

/// Without the white space of JSON (RFC 8259 §2) around it.
fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(begin, |at| at + 1);
    &text[begin..end]
}

/// Whether nothing stands behind the first value. What is no value at all is not several either.
fn is_one_value(text: &[u8]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    IgnoredAny::deserialize(&mut deserializer).is_err() || deserializer.end().is_ok()
}

fn is_form(body: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', body) else { return false };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-~%+*:[]$@&".contains(byte);
    equals > 0
        && body[..equals].iter().all(is_name)
        && std::str::from_utf8(body).is_ok_and(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(body: &str) -> Shape {
        Shape::of(&Bytes::from(body.to_owned()))
    }

    fn lines_of(count: usize, body: &str) -> bool {
        matches!(of(body), Shape::Lines(lines) if lines.len() == count)
    }

    #[test]
    fn shapes_by_table() {
        for json in [
            "{}",
            " [1]\n",
            "{\"a\":1",
            "{\"a\":\"x&payload=%7B%7D&b=\"}",
            "[\n{\"a\":1},\n{\"a\":2}\n]",
            "{\n \"a\": 1\n}\n",
            "{}{}",
            "{}\n}",
            "{\"a\":1}\nno JSON",
            "\n{\"a=b\":1}\n",
        ] {
            assert_eq!(of(json), Shape::Json, "{json:?}");
        }
        assert!(lines_of(2, "{\"a\":1}\n{\"a\":2}"));
        assert!(lines_of(3, "\r\n[1]\r\n2\r\n\r\n{}\r\n"));
        for form in
            ["a=1", "a=1&b=2", "payload=%7B%7D", "payload={\"a\":1}", "a%5B0%5D=x+y", "a[]=b c", "&a="]
        {
            assert_eq!(of(form), Shape::Form, "{form:?}");
        }
        for other in
            ["", " ", "=", "a", "\"a=b\"", "1\n2", "<a b=\"c\">", "a b=c", "a=b\nc=d", "a=\u{0}", "\u{e9}=a"]
        {
            assert_eq!(of(other), Shape::Other, "{other:?}");
        }
        assert_eq!(Shape::of(&Bytes::from_static(b"a=\xff")), Shape::Other);
    }

    #[test]
    fn a_cloud_event_is_one_whatever_is_said_of_it() {
        let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        let escaped = event.replace("specversion", "spec\\u0076ersion");
        for body in [event, &escaped, &format!("\n{event}\n"), &event.replace(',', ",\n")] {
            assert_eq!(of(body), Shape::CloudEvents(Mode::Structured), "{body}");
        }
        for body in [format!("[{event}]"), format!("[{event},{{}}]")] {
            assert_eq!(of(&body), Shape::CloudEvents(Mode::Batch), "{body}");
        }
        for body in [
            event.replace("\"1\"", "1"),
            event.replace("\"id\"", "\"no\""),
            format!("{{\"data\":{event}}}"),
            format!("[{{}},{event}]"),
            "[]".to_owned(),
        ] {
            assert_eq!(of(&body), Shape::Json, "{body}");
        }
        assert!(lines_of(2, &format!("{event}\n{event}")), "lines of them are lines");
    }

    proptest! {
        /// What is JSON as a whole is never taken apart as anything else.
        #[test]
        fn json_is_json(text in "[a-z&=%{}\\[\\]\n ]{0,20}", pretty: bool) {
            let value = serde_json::json!({ "a": text, "b": [text] });
            let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(of(&body.unwrap()), Shape::Json);
        }

        #[test]
        fn any_bytes_have_a_shape(body: Vec<u8>) {
            let _ = Shape::of(&body.into());
        }
    }
}
