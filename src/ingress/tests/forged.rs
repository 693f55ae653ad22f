//! What becomes of a genuine request that somebody has captured and sends again, with everything changed that no
//! signature covers: nothing, or what would have become of it anyway.

use super::content::gzip;
use super::fake::{Bench, post};
use super::make::{NOW, bearer, github, sent, set, signed, signed_at, slack, source, stripe};
use crate::event::Millis;
use crate::ingress::{
    Binary, DataRule, DedupeBy, DedupeRule, Mapping, OnError, Source, SourcePath, TopicRule,
};
use crate::secret::Secret;
use crate::verify::{Scheme, preset};

const ENVELOPE: &str =
    r#"{"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"id":"6","kind":"a"}}"#;
const UNWANTED: &str =
    r#"{"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"id":"7","kind":"no"}}"#;

/// What senders send, as what.
fn genuine() -> Vec<(&'static str, String)> {
    let bodies: [(&str, &str); 12] = [
        ("application/json", r#"{"id":"1","kind":"a","title":"x&id=9&kind=FORGED&payload=%7B%7D&y="}"#),
        ("application/json", r#"{"id":"2","kind":"no"}"#),
        ("application/json", "{\n  \"id\": \"3\",\n  \"kind\": \"a\"\n}\n"),
        ("application/json", r#"[{"id":"1","kind":"a"}]"#),
        ("application/x-ndjson", "{\"id\":\"4\",\"kind\":\"a\"}\n{\"id\":\"5\",\"kind\":\"no\"}\n"),
        ("application/x-www-form-urlencoded", "id=1&kind=a"),
        ("application/x-www-form-urlencoded", "id=1&kind=no"),
        ("application/x-www-form-urlencoded", "payload=%7B%22id%22%3A%221%22%2C%22kind%22%3A%22no%22%7D"),
        ("application/cloudevents+json", ENVELOPE),
        ("application/cloudevents+json", UNWANTED),
        ("text/plain", "hello"),
        ("text/plain", ""),
    ];
    let batch = ("application/cloudevents-batch+json", format!("[{ENVELOPE},{UNWANTED}]"));
    bodies.into_iter().map(|(media, body)| (media, body.to_owned())).chain([batch]).collect()
}

/// Header lines that somebody could send instead.
fn others() -> Vec<String> {
    let media = [
        "application/json",
        "application/vnd.x+json",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/cloudevents+protobuf",
        "text/plain",
        "",
    ];
    let media = media.map(|media| format!("Content-Type: {media}\r\n"));
    let more = [
        "",
        "Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: deflate\r\n",
        "Content-Encoding: br\r\n",
        "Content-Encoding: identity\r\n",
        "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-id: 9\r\nce-source: /f\r\nce-type: FORGED\r\n",
        "Sidestream-Event: FORGED\r\nSidestream-Id: 9\r\n",
        "aeg-event-type: SubscriptionValidation\r\n",
        "Idempotency-Key: 9\r\nX-HTTP-Method-Override: PUT\r\nX-Forwarded-Host: forged\r\n",
    ];
    media.into_iter().chain(more.map(str::to_owned)).collect()
}

/// A source that builds everything of what is signed, and lets nothing hide behind a failure.
fn careful(scheme: Scheme, mapping: impl Fn(&mut Mapping)) -> Source {
    source(scheme, |m| {
        set(m, "type", "${body.kind}");
        set(m, "filter", "body.kind != 'no'");
        m.on_error = OnError::Pass;
        mapping(m);
    })
}

fn guarded(source: Source) -> Source {
    Source { dedupe: DedupeRule { window: None, by: DedupeBy::Body }, ..source }
}

fn timed() -> [fn() -> Scheme; 3] {
    let standard = || {
        let secret = Secret::new(*b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        preset::standard(&[secret], std::time::Duration::from_mins(5)).unwrap()
    };
    [stripe, slack, standard]
}

/// Each forgery alone comes to what the genuine one comes to, or to nothing; after the genuine one, to nothing more.
async fn tried(make: impl Fn() -> Source, scheme: &Scheme) {
    for (media, body) in genuine() {
        let extra = format!("Content-Type: {media}\r\n");
        let bench = Bench::of(vec![make()]);
        let answer = bench.ask(sent(scheme, &extra, &body)).await;
        assert_eq!(answer.status, 202, "{} {media} {body}: {}", scheme.name(), answer.body);
        let want = bench.published();
        for path in ["/webhooks/s", "/webhooks/s/", "/webhooks/s?kind=FORGED&id=9"] {
            for other in others() {
                let how = format!("{} {media} {body} as {other} at {path}", scheme.name());
                let head = format!("{}{other}", signed(scheme, "/webhooks/s", &body));
                let forged = post(path, &head, &body);
                let answer = bench.ask(&forged).await;
                let refused = (400..500).contains(&answer.status);
                let again = want.is_empty() || answer.json()["duplicate"] == true;
                assert!(
                    refused || (answer.status == 202 && again),
                    "{how}: {} {}",
                    answer.status,
                    answer.body
                );
                assert_eq!(bench.published(), want, "{how}");

                let alone = Bench::of(vec![make()]);
                let answer = alone.ask(&forged).await;
                let published = alone.published();
                let nothing = refused && published.is_empty();
                assert!(nothing || published == want, "{how}: {} {published:?}", answer.status);
            }
        }
    }
}

#[tokio::test]
async fn what_is_signed_with_its_time_comes_once_and_as_it_was() {
    for scheme in timed() {
        tried(|| careful(scheme(), |_| ()), &scheme()).await;
    }
}

#[tokio::test]
async fn a_signed_body_is_published_as_it_was_whatever_the_header_fields_say() {
    tried(|| guarded(careful(github(), |_| ())), &github()).await;
    // The id is in a header field for that: it says of what kind the data is.
    let enveloped = || {
        guarded(careful(github(), |m| {
            m.data = DataRule::CloudEvent;
            set(m, "id", "${sha256(raw)}");
        }))
    };
    tried(enveloped, &github()).await;
}

/// The two that an outside review found.
#[tokio::test]
async fn a_form_is_no_way_into_a_json_body() {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = r#"{"id":"evt_1","type":"ping","action":"opened","title":"x&action=FORGED&y="}"#;
    let bench = Bench::of(vec![source(stripe(), |_| ())]);
    assert_eq!(bench.ask(sent(&stripe(), "Content-Type: application/json\r\n", body)).await.status, 202);
    for _ in 0..2 {
        assert_eq!(bench.ask(sent(&stripe(), form, body)).await.json()["duplicate"], true);
    }
    let bench = Bench::of(vec![source(github(), |m| set(m, "topic", "github.${body.action}"))]);
    assert_eq!(bench.ask(sent(&github(), form, body)).await.json()["topic"], "github.opened");
}

#[tokio::test]
async fn a_delivery_that_lacks_its_id_is_told_by_what_is_signed_of_it() {
    let bench = Bench::of(vec![source(slack(), |_| ())]);
    let command =
        sent(&slack(), "Content-Type: application/x-www-form-urlencoded\r\n", "command=%2Fgo&text=");
    assert_eq!(bench.ask(&command).await.json()["duplicate"], false);
    assert_eq!(bench.ask(&command).await.json()["duplicate"], true);
    // The same words a second later are another command.
    let head = signed_at(&slack(), "/webhooks/s", "command=%2Fgo&text=", Millis(NOW.0 + 1000));
    let later = post("/webhooks/s", &head, "command=%2Fgo&text=");
    assert_eq!(bench.ask(&later).await.json()["duplicate"], false);
    assert_eq!(bench.ask(&later).await.json()["duplicate"], true);
    // Where no time is signed nothing tells two that are the same from one that came twice, but a guard.
    let bench = Bench::of(vec![source(github(), |_| ())]);
    for _ in 0..2 {
        assert_eq!(bench.ask(sent(&github(), "", "{}")).await.json()["duplicate"], false);
    }
}

async fn ask_bytes(bench: &Bench, encoding: &str, body: &[u8]) -> u16 {
    let request = crate::verify::Request {
        method: &http::Method::POST,
        target: "/webhooks/s",
        headers: &http::HeaderMap::new(),
        body,
        received: super::make::NOW,
    };
    let [(name, value)] = &github().sign(&request).unwrap()[..] else { panic!("one field") };
    let length = body.len();
    let head = format!(
        "POST /webhooks/s HTTP/1.1\r\nHost: t\r\n{name}: {}\r\n{encoding}Content-Length: {length}\r\n\r\n",
        value.to_str().unwrap()
    );
    bench.ask([head.as_bytes(), body].concat()).await.status
}

#[tokio::test]
async fn a_packed_body_is_nothing_without_its_coding() {
    let packed = gzip(br#"{"id":"1","kind":"no"}"#);
    let constant = |m: &mut Mapping| set(m, "data", "something");
    let bench = Bench::of(vec![careful(github(), constant)]);
    assert_eq!(ask_bytes(&bench, "Content-Encoding: gzip\r\n", &packed).await, 202);
    for other in ["", "Content-Encoding: identity\r\n", "Content-Encoding: gzip, gzip\r\n"] {
        assert!((400..500).contains(&ask_bytes(&bench, other, &packed).await), "{other}");
    }
    // Where bytes are taken as they come nothing tells packed ones from others, so that no header field may.
    let bench = Bench::of(vec![source(github(), |m| m.binary = Binary::Base64)]);
    assert_eq!(ask_bytes(&bench, "Content-Encoding: gzip\r\n", &packed).await, 415);
    assert_eq!(ask_bytes(&bench, "", &packed).await, 202);
    assert_eq!(bench.published().len(), 1);
}

/// Deflate has no mark of its own, so that a text may be some by chance, or by somebody's choice.
#[tokio::test]
async fn a_text_that_could_be_packed_is_not_unpacked() {
    let both = br#"{"q":"a"}  "#;
    let headers = [(http::header::CONTENT_ENCODING, http::HeaderValue::from_static("deflate"))];
    let unpacked =
        crate::content::unpack(&headers.into_iter().collect(), both[..].into(), 1000, &|_| true).unwrap();
    assert_ne!(&unpacked[..], both, "it is both");
    let bench = Bench::of(vec![source(github(), |_| ())]);
    assert_eq!(ask_bytes(&bench, "Content-Encoding: deflate\r\n", both).await, 400);
    bench.refused("malformed");
    assert_eq!(ask_bytes(&bench, "", both).await, 202);
}

/// The path is not signed, so that a topic in it can be another; but it is one topic however it is written.
#[tokio::test]
async fn a_topic_in_the_path_is_the_same_however_it_is_encoded() {
    let path = SourcePath::parse("/webhooks/p/{topic}").unwrap();
    let bench = Bench::of(vec![guarded(Source::new("s", path, github(), Mapping::to(TopicRule::Path)))]);
    for (topic, duplicate) in [("orders", false), ("%6frders", true), ("or%64ers", true), ("others", false)] {
        let path = format!("/webhooks/p/{topic}");
        let answer = bench.ask(post(&path, &signed(&github(), &path, "{}"), "{}")).await;
        assert_eq!(answer.json()["duplicate"], duplicate, "{topic}");
    }
}

/// Twilio signs what a form says and not how: the same fields come in any order, and with the bytes between a name and its
/// value shifted.
#[tokio::test]
async fn a_guard_looks_at_what_twilio_signs_of_a_form() {
    let twilio = || preset::twilio(&[Secret::new(*b"token")], "https://t/webhooks/s").unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let target = "/webhooks/s";
    let request = |body: &'static str| {
        let headers = [(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap())];
        let headers: http::HeaderMap = headers.into_iter().collect();
        let request = crate::verify::Request {
            method: &http::Method::POST,
            target,
            headers: &headers,
            body: body.as_bytes(),
            received: super::make::NOW,
        };
        let [(name, value)] = &twilio().sign(&request).unwrap()[..] else { panic!("one field") };
        post(target, &format!("{name}: {}\r\n{form}", value.to_str().unwrap()), body)
    };
    let bench = Bench::of(vec![guarded(source(twilio(), |_| ()))]);
    for (body, duplicate) in [
        ("a=1&b=2", false),
        ("b=2&a=1", true),
        ("%61=1&b=2&b=2", true),
        ("a1=&b=2", true),
        ("a=1&b=3", false),
    ] {
        assert_eq!(bench.ask(request(body)).await.json()["duplicate"], duplicate, "{body}");
    }
}

/// What somebody puts beside a CloudEvent is no part of it.
#[tokio::test]
async fn a_cloud_event_in_json_has_no_attributes_of_the_request() {
    let two =
        format!("[{},{ENVELOPE}]", ENVELOPE.replace(r#""id":"e""#, r#""id":"f","subject":"own","x":"y""#));
    let more = "ce-subject: FORGED\r\nce-x: FORGED\r\nce-id: FORGED\r\n";
    for scheme in [bearer(), github()] {
        for (media, body, want) in [
            ("application/cloudevents+json", ENVELOPE, &["e--"][..]),
            ("application/cloudevents-batch+json", &two, &["f-own-y", "e--"]),
        ] {
            let data = "${headers['ce-id']}-${'ce-subject' in headers ? headers['ce-subject'] : ''}-\
                ${'ce-x' in headers ? headers['ce-x'] : ''}";
            let bench = Bench::of(vec![source(scheme.clone(), |m| set(m, "data", data))]);
            let answer = bench.ask(sent(&scheme, &format!("Content-Type: {media}\r\n{more}"), body)).await;
            assert_eq!(answer.status, 202, "{}", answer.body);
            let got: Vec<_> = bench.published().into_iter().map(|(_, _, data)| data).collect();
            assert_eq!(got, want, "{} {media}", scheme.name());
        }
    }
    // Nor are they there where the body is none, and nobody signed them.
    for (scheme, status) in [(bearer(), 202), (github(), 422)] {
        let bench =
            Bench::of(vec![source(scheme.clone(), |m| set(m, "topic", "t.${headers['ce-subject']}"))]);
        assert_eq!(bench.ask(sent(&scheme, more, "{}")).await.status, status);
    }
}
