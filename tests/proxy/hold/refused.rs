//! What can't be held is a 502, and the fields of a hold never reach a caller.

use super::support::{Holding, get, head};
use crate::harness::{field, status};

const HOLD: &str = "Sidestream-Hold: a\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_can_not_be_held_are_replaced() {
    let mut holding = Holding::start().await;
    let stream = "Content-Type: text/event-stream\r\n";
    for (line, fields) in [
        ("200 OK", HOLD.to_owned()),
        ("200 OK", format!("Content-Type: text/html\r\n{HOLD}")),
        ("201 Created", format!("{stream}{HOLD}")),
        ("206 Partial Content", format!("{stream}{HOLD}")),
        ("204 No Content", format!("{stream}{HOLD}")),
        ("304 Not Modified", format!("{stream}{HOLD}")),
        ("403 Forbidden", format!("{stream}{HOLD}")),
        ("500 Internal Server Error", format!("{stream}{HOLD}")),
        ("200 OK", format!("{stream}{HOLD}Content-Encoding: gzip\r\n")),
        ("200 OK", format!("{stream}Sidestream-Hold: a..b\r\n")),
        ("200 OK", format!("{stream}Sidestream-Hold: \r\n")),
        ("200 OK", format!("{stream}Sidestream-Hold: sidestream.x\r\n")),
        ("200 OK", format!("{stream}{HOLD}Sidestream-Hold-Timeout: soon\r\n")),
        ("200 OK", format!("{stream}{HOLD}Sidestream-Hold-Else: 1\r\n")),
        ("200 OK", format!("{stream}Sidestream-Hold-Timeout: 1m\r\n")),
    ] {
        let (mut caller, asked) = holding.ask(get("/welcome")).await;
        asked.say(format!("HTTP/1.1 {line}\r\n{fields}Content-Length: 0\r\n\r\n"));
        drop(asked);
        let answer = caller.rest().await;
        assert_eq!(status(&answer), 502, "{line} {fields}: {answer}");
        assert_eq!(field(&answer, "content-type"), Some("application/problem+json"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("sidestream-hold"), "{answer}");
        assert!(answer.contains("the app's answer was not valid"), "{answer}");
    }
    holding.streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_topics_as_a_connection_may_name() {
    let mut holding = Holding::start().await;
    holding.front.change(|settings| settings.topics_per_connection = 2);
    holding.held("a, b, a").await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.hold("a, b, c", "");
    assert_eq!(status(&caller.rest().await), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_topics_nothing_can_be_held_and_without_fields_nothing_is() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/sse")).await;
    asked.say(head("Content-Length: 9\r\n")).say("data: a\n\n");
    drop(asked);
    let (head, body) = caller.answer().await;
    assert_eq!((status(&head), &*body), (200, "data: a\n\n"));
    assert_eq!(field(&head, "connection"), Some("keep-alive"));
    holding.streams(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interim_answer_is_none_and_says_nothing_of_it() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n{HOLD}\r\n"));
    let hints = caller.until("\r\n\r\n").await;
    assert_eq!((status(&hints), field(&hints, "sidestream-hold")), (103, None), "{hints}");
    asked.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(caller.answer().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_never_held() {
    let mut holding = Holding::start().await;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for line in ["101 Switching Protocols", "200 OK"] {
        let (mut caller, asked) = holding.ask(upgrade).await;
        asked.say(format!(
            "HTTP/1.1 {line}\r\nContent-Type: text/event-stream\r\nUpgrade: websocket\r\n{HOLD}\r\n"
        ));
        let answer = caller.rest().await;
        assert_eq!(status(&answer), 502, "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("sidestream-hold"), "{answer}");
    }
    holding.streams(0).await;
}
