//! CloudEvents are read in all three modes, or refused with words; what was read is written and read again as the same.
//! Lines: the content type, the value of each header field of binary mode, and behind an empty line the body.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidestream::content::cloudevents::read;

const NAMES: [&str; 8] = [
    "content-type",
    "ce-specversion",
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-subject",
    "ce-time",
    "ce-extension",
];

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    let mut rest = bytes;
    for name in NAMES {
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(name, value);
        }
    }
    match read(&headers, &rest.to_vec().into()) {
        Err(why) => assert!((1..4096).contains(&why.to_string().len())),
        Ok(None) => {}
        Ok(Some(incoming)) => {
            let mut structured = HeaderMap::new();
            structured.insert("content-type", HeaderValue::from_static("application/cloudevents+json"));
            for event in incoming.events {
                let again = read(&structured, &event.envelope()).expect("what is sent is valid");
                let again = &again.expect("it says what it is").events[0];
                assert_eq!(again.identity(), event.identity());
                assert_eq!(again.extensions(), event.extensions());
                let data = |data: &[u8]| data.trim_ascii().to_vec();
                assert_eq!(again.data().map(|d| data(d.bytes())), event.data().map(|d| data(d.bytes())),);
            }
        }
    }
});
