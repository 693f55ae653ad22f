//! Bodies of one JSON value a line (NDJSON, JSON Lines): each becomes an event, its bytes as they came.
//!
//! A line ends with LF or CRLF, the last one also with the body. Blank lines are skipped, as both conventions allow
//! (<https://github.com/ndjson/ndjson-spec> 3.1). All or nothing: one line that is no JSON refuses the body.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::IgnoredAny;

use super::media::Media;
use crate::event::limits::DELIVERY_EVENTS;

/// Why a body of lines was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// Not UTF-8, which JSON is (RFC 8259 §8.1).
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// A line is something else than one JSON value.
    #[error("line {line} is not JSON, at its byte {column}")]
    NotJson {
        /// From 1, blank ones counted.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Over [`DELIVERY_EVENTS`].
    #[error("the body has more than {DELIVERY_EVENTS} lines of JSON")]
    TooMany,
}

impl LinesError {
    /// What the sender is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotUtf8 | Self::NotJson { .. } => StatusCode::BAD_REQUEST,
            Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

/// The lines of a body that says it has some; none where it doesn't.
///
/// # Errors
/// [`LinesError`].
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Option<Vec<Bytes>>, LinesError> {
    if Media::of(headers) == Media::Lines { lines(body).map(Some) } else { Ok(None) }
}

/// The JSON values of a body, one a line: slices of it without the white space around them, [`DELIVERY_EVENTS`] at most. Each keeps
/// the whole body in memory for as long as it lives.
///
/// # Errors
/// [`LinesError`].
pub fn lines(body: &Bytes) -> Result<Vec<Bytes>, LinesError> {
    // Once for all: the JSON parser skips over strings without looking at their bytes.
    let text = std::str::from_utf8(body).map_err(|_| LinesError::NotUtf8)?;
    let mut found = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        // White space of JSON (RFC 8259 §2), the CR of a line's end among it.
        let value = line.trim_matches([' ', '\t', '\r']);
        if value.is_empty() {
            continue;
        }
        if found.len() == DELIVERY_EVENTS {
            return Err(LinesError::TooMany);
        }
        serde_json::from_str::<IgnoredAny>(line)
            .map_err(|error| LinesError::NotJson { line: index + 1, column: error.column() })?;
        found.push(body.slice_ref(value.as_bytes()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use proptest::prelude::*;

    use super::*;

    fn split(body: &str) -> Result<Vec<String>, LinesError> {
        let found = lines(&body.to_owned().into())?;
        Ok(found.into_iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect())
    }

    #[test]
    fn lines_by_table() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("\n\r\n  \n\t\r\n", &[]),
            ("{}", &["{}"]),
            ("{\"a\":1}\n[2]\n", &["{\"a\":1}", "[2]"]),
            ("{}\r\n\r\n \"x y\"\t\r\n3\r\n", &["{}", "\"x y\"", "3"]),
            ("1\r\r", &["1"]),
            ("\"\u{20ac}\\n\"\nnull", &["\"\u{20ac}\\n\"", "null"]),
            ("{\"a\":1,\"a\":2}", &["{\"a\":1,\"a\":2}"]),
        ];
        for (body, want) in cases {
            assert_eq!(split(body).unwrap(), want, "{body:?}");
        }
    }

    #[test]
    fn one_bad_line_refuses_all() {
        for (body, line, column) in [
            ("{}\n\n{\"a\":}\n", 3, 6),
            ("{}{}", 1, 3),
            ("{\n}", 1, 1),
            ("\u{feff}{}", 1, 1),
            ("1\r2", 1, 3),
            ("\u{a0}", 1, 1),
            ("\n\u{c}\n", 2, 1),
        ] {
            assert_eq!(split(body), Err(LinesError::NotJson { line, column }), "{body:?}");
        }
        assert_eq!(lines(&Bytes::from_static(b"\"\xff\"")), Err(LinesError::NotUtf8));
        assert_eq!(LinesError::NotUtf8.status(), 400);
        assert_eq!(
            LinesError::NotJson { line: 3, column: 6 }.to_string(),
            "line 3 is not JSON, at its byte 6"
        );
    }

    #[test]
    fn lines_are_counted() {
        let most = "1\n\n".repeat(DELIVERY_EVENTS);
        assert_eq!(split(&most).unwrap().len(), DELIVERY_EVENTS);
        assert_eq!(split(&(most + "1")), Err(LinesError::TooMany));
        assert_eq!(LinesError::TooMany.status(), 413);
    }

    /// Nesting costs the parser no stack.
    #[test]
    fn lines_of_any_depth_are_read() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(split(&deep).unwrap(), [deep]);
    }

    #[test]
    fn only_what_says_it_has_lines_is_split() {
        let body = Bytes::from_static(b"1\n2");
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers, &body), Ok(None));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(read(&headers, &body), Ok(None));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        assert_eq!(read(&headers, &body).unwrap().unwrap().len(), 2);
    }

    proptest! {
        /// What is split is a part of the body, without copying, in order; and joined it is split alike again.
        #[test]
        fn lines_are_slices(body in "([0-9{}\"]{0,3}[ \r\n]{0,2}){0,12}") {
            let body = Bytes::from(body);
            if let Ok(found) = lines(&body) {
                let range = body.as_ptr_range();
                prop_assert!(found.iter().all(|line| range.contains(&line.as_ptr())));
                prop_assert!(found.windows(2).all(|two| two[0].as_ptr() < two[1].as_ptr()));
                let joined = Bytes::from(found.join(&b"\r\n"[..]));
                prop_assert_eq!(lines(&joined).unwrap(), found);
            }
        }

        #[test]
        fn any_bytes_are_split_or_refused(body: Vec<u8>) {
            let _ = lines(&body.into());
        }
    }
}
