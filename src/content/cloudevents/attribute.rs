//! Attributes: their names, their types, and the event they make (CloudEvents 1.0.2, "Context Attributes").

use std::collections::BTreeMap;

use super::super::limits::{EXTENSIONS, quote};
use super::{CloudEvent, CloudEventError, Data};

/// The one version there is in the field.
pub(super) const SPECVERSION: &str = "1.0";

/// What an attribute holds. In header fields everything is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// All other types: strings, URIs, times, Base64.
    Text(Box<str>),
}

impl std::fmt::Display for Value {
    /// The canonical string of the value ("Type System").
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// The attributes of an event while it is read. One that is set again has the later value.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    core: [Option<Box<str>>; CORE.len()],
    extensions: BTreeMap<Box<str>, Value>,
}

/// The attributes that the specification names, in the order of [`Attributes::core`]. All are text.
pub(super) const CORE: [&str; 8] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];

/// How many of [`CORE`] are required.
const REQUIRED: usize = 4;

impl Attributes {
    /// # Errors
    /// A name or a value that is not valid; too many extensions.
    pub(super) fn set(&mut self, name: &str, value: Value) -> Result<(), CloudEventError> {
        let invalid = |why| Err(CloudEventError::Value { name: quote(name), why });
        if let Value::Text(text) = &value
            && !text.chars().all(allowed)
        {
            return invalid("it holds a control character, or one that is none");
        }
        let Some(core) = CORE.iter().position(|known| *known == name) else {
            return self.extend(name, value);
        };
        let Value::Text(text) = value else { return invalid("it is not a string") };
        match check(name, &text) {
            Ok(()) => self.core[core] = Some(text),
            Err(why) => return invalid(why),
        }
        Ok(())
    }

    fn extend(&mut self, name: &str, value: Value) -> Result<(), CloudEventError> {
        // "Attribute Naming Convention". `data` is a member of the envelope.
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !named || name == "data" {
            return Err(CloudEventError::Name(quote(name)));
        }
        self.extensions.insert(name.into(), value);
        if self.extensions.len() > EXTENSIONS { Err(CloudEventError::TooManyExtensions) } else { Ok(()) }
    }

    /// As if it had never been set: what `null` means (JSON format §2.2).
    pub(super) fn unset(&mut self, name: &str) {
        match CORE.iter().position(|known| *known == name) {
            Some(core) => self.core[core] = None,
            None => drop(self.extensions.remove(name)),
        }
    }

    /// The event, with the data that `data` makes of what its media type is.
    ///
    /// # Errors
    /// A required attribute that is missing; another version; whatever `data` says.
    pub(super) fn finish(
        self,
        data: impl FnOnce(Option<&str>) -> Result<Option<Data>, CloudEventError>,
    ) -> Result<CloudEvent, CloudEventError> {
        // The version first: of another one nothing else is known.
        if let Some(version) = self.core[0].as_deref().filter(|version| *version != SPECVERSION) {
            return Err(CloudEventError::SpecVersion(quote(version)));
        }
        if let Some(missing) = self.core[..REQUIRED].iter().position(Option::is_none) {
            return Err(CloudEventError::Missing(CORE[missing]));
        }
        let [_, id, source, kind, subject, time, datacontenttype, dataschema] = self.core;
        let data = data(datacontenttype.as_deref())?;
        Ok(CloudEvent {
            id: id.unwrap_or_default(),
            source: source.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            subject,
            time,
            datacontenttype,
            dataschema,
            extensions: self.extensions,
            data,
            envelope: None,
        })
    }
}

/// Characters of a String ("Type System"): no control characters, no noncharacters. Surrogates are none in Rust.
fn allowed(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
}

/// What an attribute of the specification must be.
fn check(name: &str, text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    match name {
        "time" if !is_time(text.as_bytes()) => Err("it is not a time as in RFC 3339"),
        "datacontenttype" if !is_media_type(text) => Err("it is not a media type as in RFC 2046"),
        "dataschema" if !has_scheme(text) => Err("it is not an absolute URI as in RFC 3986"),
        _ => Ok(()),
    }
}

/// `type/subtype`, whatever parameters follow.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    super::essence(text).split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// RFC 3986 §3.1.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
}

/// `date-time` of RFC 3339 §5.6, and that the day is one.
fn is_time(text: &[u8]) -> bool {
    let Some((date_time, rest)) = text.split_first_chunk::<19>() else { return false };
    let shape = b"dddd-dd-ddTdd:dd:dd";
    if !date_time.iter().zip(shape).all(|(byte, want)| match want {
        b'd' => byte.is_ascii_digit(),
        want => byte.eq_ignore_ascii_case(want),
    }) {
        return false;
    }
    let number = |at: usize, len: usize| {
        date_time[at..at + len].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 2), number(8, 2));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    // A leap second may come at the end of any minute, as a local time has it.
    (1..=days).contains(&day)
        && number(11, 2) < 24
        && number(14, 2) < 60
        && number(17, 2) <= 60
        && is_offset(fraction(rest))
}

/// What is behind a fraction of a second, where there is one.
fn fraction(text: &[u8]) -> &[u8] {
    let Some(digits) = text.strip_prefix(b".") else { return text };
    let end = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 { text } else { &digits[end..] }
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        b"Z" | b"z" => true,
        [b'+' | b'-', h, hh, b':', m, mm] => {
            [h, hh, m, mm].into_iter().all(u8::is_ascii_digit) && (*h, *hh) < (b'2', b'4') && *m < b'6'
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_by_table() {
        for yes in [
            "2018-04-05T17:31:00Z",
            "2018-04-05t17:31:00.123456789z",
            "2018-04-05T17:31:00+14:00",
            "2018-04-05T17:31:00.1-23:59",
            "2024-02-29T00:00:00Z",
            "2000-02-29T23:59:60Z",
            "0000-12-31T00:00:00-00:00",
        ] {
            assert!(is_time(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "2018-04-05",
            "2018-04-05T17:31:00",
            "2018-04-05 17:31:00Z",
            "2018-04-05T17:31Z",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00,5Z",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:60:00Z",
            "2018-04-05T17:31:61Z",
            "2018-13-05T17:31:00Z",
            "2018-00-05T17:31:00Z",
            "2018-04-31T17:31:00Z",
            "2018-04-00T17:31:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2018-04-05T17:31:00+24:00",
            "2018-04-05T17:31:00+1:00",
            "2018-04-05T17:31:00+0100",
            "2018-04-05T17:31:00ZZ",
            "12018-04-05T17:31:00Z",
            "1522949460",
        ] {
            assert!(!is_time(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn media_types_and_schemas_by_table() {
        for yes in ["application/json", "a/b; c=d", "image/svg+xml;x"] {
            assert!(is_media_type(yes), "{yes}");
        }
        for no in ["json", "/json", "a/", "a b/c", "a/b/c", ";a/b"] {
            assert!(!is_media_type(no), "{no}");
        }
        for yes in ["https://x.example/s", "urn:a", "a+b-c.1:x"] {
            assert!(has_scheme(yes), "{yes}");
        }
        for no in ["/s", "x", "1a:b", ":a", "a:", "a b:c"] {
            assert!(!has_scheme(no), "{no}");
        }
    }
}
