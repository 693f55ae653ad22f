//! Expressions: what they make of a delivery, and what becomes of it when they fail.

use super::fake::{Bench, post};
use super::make::{json, open, saying, set};
use crate::ingress::OnError;

#[tokio::test]
async fn a_source_says_topic_type_and_data() {
    let bench = Bench::of(vec![saying(&[
        ("topic", "orders.${body.shop}.${headers['x-kind']}"),
        ("type", "${body.type}"),
        ("data", "{\"n\":${body.n + 1},\"q\":${json(query.q)}}"),
    ])]);
    let body = "{\"shop\":\"x y\",\"type\":\"new\",\"n\":1}";
    let answer = bench.ask(post("/webhooks/s?q=a+b", "X-Kind: a.*\r\n", body)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["topic"], "orders.x~20y.a~2E~2A");
    let event = ("orders.x~20y.a~2E~2A".into(), Some("new".into()), "{\"n\":2,\"q\":\"a b\"}".into());
    assert_eq!(bench.published(), [event]);
}

#[tokio::test]
async fn what_is_filtered_is_answered_as_if_it_were_published() {
    let bench = Bench::of(vec![saying(&[("filter", "body.keep"), ("topic", "t.${body.topic}")])]);
    // Names that the event would not have are not missed, though they are made first.
    let answer = bench.ask(json("{\"keep\":false}")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body, r#"{"events":[],"subscribers":0,"duplicate":false}"#);
    bench.refused("filtered");
    assert_eq!(bench.ask(json("{\"keep\":true,\"topic\":\"a\"}")).await.status, 202);
    assert_eq!(bench.published().len(), 1);
}

#[tokio::test]
async fn each_makes_an_event_of_every_element_all_or_nothing() {
    let says = [("each", "${body.events}"), ("topic", "t.${each.t}"), ("filter", "index != 1")];
    let bench = Bench::of(vec![saying(&says)]);
    let body = r#"{"events":[{"t":"a","x":1.0},{"t":"b"},{"t":"c"}]}"#;
    let answer = bench.ask(json(body)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.body,
        r#"{"events":[{"topic":"t.a","cursor":"000000000007-1.1"},{"topic":"t.c","cursor":"000000000007-1.2"}],"subscribers":null,"duplicate":false}"#
    );
    let data: Vec<_> = bench.published().into_iter().map(|(topic, _, data)| (topic, data)).collect();
    assert_eq!(data, [("t.a".into(), r#"{"t":"a","x":1.0}"#.into()), ("t.c".into(), r#"{"t":"c"}"#.into())]);
    assert_eq!(bench.metric("sidestream_events_total", "source=\"s\""), 2);

    // One that can't be named takes the others with it.
    assert_eq!(bench.ask(json(r#"{"events":[{"t":"a"},{"t":"b"},{}]}"#)).await.status, 422);
    assert_eq!((bench.published().len(), bench.outcomes("unmapped")), (2, 1));
    // None at all, or one: the shapes of contract 3.
    assert_eq!(bench.ask(json(r#"{"events":[]}"#)).await.json()["events"], serde_json::json!([]));
    assert_eq!(bench.ask(json(r#"{"events":[{"t":"z"}]}"#)).await.json()["topic"], "t.z");
}

#[tokio::test]
async fn a_failed_expression_is_422_or_what_the_source_says() {
    let failing = [
        ("topic", "t.${body.none}"),
        ("type", "${body.none}"),
        ("id", "${body.none}"),
        ("filter", "body.none"),
        ("data", "${body.none}"),
    ];
    for (key, text) in failing {
        for on_error in [OnError::Reject, OnError::Drop, OnError::Pass] {
            let source = open(|mapping| {
                set(mapping, key, text);
                mapping.on_error = on_error;
            });
            let bench = Bench::of(vec![source]);
            let answer = bench.ask(json("{\"a\":1}")).await;
            match on_error {
                OnError::Drop => {
                    assert_eq!(answer.status, 202, "{key}");
                    bench.refused("filtered");
                }
                OnError::Pass if key != "topic" => {
                    assert_eq!(answer.status, 202, "{key}");
                    assert_eq!(bench.published(), [("t".into(), None, "{\"a\":1}".into())], "{key}");
                }
                _ => {
                    assert_eq!(answer.status, 422, "{key}");
                    assert!(!answer.body.contains("none"), "{key}: {}", answer.body);
                    bench.refused("unmapped");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_missed_only_by_those_who_look_into_it() {
    let bench = Bench::of(vec![saying(&[("type", "${headers['x-kind']}")])]);
    assert_eq!(bench.ask(post("/webhooks/s", "X-Kind: a\r\n", "not json")).await.status, 202);
    let bench = Bench::of(vec![saying(&[("type", "${body.kind}")])]);
    assert_eq!(bench.ask(post("/webhooks/s", "", "not json")).await.status, 422);
    bench.refused("unmapped");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let long = format!("{{\"t\":\"{}\"}}", "x".repeat(300));
    for (key, text, body) in [
        ("type", "${body.t}", "{\"t\":\"open\"}"),
        ("type", "${body.t}", "{\"t\":\"a,b\"}"),
        ("topic", "${body.t}", long.as_str()),
        ("topic", "${body.t}", "{\"t\":\"\"}"),
    ] {
        let bench = Bench::of(vec![saying(&[(key, text)])]);
        assert_eq!(bench.ask(json(body)).await.status, 422, "{body:.40}");
        bench.refused("unmapped");
    }
}
