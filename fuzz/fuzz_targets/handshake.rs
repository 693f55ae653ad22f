//! A question of a sender's is answered with what it may be answered with, or refused with words: by GET, OPTIONS and POST.
//! The first line is the query, the next three are header fields, the rest is the body.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidestream::content::handshake::{EventGrid, Greeting, Reply, Settings, get, options, post};
use sidestream::content::limits::ECHO_BYTES;
use sidestream::secret::Secret;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    origins: vec!["eventgrid.azure.net".into()],
    verify_tokens: vec![Secret::new(*b"not in any corpus")],
    topics: vec!["https://blog.example/feed".into()],
    event_grid: EventGrid::Verified,
    ..Settings::default()
});

const FIELDS: [&str; 3] = ["webhook-request-origin", "webhook-request-rate", "aeg-event-type"];

fn bounded(reply: &Reply) {
    // A code is escaped as JSON, in which a byte takes six at most.
    assert!(matches!(reply.status.as_u16(), 200 | 204) && reply.body.len() <= 6 * ECHO_BYTES + 64);
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(5, |&b| b == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, line) in FIELDS.into_iter().zip(lines.by_ref().take(3)) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let body = lines.next().unwrap_or_default();
    match get(query, &SETTINGS) {
        // Nobody knows the token, so that only a hub can be answered.
        Ok(Some(reply)) => {
            bounded(&reply);
            assert!(query.contains("topic"));
        }
        Ok(None) => {}
        Err(why) => assert!(!why.to_string().is_empty()),
    }
    match options(&headers, &SETTINGS) {
        Ok(reply) => bounded(&reply),
        Err(why) => assert!(!why.to_string().is_empty()),
    }
    for greeting in [None, Some(Greeting::Slack), Some(Greeting::Discord)] {
        match post(greeting, &headers, query, body, &SETTINGS) {
            Ok(Some(reply)) => bounded(&reply),
            Ok(None) => {}
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
});
