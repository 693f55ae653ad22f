//! A held stream is one like any other: it takes room, is listed and ended, and is turned away where there is none.

use std::sync::Arc;

use sidestream::auth::{Access, Auth, Rules};
use sidestream::edge::Overload;
use sidestream::event::{Begin, Pattern, Selector, Subscription};

use super::support::{Holding, Setup, Stream, get, get_with, head};
use crate::harness::{Caller, field, status};

/// Asks the app, which wants it held; the answer until the connection ends.
async fn turned_away(holding: &mut Holding, fields: &str) -> String {
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head(&format!("{fields}Sidestream-Hold: a\r\nContent-Length: 9\r\n"))).say("data: a\n\n");
    caller.rest().await
}

fn assert_overload(answer: &str) {
    assert_eq!(status(answer), 200, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(field(head, "content-type"), Some("text/event-stream"), "{answer}");
    assert!(!head.to_ascii_lowercase().contains("sidestream-hold"), "{answer}");
    let retry = body.strip_prefix("retry: ").and_then(|retry| retry.strip_suffix("\n\n"));
    let retry: u64 = retry.unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
    assert!((5_000..=15_000).contains(&retry), "{retry}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_there_is_the_overload_answer_and_not_the_apps() {
    let mut holding = Holding::start_with(Setup { connections: 1, ..Setup::default() }).await;
    let (_caller, _) = holding.held("a").await;
    let cors = "Access-Control-Allow-Origin: https://app.example\r\nVary: Origin\r\nSet-Cookie: a=b\r\n";
    let answer = turned_away(&mut holding, cors).await;
    assert_overload(&answer);
    assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!((field(&answer, "vary"), field(&answer, "set-cookie")), (Some("Origin"), None));
    holding.front.change(|settings| settings.overload = Overload::Status);
    let answer = turned_away(&mut holding, "").await;
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(field(&answer, "retry-after").is_some(), "{answer}");
    assert!((holding.metric("connections_refused_total", Some("connections")) - 2.0).abs() < f64::EPSILON);
    assert_eq!(holding.fanout.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_its_limit() {
    let mut holding = Holding::start_with(Setup { per_ip: 1, ..Setup::default() }).await;
    let (caller, _) = holding.held("a").await;
    assert_overload(&turned_away(&mut holding, "").await);
    drop(caller);
    holding.streams(0).await;
    holding.held("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn none_is_opened_in_a_drain() {
    let mut holding = Holding::start().await;
    holding.fanout.refuse_new();
    assert_overload(&turned_away(&mut holding, "").await);
}

/// Only when the app's body is whole is a subscription looked at; then the answer has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_can_not_go_on_ends_cleanly_behind_the_apps_body() {
    let mut holding = Holding::start().await;
    let mut others = Vec::new();
    // As many patterns as are matched: large subscriptions while they fit, then small ones.
    for (size, rest) in [(64, ["a"; 15].join(".")), (1, "*".to_owned())] {
        for group in 0.. {
            let named = |i| Pattern::parse(&format!("t{size}-{group}-{i}.{rest}")).unwrap();
            let subscription = Arc::new(Subscription::to(Selector::of((0..size).map(named).collect())));
            let reservation = holding.fanout.reserve(None, None, &Begin::Now).unwrap();
            match reservation.begin(subscription, &Begin::Now).await {
                Ok(beginning) => others.push(beginning),
                Err(_) => break,
            }
        }
    }
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.hold("a.*", "data: a");
    let whole = Stream::begin(&mut caller).await.end().await;
    let retry = whole.strip_prefix("data: a\n\nretry: ").and_then(|retry| retry.strip_suffix("\n\n"));
    let retry: u64 = retry.unwrap_or_else(|| panic!("{whole:?}")).parse().unwrap();
    assert!((5_000..=15_000).contains(&retry), "{retry}");
    holding.streams(others.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_counted_and_can_be_ended() {
    let mut holding = Holding::start().await;
    let (mut caller, _) = holding.held("a, b.*").await;
    let listed = holding.listed().await;
    let [stream] = &listed[..] else { panic!("one stream, not {}", listed.len()) };
    assert_eq!(stream.selector.to_string(), "a,b.*");
    assert_eq!(stream.remote, Some(local(&caller)));
    assert!((holding.metric("connections_opened_total", None) - 1.0).abs() < f64::EPSILON);
    holding.end_all().await;
    assert!(Stream::going_on(&mut caller).end().await.starts_with("retry: "));
    holding.streams(0).await;
}

fn local(caller: &Caller) -> std::net::SocketAddr {
    caller.0.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_word_is_enough_for_what_asks_for_a_token_and_not_for_what_is_denied() {
    let mut holding = Holding::start().await;
    let rules = [("never.**", Access::Deny), ("**", Access::Jwt)];
    let rules = rules.map(|(pattern, access)| (Pattern::parse(pattern).unwrap(), access));
    holding.front.change(|settings| {
        let rules = Rules::new(rules.into(), Access::Jwt);
        settings.access = Arc::new(Auth { rules, ..Auth::default() });
    });
    let status_of =
        |topic: &'static str| format!("GET /topics/{topic} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(
        status(&holding.front.running.exchange(status_of("mine")).await),
        401,
        "without the app's word"
    );
    // A token is none of the app's matters here, good or bad.
    let (mut caller, asked) = holding.ask(get_with("/welcome", "Authorization: Bearer nonsense\r\n")).await;
    assert_eq!(field(&asked.head, "authorization"), Some("Bearer nonsense"));
    asked.hold("mine", "");
    Stream::begin(&mut caller).await.block().await;
    for topics in ["never.1", "mine, never.*", "**", "*.1"] {
        for method in ["GET", "HEAD"] {
            let (mut caller, asked) =
                holding.ask(format!("{method} /welcome HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let cors = "Access-Control-Allow-Origin: *\r\n";
            asked.say(head(&format!("{cors}Sidestream-Hold: {topics}\r\nContent-Length: 0\r\n")));
            drop(asked);
            let answer = caller.rest().await;
            assert_eq!(
                (status(&answer), field(&answer, "access-control-allow-origin")),
                (403, Some("*")),
                "{answer}"
            );
            assert!(!answer.to_ascii_lowercase().contains("sidestream-hold"), "{answer}");
        }
    }
    assert_eq!(holding.fanout.connections(), 1);
    assert!((holding.metric("auth_failures_total", Some("denied")) - 8.0).abs() < f64::EPSILON);
}
