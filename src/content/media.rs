//! What a body says it is: the media type of `Content-Type` (RFC 9110 §8.3).

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The kinds of body that are read further than as bytes. [`super::cloudevents`] looks for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`, `text/json`, or anything that ends with `+json`.
    Json,
    /// One JSON value a line: `application/x-ndjson`, `application/jsonl`, `application/jsonlines`.
    Lines,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`, which is not read.
    Multipart,
    /// Any other, or none, or more than one.
    Other,
}

impl Media {
    /// What the header fields say. Two `Content-Type` fields are as good as none: they could be read in two ways.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Self::Other };
        let Ok(value) = value.to_str() else { return Self::Other };
        let essence = essence(value);
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("multipart/form-data") {
            Self::Multipart
        } else if ["application/x-ndjson", "application/jsonl", "application/jsonlines"].into_iter().any(is) {
            Self::Lines
        } else if is_json(value) {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// A media type without its parameters.
pub(super) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim_ascii()
}

/// Whether a media type declares JSON: `*/json` or `*/*+json` (CloudEvents JSON format 1.0.2 §3.1.1, RFC 6839 §3.1).
#[must_use]
pub fn is_json(media_type: &str) -> bool {
    let Some((kind, subtype)) = essence(media_type).split_once('/') else { return false };
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    !kind.is_empty() && suffix.eq_ignore_ascii_case("json")
}

/// Whether a media type declares text, so that bytes of it are a string where there are only strings and JSON.
pub(super) fn is_text(media_type: &str) -> bool {
    let Some((kind, subtype)) = essence(media_type).split_once('/') else { return false };
    let is = |name: &str| subtype.eq_ignore_ascii_case(name);
    let xml = |text: &str| text.rsplit('+').next().is_some_and(|end| end.eq_ignore_ascii_case("xml"));
    kind.eq_ignore_ascii_case("text")
        || xml(subtype)
        || ["x-www-form-urlencoded", "yaml", "x-ndjson", "jsonl", "jsonlines"].into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn media_by_table() {
        for (value, want) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/vnd.api+JSON", Media::Json),
            ("text/json", Media::Json),
            ("application/x-ndjson", Media::Lines),
            ("application/jsonl ;a=b", Media::Lines),
            ("application/JsonLines", Media::Lines),
            ("application/x-www-form-urlencoded; charset=UTF-8", Media::Form),
            ("multipart/form-data; boundary=x", Media::Multipart),
            ("multipart/mixed; boundary=x", Media::Other),
            ("application/jsonp", Media::Other),
            ("application/json-seq", Media::Other),
            ("text/plain; x=application/json", Media::Other),
            ("json", Media::Other),
            ("/json", Media::Other),
            ("", Media::Other),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(Media::of(&headers), want, "{value:?}");
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(Media::of(&headers), Media::Other, "twice {value:?}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"text/j\xff").unwrap());
        assert_eq!(Media::of(&headers), Media::Other);
    }

    #[test]
    fn text_by_table() {
        for yes in
            ["text/plain", "TEXT/css; charset=utf-8", "application/xml", "image/svg+xml", "application/yaml"]
        {
            assert!(is_text(yes), "{yes}");
        }
        for no in ["application/octet-stream", "image/png", "text", "", "application/xmlish", "xml"] {
            assert!(!is_text(no), "{no}");
        }
    }
}
