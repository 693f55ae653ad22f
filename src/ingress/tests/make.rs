//! Sources and requests for these tests.

use http::{HeaderName, HeaderValue, Method};

use super::fake::post;
use crate::event::{Millis, Topic};
use crate::expr::{Each, Known, Predicate, Template, TopicTemplate, TypeTemplate};
use crate::ingress::{DataRule, Mapping, Source, SourcePath, TopicRule};
use crate::secret::Secret;
use crate::verify::{Request, Scheme, preset};

/// When everything happens ([`super::fake::Bench`]'s clock).
pub(super) const NOW: Millis = Millis(1_700_000_000_000);

/// The secret of every scheme here.
pub(super) const SECRET: &str = "hush-hush-hush";

pub(super) fn github() -> Scheme {
    preset::github(&[Secret::new(SECRET.as_bytes())]).unwrap()
}

pub(super) fn bearer() -> Scheme {
    preset::bearer(vec![Secret::new(SECRET.as_bytes())]).unwrap()
}

pub(super) fn stripe() -> Scheme {
    preset::stripe(&[Secret::new(SECRET.as_bytes())], std::time::Duration::from_mins(5)).unwrap()
}

pub(super) fn slack() -> Scheme {
    preset::slack(&[Secret::new(SECRET.as_bytes())], std::time::Duration::from_mins(5)).unwrap()
}

/// A source `s` at `/webhooks/s` whose events go to `t`.
pub(super) fn source(scheme: Scheme, change: impl FnOnce(&mut Mapping)) -> Source {
    let mut mapping = Mapping::to(TopicRule::Fixed(Topic::parse("t").unwrap()));
    change(&mut mapping);
    Source::new("s", SourcePath::parse("/webhooks/s").unwrap(), scheme, mapping)
}

/// The same, which verifies nothing.
pub(super) fn open(change: impl FnOnce(&mut Mapping)) -> Source {
    source(Scheme::none(), change)
}

fn known(mapping: &Mapping) -> Known {
    if mapping.each.is_some() { Known::Element } else { Known::Request }
}

/// What a source says, set on a mapping. `each` comes first, as the others know its variables then.
pub(super) fn set(mapping: &mut Mapping, key: &str, text: &str) {
    let known = known(mapping);
    match key {
        "each" => mapping.each = Some(Each::compile("each", text).unwrap()),
        "topic" => {
            mapping.topic = TopicRule::Template(TopicTemplate::compile("topic", text, known).unwrap());
        }
        "type" => mapping.kind = Some(TypeTemplate::compile("type", text, known).unwrap()),
        "id" => mapping.id = Some(Template::compile("id", text, Known::Request).unwrap()),
        "filter" => mapping.filter = Some(Predicate::compile("filter", text, known).unwrap()),
        "data" => mapping.data = DataRule::Template(Template::compile("data", text, known).unwrap()),
        other => panic!("{other}"),
    }
}

/// A source that says this.
pub(super) fn saying(says: &[(&str, &str)]) -> Source {
    open(|mapping| says.iter().for_each(|(key, text)| set(mapping, key, text)))
}

/// Header lines as the scheme's sender would send them.
pub(super) fn signed(scheme: &Scheme, target: &str, body: &str) -> String {
    signed_at(scheme, target, body, NOW)
}

/// The same at another time.
pub(super) fn signed_at(scheme: &Scheme, target: &str, body: &str, received: Millis) -> String {
    let request = Request {
        method: &Method::POST,
        target,
        headers: &http::HeaderMap::new(),
        body: body.as_bytes(),
        received,
    };
    let fields = scheme.sign(&request).unwrap();
    let line = |(name, value): &(HeaderName, HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap());
    fields.iter().map(line).collect()
}

/// A POST to `s` as the scheme's sender would send it.
pub(super) fn sent(scheme: &Scheme, extra: &str, body: &str) -> String {
    post("/webhooks/s", &format!("{}{extra}", signed(scheme, "/webhooks/s", body)), body)
}

/// A POST to `s` of JSON.
pub(super) fn json(body: &str) -> String {
    post("/webhooks/s", "Content-Type: application/json\r\n", body)
}
