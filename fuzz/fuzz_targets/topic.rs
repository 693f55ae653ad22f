//! A topic that is read is its own text, within its bounds, and a pattern that matches itself alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::event::{Pattern, Topic};

fuzz_target!(|text: &str| {
    let Ok(topic) = Topic::parse(text) else { return };
    assert_eq!(topic.as_str(), text);
    assert!(text.len() <= 256 && text.split('.').count() <= 16);
    assert!(Pattern::parse(text).expect("a topic is a pattern").matches(&topic));
});
