//! The question that the app is asked: a `GET` of its URL that tells of the original request, and the key of equal ones.
//!
//! What is told is a fixed list, not all that came: only so can the key cover whatever the app may decide by. Two questions
//! with one key are the same bytes, and a request that differs in anything the app is told never shares another's answer.
//! The query token (`access_token`) is not told in any field.

use http::{HeaderName, HeaderValue, Method, header};
use pingora::http::RequestHeader;
use sha2::{Digest, Sha256};

use super::Ask;
use super::error::Failure;
use crate::auth::ForwardSettings;
use crate::event::Selector;
use crate::net::http::{add_via, form, is_loop, origin_form};

/// The query parameter that is taken out of what is told.
const TOKEN: &str = "access_token";

/// Fields of the original request that are told as they came, line by line: credentials, and what tells whose page asks.
/// Apps bind sessions to the user agent. Not among them is what differs from one connection of a subscriber to the next.
const TOLD: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-api-key"),
];

/// The names and patterns that are asked for, separated by commas, in an order of their own: so an app need not parse the
/// URI, and cannot read it differently. In its answer the same field narrows them.
pub(super) const TOPICS: HeaderName = HeaderName::from_static("sidestream-topics");

/// What the same question has in common: a digest, so that no credential is kept.
pub(super) type Key = [u8; 32];

/// A question, ready to be sent. Not to be printed: it holds credentials.
pub(super) struct Question {
    pub head: RequestHeader,
    pub key: Key,
    /// What is asked for.
    pub wanted: Selector,
}

impl Question {
    /// The question whether `ask` may be answered.
    ///
    /// # Errors
    /// [`Failure::Loop`], and [`Failure::Broken`] for what no listener of ours lets through.
    pub fn new(ask: &Ask<'_>, settings: &ForwardSettings) -> Result<Self, Failure> {
        if is_loop(ask.head) {
            return Err(Failure::Loop);
        }
        let head = build(ask, settings).map_err(|_| Failure::Broken)?;
        let key = key(&head, settings);
        Ok(Self { head, key, wanted: ask.wanted.clone() })
    }

    /// Bytes of it in memory, about.
    pub fn size(&self) -> usize {
        let fields = self.head.headers.iter();
        // A field has its place in two tables besides its bytes.
        fields.map(|(name, value)| name.as_str().len() + value.len() + 128).sum::<usize>() + 512
    }
}

fn build(ask: &Ask<'_>, settings: &ForwardSettings) -> pingora::Result<RequestHeader> {
    let came = ask.head;
    let mut head = RequestHeader::build(Method::GET, settings.url.target().as_bytes(), Some(24))?;
    if let Some(host) = came.headers.get(header::HOST) {
        head.append_header(header::HOST, host.clone())?;
    }
    // Sets X-Forwarded-For, -Proto and -Host; the last from Host, which then becomes the app's own.
    let address = ask.way.client();
    let scheme = ask.way.scheme.map_or("http", |scheme| scheme.as_str());
    ask.way.clone().tell(&mut head, "")?;
    let host = head.headers.get("x-forwarded-host").cloned();
    head.insert_header(header::HOST, settings.url.host().clone())?;
    if let Some(address) = address {
        head.insert_header("X-Real-IP", address.to_string())?;
    }
    let uri = uri(came.raw_path());
    // Traefik's ForwardAuth and Caddy's forward_auth; nginx's documents; ingress-nginx.
    head.insert_header("X-Forwarded-Method", came.method.as_str())?;
    head.insert_header("X-Forwarded-Uri", value(&uri)?)?;
    head.insert_header("X-Original-Method", came.method.as_str())?;
    head.insert_header("X-Original-URI", value(&uri)?)?;
    if let Some(host) = host {
        let url = [scheme.as_bytes(), b"://", host.as_bytes(), &uri].concat();
        head.insert_header("X-Original-URL", value(&url)?)?;
    }
    for name in &TOLD {
        for line in came.headers.get_all(name) {
            head.append_header(name.clone(), line.clone())?;
        }
    }
    for line in came.headers.get_all(header::VIA) {
        head.append_header(header::VIA, line.clone())?;
    }
    add_via(&mut head, came.version)?;
    head.insert_header(TOPICS, ask.wanted.to_string())?;
    Ok(head)
}

/// Path and query of the original target, without the query token.
fn uri(target: &[u8]) -> Vec<u8> {
    let origin = origin_form(target);
    let target = origin.as_ref().map_or(target, |(_, origin)| origin.as_slice());
    let Some(at) = target.iter().position(|&b| b == b'?') else { return target.to_vec() };
    let (path, query) = (&target[..at], &target[at + 1..]);
    match form::without(query, TOKEN) {
        Some(query) => [path, b"?", &query].concat(),
        None => path.to_vec(),
    }
}

fn value(bytes: &[u8]) -> pingora::Result<HeaderValue> {
    use pingora::{ErrorType, OrErr as _};
    HeaderValue::from_bytes(bytes).or_err(ErrorType::InvalidHTTPHeader, "a target that is no field value")
}

/// Over whom is asked and all that is told. Each part is preceded by its length, so that no two lists of parts are one.
fn key(head: &RequestHeader, settings: &ForwardSettings) -> Key {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(format!("{:?}", settings.url.server()).as_bytes());
    add(head.raw_path());
    for (name, value) in &head.headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pattern;
    use crate::net::http::{Scheme, Way};

    fn settings(url: &str) -> ForwardSettings {
        super::super::tests::settings(url)
    }

    fn request(target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut head = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        head
    }

    fn wanted(topics: &[&str]) -> Selector {
        Selector::of(topics.iter().map(|t| Pattern::parse(t).unwrap()).collect())
    }

    fn ask(head: &RequestHeader, way: Way) -> Question {
        let wanted = wanted(&["orders.*", "a"]);
        Question::new(&Ask { head, way, wanted: &wanted }, &settings("http://app:3000/may?x=1")).unwrap()
    }

    fn get<'a>(question: &'a Question, name: &str) -> Vec<&'a str> {
        question.head.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn what_is_told_and_what_is_not() {
        let head = request(
            "/topics?topic=orders.*&access_token=s3cret&%61ccess_token=s3cret&topic=a",
            &[
                ("Host", "shop.example"),
                ("Cookie", "session=1"),
                ("Cookie", "b=2"),
                ("Authorization", "Bearer x"),
                ("Origin", "https://shop.example"),
                ("User-Agent", "Browser"),
                ("Last-Event-ID", "abc"),
                ("Accept", "text/event-stream"),
                ("X-Forwarded-Uri", "/forged"),
                ("X-Forwarded-For", "6.6.6.6"),
                ("X-Original-URI", "/forged"),
                ("X-Original-URL", "http://forged/"),
                ("X-Real-IP", "6.6.6.6"),
                ("Sidestream-Topics", "forged"),
                ("X-Auth-Request-User", "forged"),
                ("Connection", "keep-alive"),
                ("Via", "1.1 front"),
            ],
        );
        let way = Way {
            addresses: vec!["192.0.2.7".parse().unwrap(), "10.0.0.1".parse().unwrap()],
            scheme: Some(Scheme::Https),
            host: None,
        };
        let asked = ask(&head, way);
        assert_eq!(asked.head.raw_path(), b"/may?x=1");
        for (name, values) in [
            ("host", &["app:3000"][..]),
            ("cookie", &["session=1", "b=2"]),
            ("authorization", &["Bearer x"]),
            ("origin", &["https://shop.example"]),
            ("user-agent", &["Browser"]),
            ("x-forwarded-for", &["192.0.2.7, 10.0.0.1"]),
            ("x-real-ip", &["192.0.2.7"]),
            ("x-forwarded-proto", &["https"]),
            ("x-forwarded-host", &["shop.example"]),
            ("x-forwarded-method", &["GET"]),
            ("x-forwarded-uri", &["/topics?topic=orders.*&topic=a"]),
            ("x-original-method", &["GET"]),
            ("x-original-uri", &["/topics?topic=orders.*&topic=a"]),
            ("x-original-url", &["https://shop.example/topics?topic=orders.*&topic=a"]),
            ("sidestream-topics", &["a,orders.*"]),
            ("via", &["1.1 front", "1.1 sidestream"]),
        ] {
            assert_eq!(get(&asked, name), values, "{name}");
        }
        // Nothing else but what stands above.
        assert_eq!(asked.head.headers.len(), 18);
        let shown = format!("{:?}", asked.head);
        assert!(!shown.contains("s3cret") && !shown.contains("forged"), "{shown}");
    }

    #[test]
    fn a_caller_of_whom_little_is_known() {
        let asked = ask(&request("http://absolute.example/topics/a?access_token=x", &[]), Way::default());
        assert_eq!(get(&asked, "x-forwarded-uri"), ["/topics/a"]);
        assert!(get(&asked, "x-forwarded-for").is_empty() && get(&asked, "x-real-ip").is_empty());
        assert_eq!(get(&asked, "host"), ["app:3000"]);
        assert_eq!(
            (get(&asked, "x-forwarded-host"), get(&asked, "x-forwarded-proto")),
            (vec![], vec!["http"])
        );
    }

    #[test]
    fn whatever_the_app_is_told_is_in_the_key() {
        let way = |address: &str| Way { addresses: vec![address.parse().unwrap()], ..Way::default() };
        let of = |target: &str, fields: &[(&'static str, &str)], address: &str| {
            ask(&request(target, fields), way(address)).key
        };
        let first = of("/topics/a", &[("Cookie", "s=1")], "192.0.2.7");
        // What differs between two connections of one subscriber does not.
        let again = [("Cookie", "s=1"), ("Last-Event-ID", "7"), ("Accept", "text/event-stream")];
        assert_eq!(first, of("/topics/a?access_token=z", &again, "192.0.2.7"));
        let mut keys = vec![first];
        for (target, fields, address) in [
            ("/topics/a", &[("Cookie", "s=2")][..], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1")], "192.0.2.8"),
            ("/topics/b", &[("Cookie", "s=1")], "192.0.2.7"),
            ("/topics/a", &[], "192.0.2.7"),
            ("/topics/a", &[("Authorization", "s=1")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1"), ("Authorization", "x")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1"), ("Cookie", "x")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1x")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1"), ("Origin", "https://a")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1"), ("Host", "a")], "192.0.2.7"),
            ("/topics/a", &[("Cookie", "s=1"), ("User-Agent", "a")], "192.0.2.7"),
        ] {
            keys.push(of(target, fields, address));
        }
        let head = request("/topics/a", &[("Cookie", "s=1")]);
        for url in ["http://app:3000/other", "https://app:3000/may?x=1", "unix:/run/app.sock:/may?x=1"] {
            let wanted = wanted(&["orders.*", "a"]);
            let ask = Ask { head: &head, way: way("192.0.2.7"), wanted: &wanted };
            keys.push(Question::new(&ask, &settings(url)).unwrap().key);
        }
        let number = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), number);
    }

    #[test]
    fn a_question_that_goes_round_is_not_asked() {
        let head = request("/topics/a", &[("Via", "1.1 sidestream"); 5]);
        let wanted = wanted(&["a"]);
        let asked =
            Question::new(&Ask { head: &head, way: Way::default(), wanted: &wanted }, &settings("http://a/"));
        assert_eq!(asked.err(), Some(Failure::Loop));
    }
}
