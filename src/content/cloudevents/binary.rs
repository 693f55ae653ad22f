//! Binary mode: attributes in header fields, data as the body (HTTP binding §3.1).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::limits::quote;
use super::attribute::{Attributes, Value};
use super::{CloudEvent, CloudEventError, Data};
use crate::octets::{Plus, lenient};

/// A request with all of these is in binary mode.
pub(super) const REQUIRED: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

/// The event of a request.
pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<CloudEvent, CloudEventError> {
    let mut attributes = Attributes::default();
    for header in headers.keys() {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        // §3.1.1: Content-Type is this attribute, and the field MUST NOT be there as well.
        if name == "datacontenttype" {
            let why = "in binary mode it is the Content-Type";
            return Err(CloudEventError::Value { name: name.to_owned(), why });
        }
        attributes.set(name, Value::Text(value(name, single(headers, header)?)?.into()))?;
    }
    if let Some(media_type) = headers.get(CONTENT_TYPE).filter(|value| !value.is_empty()) {
        let text = media_type.to_str().map_err(|_| invalid("datacontenttype", "it is not ASCII"))?;
        attributes.set("datacontenttype", Value::Text(text.into()))?;
    }
    attributes.finish(|media_type| Ok(Data::of_body(media_type, body.clone())))
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, CloudEventError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(CloudEventError::Twice(name.clone())),
    }
}

/// §3.1.3.2: "MUST first be unescaped with respect to double-quoted strings […]. A single round of percent-decoding MUST
/// then be performed", and what is then not UTF-8 MUST be rejected.
fn value(name: &str, value: &HeaderValue) -> Result<String, CloudEventError> {
    let unquoted = unquote(value.as_bytes()).ok_or_else(|| invalid(name, "its quotes don't match"))?;
    String::from_utf8(lenient(&unquoted, Plus::Itself).into_owned())
        .map_err(|_| invalid(name, "it is not UTF-8"))
}

/// A value without its quotes: a quoted-string (RFC 9110 §5.6.4) anywhere in it stands for what is within.
fn unquote(value: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(value.len());
    let (mut within, mut bytes) = (false, value.iter());
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => within = !within,
            b'\\' if within => plain.push(*bytes.next()?),
            _ => plain.push(byte),
        }
    }
    (!within).then_some(plain)
}

fn invalid(name: &str, why: &'static str) -> CloudEventError {
    CloudEventError::Value { name: quote(name), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, CloudEventError> {
        value("subject", &HeaderValue::from_bytes(text).unwrap())
    }

    #[test]
    fn header_values_by_table() {
        let cases: [(&[u8], &str); 14] = [
            (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            (b"%e2%82%ac", "\u{20ac}"),
            (b"%41%2541", "A%41"),
            ("Euro \u{20ac}".as_bytes(), "Euro \u{20ac}"),
            (b"50% off", "50% off"),
            (b"a+b", "a+b"),
            (b"", ""),
            (br#""a b""#, "a b"),
            (br#""a \"b\" \\c""#, r#"a "b" \c"#),
            (br#""%20""#, " "),
            (br#""%2""0""#, " "),
            (br#"a"b c"d"#, "ab cd"),
            (br"a\b", r"a\b"),
            (br#""""#, ""),
        ];
        for (text, want) in cases {
            assert_eq!(read(text).unwrap(), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_utf_8_or_not_closed_is_refused() {
        for (text, why) in [
            (&b"%C0%A0"[..], "it is not UTF-8"),
            (b"%E2%82", "it is not UTF-8"),
            (b"%ED%A0%80", "it is not UTF-8"),
            (b"\xff", "it is not UTF-8"),
            (b"\"a", "its quotes don't match"),
            (b"a\"", "its quotes don't match"),
            (b"\"a\\\"", "its quotes don't match"),
            (b"\"\\", "its quotes don't match"),
        ] {
            assert_eq!(read(text), Err(invalid("subject", why)), "{}", text.escape_ascii());
        }
    }
}
