//! An event as one line of JSON, so that a subscriber to many topics can tell them apart:
//! `{"topic":…,"type":…,"time":…,"data":…}`.

use std::io::Write as _;

use serde::de::IgnoredAny;

use super::time::rfc3339;
use crate::event::{DEFAULT_TYPE, Event, EventType};

/// How an envelope holds the event's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// As a string, always.
    Text,
    /// As it is where it is JSON, else as a string.
    Json,
}

/// The envelope, without a line break in it.
#[must_use]
pub fn envelope(event: &Event, data: Data) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.data.len() + 128);
    out.extend_from_slice(b"{\"topic\":");
    push_text(&mut out, event.topic.as_str());
    out.extend_from_slice(b",\"type\":");
    push_text(&mut out, event.kind.as_ref().map_or(DEFAULT_TYPE, EventType::as_str));
    let _ = write!(out, ",\"time\":\"{}\",\"data\":", rfc3339(event.time));
    if data == Data::Json && serde_json::from_slice::<IgnoredAny>(&event.data).is_ok() {
        // Line breaks can only stand between the tokens of JSON (RFC 8259, section 7), where a space does as well.
        out.extend(event.data.iter().map(|&b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
    } else {
        // Only UTF-8 is accepted into an event; nothing is replaced here.
        push_text(&mut out, &String::from_utf8_lossy(&event.data));
    }
    out.push(b'}');
    out
}

/// A JSON string.
fn push_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Millis, Topic};

    fn written(kind: Option<&str>, data: &str, how: Data) -> String {
        let event = Event {
            topic: Topic::parse("orders.7").unwrap(),
            kind: kind.map(|k| EventType::parse(k).unwrap()),
            time: Millis(0),
            data: data.to_owned().into(),
        };
        String::from_utf8(envelope(&event, how)).unwrap()
    }

    #[test]
    fn an_envelope_is_one_line_of_json() {
        const HEAD: &str =
            r#"{"topic":"orders.7","type":"message","time":"1970-01-01T00:00:00.000Z","data":"#;
        let cases = [
            (r#"{"id":7}"#, Data::Text, r#""{\"id\":7}""#),
            (r#"{"id":7}"#, Data::Json, r#"{"id":7}"#),
            ("{\r\n \"id\": 7\n}", Data::Json, "{   \"id\": 7 }"),
            ("{\"id\":", Data::Json, r#""{\"id\":""#),
            ("", Data::Json, r#""""#),
            ("two\nlines", Data::Text, r#""two\nlines""#),
            ("\u{2028}é\0", Data::Text, "\"\u{2028}é\\u0000\""),
            ("12", Data::Json, "12"),
        ];
        for (data, how, want) in cases {
            let line = written(None, data, how);
            assert_eq!(line, format!("{HEAD}{want}}}"), "{data:?}");
            assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        }
        assert!(written(Some("a\"b"), "", Data::Text).contains(r#""type":"a\"b""#));
    }

    /// Nesting costs the parser no stack.
    #[test]
    fn json_of_any_depth_is_embedded() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(written(None, &deep, Data::Json).ends_with(&format!("\"data\":{deep}}}")));
    }
}
