//! Webhooks that are handed on to the app: what the sender is told, what is in the log, what the app got, what is counted.

use std::time::Duration;

use super::fake::{Bench, Script, post, settings};
use super::make::{github, open, sent, set, source};
use crate::ingress::{Settings, Source, Sources};
use crate::live::Live;
use crate::log::AppendError;
use crate::net::Roots;
use crate::relay::tests::support::{self, Act, App, PATIENCE, Seen, free_port, queued, say, status, to_port};
use crate::relay::{Mode, Plan, To};

/// An ingress with one source, `s`, that hands on by this plan.
fn relaying(source: Source, plan: Plan) -> (Bench, support::Bench) {
    relaying_within(source, plan, PATIENCE)
}

fn relaying_within(source: Source, plan: Plan, append: Duration) -> (Bench, support::Bench) {
    let relay = support::Bench::with([("s", plan)], 100, Roots::System);
    let settings = Settings { sources: Sources::new(vec![source]), max_body: 1 << 20, ..settings() };
    let bench = Bench::made(Live::fixed(settings), append, 64 << 20, |ingress| {
        ingress.with_relay(relay.relay.clone())
    });
    (bench, relay)
}

fn before(to: To) -> Plan {
    Plan { mode: Mode::Before, ..support::sync(to) }
}

/// What GitHub sends, with an id.
fn push(id: u32, body: &str) -> String {
    sent(&github(), &format!("X-GitHub-Event: push\r\nX-GitHub-Delivery: {id}\r\n"), body)
}

fn signed() -> Source {
    source(github(), |_| ())
}

fn assert_is(seen: &Seen, body: &str) {
    assert_eq!(seen.body, body.as_bytes());
    let head = seen.head().to_lowercase();
    assert!(head.starts_with("post /webhooks/s http/1.1\n"), "{head}");
    assert!(head.contains("\nx-hub-signature-256: sha256="), "the app can verify it itself: {head}");
}

/// The app's answer, as it is passed on.
const TAKEN: &str = "HTTP/1.1 201 Created\r\nX-App: yes\r\nContent-Length: 4\r\n\r\ndone";

#[tokio::test]
async fn before_the_log_what_the_app_takes_is_published_and_its_answer_is_the_senders() {
    let mut app = App::start(|_| say(TAKEN)).await;
    let (bench, relay) = relaying(signed(), before(support::to(&app)));
    let answer = bench.ask(push(1, "{\"n\":1}")).await;
    assert_eq!((answer.status, answer.header("x-app"), &*answer.body), (201, Some("yes"), "done"));
    assert_is(&app.next().await, "{\"n\":1}");
    assert_eq!(bench.published(), [("t".into(), Some("push".into()), "{\"n\":1}".into())]);
    assert_eq!(bench.outcomes("accepted"), 1);
    relay.counted(1, 0, 0);
    // A repeated one is asked of the app again; it is published once.
    assert_eq!(bench.ask(push(1, "{\"n\":1}")).await.status, 201);
    assert_eq!((bench.published().len(), bench.outcomes("duplicate")), (1, 1));
    relay.counted(2, 0, 0);
}

#[tokio::test]
async fn before_the_log_nothing_is_published_that_the_app_does_not_take() {
    for (app_says, want) in [(500, 500), (404, 404), (302, 302)] {
        let app = App::start(move |_| status(app_says)).await;
        let (bench, relay) = relaying(signed(), before(support::to(&app)));
        assert_eq!(bench.ask(push(1, "{}")).await.status, want);
        bench.refused("denied");
        relay.counted(0, 1, 0);
    }
    let (bench, relay) = relaying(signed(), before(to_port(free_port().await)));
    assert_eq!(bench.ask(push(1, "{}")).await.status, 502);
    bench.refused("unavailable");
    relay.counted(0, 1, 0);
}

#[tokio::test]
async fn before_the_log_what_the_log_then_does_not_take_is_tried_again_by_its_sender() {
    let app = App::start(|_| say(TAKEN)).await;
    let (bench, relay) = relaying(signed(), before(support::to(&app)));
    bench.script(Script::Refuse(AppendError::Full));
    let answer = bench.ask(push(1, "{}")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    bench.refused("unavailable");
    assert_eq!(bench.ask(push(1, "{}")).await.status, 201);
    assert_eq!((bench.published().len(), app.asked()), (1, 2));
    relay.counted(2, 0, 0);
}

#[tokio::test]
async fn after_the_log_the_apps_answer_is_the_senders_whatever_it_is() {
    let mut app = App::start(|n| if n == 1 { status(500) } else { say(TAKEN) }).await;
    let (bench, relay) = relaying(signed(), support::sync(support::to(&app)));
    assert_eq!(bench.ask(push(1, "{}")).await.status, 500);
    assert_is(&app.next().await, "{}");
    assert_eq!((bench.published().len(), bench.outcomes("accepted")), (1, 1));
    relay.counted(0, 1, 0);
    // The sender tries again: the app is asked again, and nothing is published twice.
    assert_eq!(bench.ask(push(1, "{}")).await.status, 201);
    assert_eq!((bench.published().len(), bench.outcomes("duplicate")), (1, 1));
    relay.counted(1, 1, 0);

    let (bench, relay) = relaying(signed(), support::sync(to_port(free_port().await)));
    assert_eq!(bench.ask(push(1, "{}")).await.status, 502);
    assert_eq!((bench.published().len(), bench.outcomes("accepted")), (1, 1));
    relay.counted(0, 1, 0);
    // What the log does not take the app does not get.
    bench.script(Script::Refuse(AppendError::Full));
    assert_eq!(bench.ask(push(2, "{}")).await.status, 503);
    relay.counted(0, 1, 0);
}

#[tokio::test]
async fn from_the_queue_the_senders_answer_waits_for_no_app_and_a_failing_one_is_asked_again() {
    let mut app = App::start(|n| if n == 1 { status(503) } else { say(TAKEN) }).await;
    let (bench, relay) = relaying(signed(), queued(support::to(&app)));
    let answer = bench.ask(push(1, "{\"n\":1}")).await;
    assert_eq!((answer.status, answer.json()["cursor"].as_str()), (202, Some("000000000007-1")));
    assert_eq!(bench.published().len(), 1);
    for _ in 0..2 {
        assert_is(&app.next().await, "{\"n\":1}");
    }
    relay.flushed().await;
    relay.counted(1, 0, 0);
    assert_eq!(relay.metric("relay_retries_total", &[]), 1);
    // A repeated one has been through the queue.
    assert_eq!(bench.ask(push(1, "{\"n\":1}")).await.json()["duplicate"], true);
    relay.flushed().await;
    app.no_more();

    // One that the app refuses is lost to it, and counted; the event stays.
    let app = App::start(|_| status(400)).await;
    let (bench, relay) = relaying(signed(), queued(support::to(&app)));
    assert_eq!(bench.ask(push(1, "{}")).await.status, 202);
    relay.flushed().await;
    relay.counted(0, 0, 1);
    assert_eq!(relay.metric("relay_lost_total", &["reason=\"refused\""]), 1);
    assert_eq!(bench.published().len(), 1);
}

/// The log has it and could not say so. The sender's retry is a duplicate, which is not queued: so this one is.
#[tokio::test]
async fn what_the_log_may_have_kept_is_queued_though_the_sender_is_told_503() {
    let mut app = App::start(|_| say(TAKEN)).await;
    let (bench, relay) = relaying(signed(), queued(support::to(&app)));
    bench.script(Script::KeepAndForget);
    assert_eq!(bench.ask(push(1, "{\"n\":1}")).await.status, 503);
    assert_is(&app.next().await, "{\"n\":1}");
    assert_eq!(bench.ask(push(1, "{\"n\":1}")).await.json()["duplicate"], true);
    relay.flushed().await;
    app.no_more();
    relay.counted(1, 0, 0);
    assert_eq!(bench.published().len(), 1);

    let mut app = App::start(|_| say(TAKEN)).await;
    let (bench, relay) = relaying_within(signed(), queued(support::to(&app)), Duration::from_millis(1));
    bench.script(Script::Hang);
    assert_eq!(bench.ask(push(1, "{\"n\":1}")).await.status, 503);
    assert_is(&app.next().await, "{\"n\":1}");
    relay.flushed().await;

    // What the log certainly has not is its sender's to send again.
    let mut app = App::start(|_| say(TAKEN)).await;
    let (bench, relay) = relaying(signed(), queued(support::to(&app)));
    for error in [AppendError::Full, AppendError::Unavailable("down"), AppendError::TooLarge { limit: 1 }] {
        bench.script(Script::Refuse(error));
        assert!(bench.ask(push(1, "{}")).await.status >= 400);
    }
    relay.flushed().await;
    app.no_more();
}

#[tokio::test]
async fn the_app_gets_what_was_verified_also_what_is_filtered_out_and_nothing_else() {
    let mut app = App::start(|_| say(TAKEN)).await;
    let source = source(github(), |mapping| {
        set(mapping, "filter", "body.n == 1");
        set(mapping, "type", "${body.kind}");
    });
    let (bench, relay) = relaying(source, queued(support::to(&app)));
    assert_eq!(bench.ask(push(1, "{\"n\":2}")).await.status, 202);
    assert_is(&app.next().await, "{\"n\":2}");
    // Not believed; an expression fails; no JSON; not a POST.
    assert_eq!(bench.ask(push(2, "{\"n\":2}").replace("{\"n\":2}", "{\"n\":3}")).await.status, 401);
    assert_eq!(bench.ask(push(3, "{\"n\":1}")).await.status, 422);
    assert_eq!(bench.ask(push(4, "no")).await.status, 422);
    assert_eq!(bench.ask("GET /webhooks/s HTTP/1.1\r\nHost: t\r\n\r\n").await.status, 405);
    relay.flushed().await;
    app.no_more();
    relay.counted(1, 0, 0);
    assert_eq!((bench.published(), bench.outcomes("filtered")), (vec![], 1));
}

#[tokio::test]
async fn a_source_without_a_plan_hands_nothing_on() {
    let app = App::start(|_| Act::Close).await;
    let other = Source { name: "other".into(), ..open(|_| ()) };
    let (bench, relay) = relaying(other, before(support::to(&app)));
    assert_eq!(bench.ask(post("/webhooks/s", "", "x")).await.status, 202);
    assert_eq!(app.asked(), 0);
    relay.counted(0, 0, 0);
}
