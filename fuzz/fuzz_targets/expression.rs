//! Any text is taken as an expression, a template or a topic, or refused with words at a place within it; and what is taken
//! comes to an end, within what a delivery may do. What stands before a NUL is the text, the rest the body.
#![no_main]

use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use sidestream::event::Millis;
use sidestream::expr::{
    Body, Budget, Each, Known, LoadError, Predicate, Request, Scope, Template, TopicTemplate, limits,
};

fuzz_target!(|text: &str| {
    let (text, body) = text.split_once('\0').unwrap_or((text, "{\"a\":{\"b\":[1,\"x\",null]}}"));
    let raw = Bytes::copy_from_slice(body.as_bytes());
    let headers = HeaderMap::new();
    let budget = Budget::new(raw.len());
    let request = Request {
        raw: &raw,
        headers: &headers,
        query: "a=1",
        path: "/",
        source: "fuzz",
        method: "POST",
        received: Millis(0),
    };
    let scope = Scope::new(request, Body::Json(&raw), &budget);
    if let Some(filter) = taken(Predicate::compile("filter", text, Known::Request), text) {
        let _ = filter.holds(&scope, None);
    }
    if let Some(each) = taken(Each::compile("each", text), text) {
        let _ = each.split(&scope);
    }
    if let Some(data) = taken(Template::compile("data", text, Known::Request), text) {
        let _ = data.data(&scope, None);
        let _ = data.text(&scope, None);
    }
    if let Some(topic) = taken(TopicTemplate::compile("topic", text, Known::Request), text) {
        let _ = topic.topic(&scope, None);
    }
    assert!(budget.used() <= limits::DELIVERY_WORK);
});

fn taken<T>(result: Result<T, LoadError>, text: &str) -> Option<T> {
    result.map_err(|e| assert!(e.at <= text.len() && !e.problem.to_string().is_empty())).ok()
}
