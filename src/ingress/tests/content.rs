//! Bodies that hold more than their bytes: packed ones, forms, lines, `CloudEvents`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::fake::{Bench, post};
use super::make::{bearer, github, open, saying, sent, set, source};
use crate::ingress::{Binary, DataRule, Limits, Source};

async fn ask_bytes(bench: &Bench, head: &str, body: &[u8]) -> u16 {
    let head =
        format!("POST /webhooks/s HTTP/1.1\r\nHost: t\r\n{head}Content-Length: {}\r\n\r\n", body.len());
    bench.ask([head.as_bytes(), body].concat()).await.status
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_packed_body_is_unpacked_within_its_limit() {
    let limited = |source: Source| Source {
        limits: Limits { max_unpacked: Some(1000), ..Limits::default() },
        ..source
    };
    let bench = Bench::of(vec![limited(saying(&[("type", "${body.t}")]))]);
    let packed = gzip(b"{\"t\":\"a\"}");
    assert_eq!(ask_bytes(&bench, "Content-Encoding: gzip\r\n", &packed).await, 202);
    assert_eq!(bench.published(), [("t".into(), Some("a".into()), "{\"t\":\"a\"}".into())]);

    for (coding, body, status, outcome) in [
        ("gzip", gzip(&vec![b' '; 1 << 20]), 413, "too_large"),
        ("gzip", packed[..packed.len() - 1].to_vec(), 400, "malformed"),
        ("zstd", packed.clone(), 415, "malformed"),
    ] {
        let bench = Bench::of(vec![limited(open(|_| ()))]);
        assert_eq!(ask_bytes(&bench, &format!("Content-Encoding: {coding}\r\n"), &body).await, status);
        bench.refused(outcome);
    }
}

#[tokio::test]
async fn data_that_is_no_text_is_415_or_base64() {
    let lines = "Content-Type: application/x-ndjson\r\n";
    for says in [&[][..], &[("filter", "body.a == 1")], &[("data", "${body.a}"), ("id", "${body.a}")]] {
        for head in ["", lines] {
            let bench = Bench::of(vec![saying(says)]);
            assert_eq!(ask_bytes(&bench, head, b"{\"a\":\"caf\xe9\"}").await, 415, "{says:?} {head}");
            bench.refused("malformed");
        }
    }
    let bench = Bench::of(vec![open(|mapping| {
        mapping.binary = Binary::Base64;
        set(mapping, "filter", "body.a == 1");
    })]);
    assert_eq!(ask_bytes(&bench, "", b"caf\xe9").await, 422, "there is nothing for an expression in it");
    bench.refused("unmapped");
    let bench = Bench::of(vec![open(|mapping| mapping.binary = Binary::Base64)]);
    assert_eq!(ask_bytes(&bench, "", b"caf\xe9").await, 202);
    assert_eq!(ask_bytes(&bench, "", b"cafe").await, 202);
    let data: Vec<_> = bench.published().into_iter().map(|(_, _, data)| data).collect();
    assert_eq!(data, ["Y2Fm6Q==", "cafe"]);
}

#[tokio::test]
async fn lines_of_json_are_events() {
    let bench = Bench::of(vec![saying(&[("type", "${body.t}")])]);
    let lines = "Content-Type: application/x-ndjson\r\n";
    let answer = bench.ask(post("/webhooks/s", lines, "{\"t\":\"a\"}\r\n\n{\"t\":\"b\"}\n")).await;
    assert_eq!(answer.json()["events"].as_array().unwrap().len(), 2);
    assert_eq!(answer.json()["subscribers"], 1, "one topic's");
    let kinds: Vec<_> = bench.published().into_iter().map(|(_, kind, data)| (kind.unwrap(), data)).collect();
    assert_eq!(kinds, [("a".into(), "{\"t\":\"a\"}".into()), ("b".into(), "{\"t\":\"b\"}".into())]);
    assert_eq!(bench.ask(post("/webhooks/s", lines, "{\"t\":\"c\"}\nno")).await.status, 400);
    assert_eq!(bench.published().len(), 2);
    assert_eq!(bench.ask(post("/webhooks/s", lines, "\n")).await.json()["events"], serde_json::json!([]));
}

#[tokio::test]
async fn forms_are_looked_into_by_their_fields() {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let bench = Bench::of(vec![saying(&[("type", "${body.kind}"), ("data", "${body.text}")])]);
    assert_eq!(bench.ask(post("/webhooks/s", form, "kind=a&text=b+c%21")).await.status, 202);
    assert_eq!(bench.published(), [("t".into(), Some("a".into()), "b c!".into())]);
    let bench = Bench::of(vec![saying(&[("type", "${body.action}")])]);
    assert_eq!(
        bench.ask(post("/webhooks/s", form, "payload=%7B%22action%22%3A%22x%22%7D")).await.status,
        202
    );
    assert_eq!(bench.published()[0].1.as_deref(), Some("x"));
    let multipart = "Content-Type: multipart/form-data; boundary=x\r\n";
    assert_eq!(bench.ask(post("/webhooks/s", multipart, "--x--")).await.status, 415);
}

const STRUCTURED: &str = "Content-Type: application/cloudevents+json\r\n";
const BATCH: &str = "Content-Type: application/cloudevents-batch+json\r\n";
const BINARY: &str =
    "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: a\r\n";

fn envelope(id: u32) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"a","data":{{"n":{id}}}}}"#)
}

#[tokio::test]
async fn a_cloud_event_is_the_same_however_it_came() {
    for (head, body) in
        [(STRUCTURED, envelope(1)), (BATCH, format!("[{}]", envelope(1))), (BINARY, "{\"n\":1}".into())]
    {
        let bench =
            Bench::of(vec![saying(&[("topic", "t.${headers['ce-source']}"), ("filter", "body.n == 1")])]);
        let answer = bench.ask(post("/webhooks/s", head, &body)).await;
        assert_eq!(answer.status, 202, "{head}: {}", answer.body);
        assert_eq!(bench.published(), [("t.~2Fs".into(), Some("a".into()), "{\"n\":1}".into())], "{head}");
        // (source, id) is what no two of them share.
        assert_eq!(bench.ask(post("/webhooks/s", head, &body)).await.json()["duplicate"], true, "{head}");
    }
    let bench = Bench::of(vec![open(|_| ())]);
    let batch = format!("[{},{}]", envelope(1), envelope(2));
    assert_eq!(
        bench.ask(post("/webhooks/s", BATCH, &batch)).await.json()["events"][1]["cursor"],
        "000000000007-1.2"
    );
    assert_eq!(bench.ask(post("/webhooks/s", BATCH, "[]")).await.status, 202);
    assert_eq!(bench.ask(post("/webhooks/s", BATCH, &format!("[{},{{}}]", envelope(3)))).await.status, 400);
    assert_eq!(bench.published().len(), 2);
}

#[tokio::test]
async fn headers_that_are_not_signed_make_no_cloud_event() {
    let bench = Bench::of(vec![source(github(), |_| ())]);
    assert_eq!(bench.ask(sent(&github(), BINARY, "{}")).await.status, 202);
    assert_eq!(bench.published(), [("t".into(), None, "{}".into())]);
    let bench = Bench::of(vec![source(bearer(), |_| ())]);
    assert_eq!(bench.ask(sent(&bearer(), BINARY, "{}")).await.status, 202);
    assert_eq!(bench.published()[0].1.as_deref(), Some("a"));
}

#[tokio::test]
async fn events_go_out_as_cloud_events_where_the_source_says_so() {
    let bench = Bench::of(vec![open(|mapping| mapping.data = DataRule::CloudEvent)]);
    assert_eq!(bench.ask(post("/webhooks/s", STRUCTURED, &envelope(1))).await.status, 202);
    let head = "Content-Type: application/json\r\nSidestream-Id: 7\r\nSidestream-Event: made\r\n";
    assert_eq!(bench.ask(post("/webhooks/s", head, "{\"n\":1}")).await.status, 202);
    let data: Vec<_> = bench.published().into_iter().map(|(_, _, data)| data).collect();
    assert_eq!(data[0], envelope(1), "as it came");
    let made: serde_json::Value = serde_json::from_str(&data[1]).unwrap();
    let want = serde_json::json!({
        "specversion": "1.0", "id": "7", "source": "/sources/s", "type": "made", "subject": "t",
        "time": "2023-11-14T22:13:20.000Z", "datacontenttype": "application/json", "data": { "n": 1 },
    });
    assert_eq!(made, want);
}
