//! What events keep in memory besides what history counts, and what is held of requests on their way in.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::Semaphore;

use super::fake::{Bench, MAX_BODY, Script, post, settings};
use super::make::{NOW, open, saying, set};
use crate::event::Event;
use crate::ingress::{
    Captured, Context, DataRule, Denied, DryEnd, Limits, NamedStep, Settings, Source, SourcePath, Sources,
    Step, dry_run,
};

/// A body that tells whether anybody keeps it.
struct Body(Vec<u8>, #[expect(dead_code, reason = "it is counted")] Arc<()>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The events of a request, and whether they keep its body alive.
fn events(source: Source, media: &'static str, body: &str) -> (Vec<Event>, bool) {
    let alive = Arc::new(());
    let body = Bytes::from_owner(Body(body.as_bytes().to_vec(), Arc::clone(&alive)));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(media));
    let target = "/webhooks/s".to_owned();
    let captured = Captured { method: Method::POST, target, headers, body, received: NOW };
    let settings = Settings { sources: Sources::new(vec![source]), max_body: 1 << 20, ..settings() };
    let DryEnd::Append(delivery) = dry_run(&settings, None, &captured).unwrap().end else {
        panic!("refused")
    };
    drop(captured);
    (delivery.events, Arc::strong_count(&alive) > 1)
}

const LINES: &str = "application/x-ndjson";
const CLOUD: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// A structured event whose data is so much of it as the padding leaves.
fn cloud(id: usize, padding: usize, data: &str) -> String {
    let padding = "p".repeat(padding);
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/{padding}","type":"a","data":{data}}}"#)
}

#[test]
fn a_slice_of_a_body_does_not_keep_the_body() {
    let lines = (0..1000).map(|n| format!("{{\"n\":{n}}}\n")).collect::<Vec<_>>().concat();
    let batch = format!("[{},{}]", cloud(1, 0, "{\"n\":1}"), cloud(2, 0, "{\"n\":2}"));
    let envelopes = || open(|mapping| mapping.data = DataRule::CloudEvent);
    for (what, source, media, body, want) in [
        ("lines", open(|_| ()), LINES, lines.as_str(), 1000),
        ("a line in much white space", open(|_| ()), LINES, &format!("{}7", " ".repeat(999)), 1),
        ("a CloudEvent's data", open(|_| ()), CLOUD, &cloud(1, 100, "{\"n\":1}"), 1),
        ("a batch", open(|_| ()), BATCH, &batch, 2),
        ("a batch's envelopes", envelopes(), BATCH, &batch, 2),
        ("elements", saying(&[("each", "${body.l}")]), "application/json", "{\"l\":[{\"n\":1},2]}", 2),
        ("a step's slices", Source { steps: vec![cutting()], ..open(|_| ()) }, "text/plain", "abcdefgh", 4),
    ] {
        let (events, keep_the_body) = events(source, media, body);
        assert_eq!(events.len(), want, "{what}");
        assert!(!keep_the_body, "{what}");
        let counted: usize = events.iter().map(|event| event.data.len()).sum();
        assert!(counted <= body.len(), "{what}");
    }
}

/// Copied without need, data would be twice in memory for a moment, and a copy takes its time.
#[test]
fn what_is_nearly_all_of_a_body_is_not_copied() {
    let data = format!("\"{}\"", "d".repeat(1000));
    for (media, body, want) in [
        ("application/json", data.clone(), data.as_str()),
        (CLOUD, cloud(1, 0, &data), &data),
        (LINES, format!("{data}\n"), &data),
    ] {
        let (events, keep_the_body) = events(open(|_| ()), media, &body);
        assert_eq!(events[0].data, want, "{media}");
        assert!(keep_the_body, "{media}");
    }
}

/// A thousand events with the same thousand bytes are one copy: nobody gets a body multiplied by splitting it.
#[test]
fn events_with_the_same_slice_share_its_copy() {
    let elements = format!("[{}]", vec!["1"; 1000].join(","));
    let source = saying(&[("each", "${body}"), ("data", "${raw}")]);
    let (events, keep_the_body) = events(source, CLOUD, &cloud(1, 1000, &elements));
    assert!(!keep_the_body);
    assert_eq!((events.len(), &*events[0].data), (1000, elements.as_bytes()));
    assert!(events.iter().all(|event| event.data.as_ptr() == events[0].data.as_ptr()));
}

/// Cuts what it is given into pairs of bytes.
struct Cut;

impl Step for Cut {
    fn apply(&self, _: &Context<'_>, events: Vec<Event>) -> Result<Vec<Event>, Denied> {
        let [event] = &*events else { return Err(Denied(Cow::Borrowed("one is wanted"))) };
        let pairs = (0..event.data.len() / 2).map(|n| event.data.slice(2 * n..2 * n + 2));
        Ok(pairs.map(|data| Event { data, ..event.clone() }).collect())
    }
}

fn cutting() -> NamedStep {
    NamedStep { name: "cut".into(), step: Arc::new(Cut) }
}

/// So many bytes, packed as a POST.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; bytes]).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(packed.len() <= MAX_BODY);
    let length = packed.len();
    let head = format!(
        "POST /webhooks/s HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &packed].concat()
}

/// Unpacked bytes that a source may send here: far more than the budget.
const UNPACKED: usize = 4000;

fn unpacking(source: Source) -> Source {
    Source { limits: Limits { max_unpacked: Some(UNPACKED), ..Limits::default() }, ..source }
}

#[tokio::test]
async fn what_bodies_are_unpacked_to_stays_within_the_budget_also_where_nothing_comes_of_it() {
    let nothing = unpacking(open(|mapping| set(mapping, "filter", "source == 'x'")));
    let path = SourcePath::parse("/webhooks/a").unwrap();
    let all = Source { name: "a".into(), path, ..unpacking(open(|_| ())) };
    let bench = Bench::narrow(vec![nothing, all]);
    let bomb = bomb(UNPACKED - 1);
    // Alone it has the room that its own limit is for, whatever the budget.
    assert_eq!(bench.ask(&bomb).await.status, 202);
    assert_eq!(bench.outcomes("filtered"), 1);
    assert_eq!(bench.held(), 0);

    let permits = Arc::new(Semaphore::new(0));
    let packed = replaced(&bomb, b"/webhooks/s", b"/webhooks/a");
    let plain = post("/webhooks/a", "", &"x".repeat(MAX_BODY)).into_bytes();
    let mut peers = Vec::new();
    for (request, least) in [(&packed, UNPACKED), (&packed, 2 * UNPACKED), (&plain, 2 * UNPACKED + MAX_BODY)]
    {
        bench.script(Script::Until(Arc::clone(&permits)));
        let mut peer = bench.peer();
        peer.send(request).await;
        while bench.held() < least {
            tokio::task::yield_now().await;
        }
        peers.push(peer);
    }
    let held = bench.held();
    let answer = bench.ask(&bomb).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.body);
    assert_eq!((bench.outcomes("unavailable"), bench.outcomes("filtered")), (1, 1));
    assert_eq!(bench.held(), held, "given back with the answer");
    permits.add_permits(3);
    for mut peer in peers {
        assert_eq!(peer.receive().await.status, 202);
    }
    assert_eq!(bench.published().len(), 3);
    assert_eq!(bench.ask(&bomb).await.status, 202);
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
