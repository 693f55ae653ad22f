//! The head of an app's answer as a stream's.

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, ETAG, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING, VARY};
use http::{HeaderName, HeaderValue, Version};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::edge::answer::{Common, STREAM_HEADERS};

/// What an app says of its own body, and of no longer one.
const OF_THE_BODY: [HeaderName; 9] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    TRAILER,
    ETAG,
    LAST_MODIFIED,
    ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Makes it the head of a body that has no length. What a stream says for proxies and caches is added where the app says
/// nothing of it; all else is the app's: its cookies, who may read it, its type with its parameters.
pub(super) fn of_stream(answer: &mut ResponseHeader) -> Result<()> {
    for name in &OF_THE_BODY {
        answer.remove_header(name);
    }
    answer.set_version(Version::HTTP_11);
    answer.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    for (name, value) in STREAM_HEADERS {
        if !answer.headers.contains_key(name) {
            answer.insert_header(name, value)?;
        }
    }
    Ok(())
}

/// The lines of an answer that say which pages may read it: a page that may not read ours in its place would not come back.
pub(super) fn readers(answer: &ResponseHeader) -> Common {
    let lines = answer.headers.iter();
    let lines = lines.filter(|(name, _)| **name == VARY || name.as_str().starts_with("access-control-"));
    lines.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_word_stays_but_for_its_bodys() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Content-Length", "7"),
            ("ETag", "\"a\""),
            ("Set-Cookie", "a=b"),
            ("Cache-Control", "private"),
            ("Access-Control-Allow-Origin", "https://app.example"),
            ("Vary", "Origin"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        of_stream(&mut answer).unwrap();
        let get = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
        for (name, value) in [
            ("content-type", Some("text/event-stream; charset=utf-8")),
            ("content-length", None),
            ("etag", None),
            ("set-cookie", Some("a=b")),
            ("cache-control", Some("private")),
            ("x-accel-buffering", Some("no")),
            ("transfer-encoding", Some("chunked")),
        ] {
            assert_eq!(get(name), value, "{name}");
        }
        let common = format!("{:?}", readers(&answer));
        assert!(common.contains("access-control-allow-origin") && common.contains("vary"), "{common}");
        assert!(!common.contains("set-cookie"), "{common}");
    }
}
