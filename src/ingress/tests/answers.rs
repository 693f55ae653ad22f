//! What senders are answered.

use std::time::Duration;

use super::fake::{Bench, Script, post};
use super::make::{json, open, saying};
use crate::ingress::{Respond, Source};

fn answering(respond: Respond) -> Source {
    Source { respond, ..open(|_| ()) }
}

#[tokio::test]
async fn a_source_says_status_headers_and_body() {
    let twiml = Respond::default().status(200).unwrap();
    let twiml = twiml.header("Content-Type", "text/xml").unwrap().header("X-A", "b").unwrap();
    let bench = Bench::of(vec![answering(twiml.body("<Response/>").unwrap())]);
    let answer = bench.ask(json("{}")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "<Response/>"));
    assert_eq!((answer.header("content-type"), answer.header("x-a")), (Some("text/xml"), Some("b")));
    assert_eq!(bench.published().len(), 1);

    let bench = Bench::of(vec![answering(Respond::default().header("X-A", "b").unwrap())]);
    let answer = bench.ask(json("{}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/json")));
    assert_eq!(answer.json()["topic"], "t");
}

#[tokio::test]
async fn no_content_is_a_head_alone_and_the_connection_goes_on() {
    let bench = Bench::of(vec![answering(Respond::default().status(204).unwrap())]);
    let request = json("{}");
    let mut peer = bench.peer();
    peer.send([request.clone(), request].concat()).await;
    for _ in 0..2 {
        let answer = peer.receive_head().await;
        assert_eq!((answer.status, answer.header("content-length")), (204, None));
    }
    assert_eq!(bench.published().len(), 2);
}

#[tokio::test]
async fn refusals_are_told_as_they_are_whatever_the_source_answers() {
    let respond = || Respond::default().status(200).unwrap().body("ok").unwrap();
    let source = Source { respond: respond(), ..saying(&[("type", "${body.none}")]) };
    let bench = Bench::of(vec![source]);
    assert_eq!(bench.ask(json("{}")).await.status, 422);
    let quick = Source { respond: respond().deadline(Duration::from_millis(20)), ..open(|_| ()) };
    let bench = Bench::of(vec![quick]);
    bench.script(Script::Hang);
    let answer = bench.ask(post("/webhooks/s", "", "x")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    bench.refused("unavailable");
}
