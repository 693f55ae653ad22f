//! Whom the app says that a held stream is about: the stream is limited, listed and revoked by that.

use sidestream::fanout::{ListFrom, ListOnly};

use super::room::assert_overload;
use super::support::{Asked, Holding, Setup, Stream, event, get, head};
use crate::harness::Caller;

fn fields(subject: &str) -> String {
    format!("Sidestream-Hold: a\r\nSidestream-Hold-Subject: {subject}\r\n")
}

/// A caller that the app is asked about, which says that it is `subject`.
async fn about(holding: &mut Holding, subject: &str) -> Caller {
    let (caller, asked) = holding.ask(get("/welcome")).await;
    answer(&asked, subject);
    caller
}

fn answer(asked: &Asked, subject: &str) {
    asked.say(head(&format!("{}Content-Length: 0\r\n", fields(subject))));
}

/// The stream's first block has come.
async fn opened(caller: &mut Caller) {
    let opening = Stream::begin(caller).await.block().await;
    assert!(opening.contains("id: "), "{opening:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_listed_by_its_subject() {
    let mut holding = Holding::start().await;
    let (mut anna, mut bert) = (about(&mut holding, "anna").await, about(&mut holding, "bert").await);
    opened(&mut anna).await;
    opened(&mut bert).await;
    let (_nobody, _) = holding.held("a").await;
    let mut subjects: Vec<_> = holding.listed().await.into_iter().map(|listed| listed.subject).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, [None, Some("anna".into()), Some("bert".into())]);
    let only = ListOnly { subject: Some("bert".into()), ..ListOnly::default() };
    assert_eq!(holding.fanout.list(ListFrom::default(), 100, &only).await.0.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subject_has_its_limit() {
    let mut holding = Holding::start_with(Setup { per_subject: 1, ..Setup::default() }).await;
    let mut first = about(&mut holding, "anna").await;
    opened(&mut first).await;
    assert_overload(&about(&mut holding, "anna").await.rest().await);
    assert!((holding.metric("connections_refused_total", Some("per_subject")) - 1.0).abs() < f64::EPSILON);
    let mut other = about(&mut holding, "bert").await;
    opened(&mut other).await;
    // Nobody's streams are not one holder's.
    let (_one, _) = holding.held("a").await;
    let (_two, _) = holding.held("a").await;
    drop(first);
    holding.streams(3).await;
    opened(&mut about(&mut holding, "anna").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_ends_it_and_the_app_is_asked_anew() {
    let mut holding = Holding::start().await;
    let (mut anna, mut bert) = (about(&mut holding, "anna").await, about(&mut holding, "bert").await);
    opened(&mut anna).await;
    opened(&mut bert).await;
    assert_eq!(holding.revoke("anna").await, 1);
    assert!(Stream::going_on(&mut anna).end().await.starts_with("retry: "));
    let published = holding.publish("a", "x").await;
    assert_eq!(Stream::going_on(&mut bert).block().await, event(&published, "x"));
    // The app knows by now, and lets her in all the same: she has logged in again. What judges again leaves her be.
    let mut again = about(&mut holding, "anna").await;
    opened(&mut again).await;
    assert_eq!(holding.fanout.judge_again().await, 0);
    let published = holding.publish("a", "y").await;
    assert_eq!(Stream::going_on(&mut again).block().await, event(&published, "y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_before_a_revocation_is_not_followed() {
    let mut holding = Holding::start().await;
    // The app is asked, and then it is revoked.
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    assert_eq!(holding.revoke("anna").await, 0);
    answer(&asked, "anna");
    drop(asked);
    assert_overload(&caller.rest().await);
    assert!((holding.metric("auth_failures_total", Some("revoked")) - 1.0).abs() < f64::EPSILON);
    holding.streams(0).await;
    // The answer has begun, and then it is.
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    asked.say(head(&format!("{}Transfer-Encoding: chunked\r\n", fields("bert")))).say("9\r\ndata: a\n\n\r\n");
    let mut stream = Stream::begin(&mut caller).await;
    assert_eq!(stream.block().await, "data: a\n\n");
    holding.revoke("bert").await;
    holding.publish("a", "for nobody").await;
    asked.say("0\r\n\r\n");
    drop(asked);
    let rest = stream.end().await;
    assert!(rest.starts_with("retry: ") && !rest.contains("for nobody"), "{rest:?}");
    holding.streams(0).await;
}
