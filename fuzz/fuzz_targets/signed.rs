//! A signed body comes to the same whatever is said of it: each header field that nobody signs has it refused, or changes
//! nothing. The first line is a `Content-Type`, the second a `Content-Encoding`, the rest the body.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use sidestream::event::{Event, Millis, Topic};
use sidestream::expr::{Known, Predicate, Template, TypeTemplate};
use sidestream::ingress::{
    Captured, DryEnd, Mapping, OnError, Settings, Source, SourcePath, Sources, TopicRule, dry_run,
};
use sidestream::secret::Secret;
use sidestream::verify::{Request, Scheme, limits, preset};

const NOW: Millis = Millis(1_700_000_000_000);

fn scheme() -> Scheme {
    preset::stripe(&[Secret::new(*b"whsec_x")], limits::TOLERANCE).expect("it is one")
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let path = SourcePath::parse("/webhooks/s").expect("it is one");
    let mut mapping = Mapping::to(TopicRule::Fixed(Topic::parse("t").expect("it is one")));
    mapping.kind = TypeTemplate::compile("type", "${body.type}", Known::Request).ok();
    mapping.filter = Predicate::compile("filter", "body.type != 'no'", Known::Request).ok();
    mapping.id = Template::compile("id", "${body.id}", Known::Request).ok();
    mapping.on_error = OnError::Pass;
    Settings {
        max_body: 1 << 20,
        body_timeout: Duration::from_secs(1),
        dedupe_window: Duration::from_secs(1),
        rate: None,
        rate_per_ip: None,
        sources: Sources::new(vec![Source::new("s", path, scheme(), mapping)]),
    }
});

/// What would be published, and by what key it would be known; none where it is refused or left out.
fn published(body: &[u8], said: &[(HeaderName, HeaderValue)]) -> Option<(Vec<Event>, [u8; 16])> {
    let empty = HeaderMap::new();
    let request =
        Request { method: &Method::POST, target: "/webhooks/s", headers: &empty, body, received: NOW };
    let signed = scheme().sign(&request).expect("the secret is known");
    let captured = Captured {
        method: Method::POST,
        target: "/webhooks/s".to_owned(),
        headers: signed.into_iter().chain(said.iter().cloned()).collect(),
        body: body.to_vec().into(),
        received: NOW,
    };
    match dry_run(&SETTINGS, None, &captured).expect("there is one source").end {
        DryEnd::Append(delivery) => {
            let key = delivery.dedupe.expect("each is told by its id, or by what is signed").key;
            Some((delivery.events, key.0))
        }
        _ => None,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(3, |&b| b == b'\n');
    let mut said = Vec::new();
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        let value = lines.next().and_then(|line| HeaderValue::from_bytes(line).ok());
        said.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    }
    let body = lines.next().unwrap_or_default();
    // A packed body is none without its coding, so it is compared with itself as another type.
    let coding: Vec<_> = said.iter().filter(|(name, _)| *name == CONTENT_ENCODING).cloned().collect();
    let (as_said, plain) = (published(body, &said), published(body, &coding));
    if let Some(as_said) = as_said {
        assert_eq!(Some(as_said), plain);
    }
});
