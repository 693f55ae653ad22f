//! What the app's own body may look like, and what the caller gets of it.

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::support::{Holding, Stream, event, get, get_with, head, id};
use crate::harness::{PATIENCE, field, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_blank_line_is_added_however_the_body_is_framed() {
    let mut holding = Holding::start().await;
    for (body, expected) in [
        ("", ""),
        ("data: a\n\n", "data: a\n\n"),
        ("data: a\n", "data: a\n\n"),
        ("data: a", "data: a\n\n"),
        ("data: a\r\n", "data: a\r\n\n"),
        ("data: a\r", "data: a\r\n\n"),
        (": 0\r\n\r\n", ": 0\r\n\r\n"),
        ("0\r\n\r\n", "0\r\n\r\n"),
    ] {
        let chunked = match body {
            "" => "0\r\n\r\n".to_owned(),
            _ => format!("{:x}\r\n{body}\r\n0\r\nX-Trailer: dropped\r\n\r\n", body.len()),
        };
        for (fields, bytes) in [
            (format!("Content-Length: {}\r\n", body.len()), body.to_owned()),
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunked),
            ("Connection: close\r\n".to_owned(), body.to_owned()),
        ] {
            let (mut caller, asked) = holding.ask(get("/welcome")).await;
            asked.say(head(&format!("Sidestream-Hold: a\r\n{fields}"))).say(bytes);
            if fields.starts_with("Connection") {
                asked.hang_up();
            } else {
                drop(asked);
            }
            let stream = Stream::begin(&mut caller).await;
            holding.streams(1).await;
            holding.end_all().await;
            let whole = stream.end().await;
            let retry = whole.find("retry: ").unwrap_or_else(|| panic!("{whole:?}"));
            assert_eq!(&whole[..retry], expected, "{body:?} {fields}");
            holding.streams(0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heads_other_lines_are_the_apps() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    let fields =
        "Set-Cookie: a=b\r\nCache-Control: private\r\nETag: \"x\"\r\nTrailer: X-Sum\r\nX-Of-App: 1\r\n";
    asked.say(head(&format!("{fields}Sidestream-Hold: a\r\nContent-Length: 0\r\n")));
    let stream = Stream::begin(&mut caller).await;
    for (name, value) in [
        ("content-type", Some("text/event-stream")),
        ("set-cookie", Some("a=b")),
        ("cache-control", Some("private")),
        ("x-accel-buffering", Some("no")),
        ("x-of-app", Some("1")),
        ("etag", None),
        ("trailer", None),
    ] {
        assert_eq!(field(&stream.head, name), value, "{name} in {}", stream.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_connection_is_in_its_pool_again_when_the_stream_goes_on() {
    let mut holding = Holding::start().await;
    let (mut first, opening) = holding.held("a").await;
    for _ in 0..5 {
        let (mut caller, asked) = holding.ask(get("/other")).await;
        asked.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        drop(asked);
        assert_eq!(caller.answer().await.1, "ok");
        let (_, next) = holding.held("a").await;
        assert_eq!(next, opening);
    }
    assert_eq!(holding.app.connections(), 1);
    let published = holding.publish("a", "x").await;
    assert_eq!(Stream::going_on(&mut first).block().await, event(&published, "x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_gets_a_body_that_ends_with_its_connection() {
    let mut holding = Holding::start().await;
    for fields in ["Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (mut caller, asked) = holding.ask("GET /welcome HTTP/1.0\r\nHost: a\r\n\r\n").await;
        asked.say(head(&format!("Sidestream-Hold: a\r\n{fields}")));
        asked.say(if fields.starts_with('C') { "data: a" } else { "7\r\ndata: a\r\n0\r\n\r\n" });
        drop(asked);
        let mut stream = Stream::begin(&mut caller).await;
        assert_eq!(field(&stream.head, "transfer-encoding"), None);
        assert_eq!(stream.block().await, "data: a\n\n");
        id(&stream.block().await);
        let published = holding.publish("a", "x").await;
        assert_eq!(stream.block().await, event(&published, "x"));
        holding.end_all().await;
        assert!(stream.end().await.starts_with("retry: "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_body_can_be_held_too() {
    let mut holding = Holding::start().await;
    let post = "POST /welcome HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n";
    for expect in ["", "Expect: 100-continue\r\n"] {
        let (mut caller, asked) = holding.ask(format!("{post}{expect}\r\nbody")).await;
        if !expect.is_empty() {
            assert_eq!(status(&caller.until("\r\n\r\n").await), 100);
        }
        asked.hold("a", "data: a\n\n");
        let mut stream = Stream::begin(&mut caller).await;
        assert_eq!(stream.block().await, "data: a\n\n");
        id(&stream.block().await);
        let published = holding.publish("a", "x").await;
        assert_eq!(stream.block().await, event(&published, "x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_behind_the_request_is_answered_with_the_end() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask([get("/welcome"), get("/second")].concat()).await;
    asked.hold("a", "data: a\n\n");
    let mut stream = Stream::begin(&mut caller).await;
    assert_eq!(stream.block().await, "data: a\n\n");
    id(&stream.block().await);
    holding.end_all().await;
    assert!(stream.end().await.starts_with("retry: "));
    let (_, asked) = holding.ask(get("/third")).await;
    assert!(asked.head.starts_with("GET /third "), "the second never came: {}", asked.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_the_head_alone_and_opens_nothing() {
    let mut holding = Holding::start().await;
    let mut caller = holding.front.running.connect().await;
    for _ in 0..2 {
        caller.send("HEAD /welcome HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let asked = holding.app.next().await;
        asked.say(head("Sidestream-Hold: a\r\nContent-Length: 7\r\n"));
        drop(asked);
        let answer = caller.until("\r\n\r\n").await;
        assert_eq!((status(&answer), field(&answer, "sidestream-hold")), (200, None), "{answer}");
        assert_eq!(holding.fanout.connections(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_arrives_whole_and_the_events_behind_it() {
    const BYTES: usize = 32 << 20;
    let mut holding = Holding::start().await;
    let line = format!("data: {}\n", "x".repeat(993));
    let (mut caller, asked) = holding.ask("GET /welcome HTTP/1.0\r\nHost: a\r\n\r\n").await;
    asked.say(head(&format!("Sidestream-Hold: a\r\nContent-Length: {BYTES}\r\n")));
    let mut left = BYTES;
    while left > 0 {
        let part = left.min(line.len());
        asked.say(&line[..part]);
        left -= part;
    }
    drop(asked);
    caller.until("\r\n\r\n").await;
    holding.publish("a", "meanwhile").await;
    let mut body = vec![0; BYTES];
    timeout(PATIENCE, caller.0.read_exact(&mut body)).await.expect("it stalls").unwrap();
    let whole = line.repeat(BYTES / line.len() + 1);
    assert!(body == whole.as_bytes()[..BYTES], "it is another body");
    let rest = caller.until("data: meanwhile\n\n").await;
    assert!(rest.starts_with("\n\nretry: "), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_word_is_not_the_apps() {
    let mut holding = Holding::start().await;
    let forged = "Sidestream-Hold: **\r\nsidestream-hold-timeout: 1h\r\n";
    let (mut caller, asked) = holding.ask(get_with("/echo", forged)).await;
    assert!(!asked.head.to_ascii_lowercase().contains("sidestream-hold"), "{}", asked.head);
    asked.say(head("Content-Length: 9\r\n")).say("data: a\n\n");
    let (head, body) = caller.answer().await;
    assert_eq!((status(&head), &*body), (200, "data: a\n\n"));
    assert_eq!(holding.fanout.connections(), 0);
}
