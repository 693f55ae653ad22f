//! Who is believed, and what whoever is not is told.

use super::fake::{Bench, post};
use super::make::{NOW, bearer, github, open, sent, set, signed_at, slack, source, stripe};
use crate::content::handshake::EventGrid;
use crate::event::Millis;
use crate::ingress::{Source, SourcePath};
use crate::secret::Secret;
use crate::verify::preset;
use crate::verify::testing::unfetched;

#[tokio::test]
async fn what_is_signed_is_published_and_named_by_what_its_sender_says() {
    let bench = Bench::of(vec![source(github(), |_| ())]);
    let extra = "X-GitHub-Event: push\r\nX-GitHub-Delivery: 1\r\nSidestream-Event: forged\r\nSidestream-Id: forged\r\n";
    let request = sent(&github(), extra, "{\"a\":1}");
    let answer = bench.ask(&request).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(bench.published(), [("t".into(), Some("push".into()), "{\"a\":1}".into())]);
    assert_eq!(bench.ask(&request).await.json()["duplicate"], true);
    assert_eq!(bench.metric("sidestream_webhooks_total", "outcome=\"accepted\",source=\"s\""), 1);
    // Headers that nobody signed name nothing.
    let other = sent(&github(), "Sidestream-Event: forged\r\nSidestream-Id: 1\r\n", "{}");
    for _ in 0..2 {
        assert_eq!(bench.ask(&other).await.json()["duplicate"], false);
    }
    assert_eq!(bench.published()[1].1, None);
}

#[tokio::test]
async fn whoever_is_not_believed_is_told_the_same_whatever_the_reason() {
    let mut bodies = Vec::new();
    for scheme in [github, stripe, slack, bearer] {
        let good = sent(&scheme(), "", "{}");
        let wrong = [
            post("/webhooks/s", "", "{}"),
            good.replace("{}", "[]"),
            good.replacen("\r\nHost: t\r\n", "\r\nHost: t\r\nAuthorization: Bearer no\r\n", 1)
                .replace("authorization: Bearer hush", "x: hush")
                .replace("-signature", "-sig"),
        ];
        for request in &wrong {
            let bench = Bench::of(vec![source(scheme(), |_| ())]);
            let answer = bench.ask(request).await;
            if scheme().name() == "bearer" && request == &wrong[1] {
                // A token says nothing of the body.
                assert_eq!(answer.status, 202);
                continue;
            }
            assert_eq!(answer.status, 401, "{request}");
            assert_eq!(answer.header("www-authenticate"), Some("Webhook"));
            bench.refused("unauthorized");
            bodies.push(answer.body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn old_signatures_and_those_from_the_future_are_refused() {
    let standard = || {
        let secret = Secret::new(*b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        preset::standard(&[secret], std::time::Duration::from_mins(5)).unwrap()
    };
    for scheme in [slack, stripe, standard] {
        for (off, status) in [(-300, 202), (-301, 401), (300, 202), (301, 401)] {
            // Signed at that time, so that the time alone is what is wrong.
            let at = Millis(NOW.0.saturating_add_signed(off * 1000));
            let head = signed_at(&scheme(), "/webhooks/s", "{}", at);
            let bench = Bench::of(vec![source(scheme(), |_| ())]);
            let answer = bench.ask(post("/webhooks/s", &head, "{}")).await;
            assert_eq!(answer.status, status, "{} {off}", scheme().name());
            match status {
                202 => assert_eq!(bench.published().len(), 1),
                _ => bench.refused("unauthorized"),
            }
        }
    }
}

/// Nothing is looked into before it is verified: neither coding nor content.
#[tokio::test]
async fn what_is_not_verified_is_neither_unpacked_nor_parsed() {
    let bench = Bench::of(vec![source(github(), |m| set(m, "filter", "body.a == 1"))]);
    let bomb = "Content-Encoding: gzip\r\nContent-Type: application/cloudevents-batch+json\r\n";
    assert_eq!(bench.ask(post("/webhooks/s", bomb, "no gzip, no JSON")).await.status, 401);
    bench.refused("unauthorized");
}

#[tokio::test]
async fn each_source_has_its_path_and_no_other_answers() {
    let at = |name: &str, path: &str| Source {
        name: name.into(),
        path: SourcePath::parse(path).unwrap(),
        ..open(|_| ())
    };
    let bench = Bench::of(vec![at("one", "/webhooks/one"), at("two", "/webhooks/two/deep")]);
    for (path, status) in [
        ("/webhooks/one", 202),
        ("/webhooks/one/", 202),
        ("/webhooks/one?x=/webhooks/two", 202),
        ("/webhooks/two/deep", 202),
        ("/webhooks/%6Fne", 404),
        ("/webhooks/two", 404),
        ("/webhooks/orders", 404),
        ("/webhooks/", 404),
        ("/one", 404),
    ] {
        assert_eq!(bench.ask(post(path, "", "x")).await.status, status, "{path}");
    }
    assert_eq!(bench.metric("sidestream_events_total", "source=\"one\""), 3);
    assert_eq!(bench.metric("sidestream_events_total", "source=\"two\""), 1);
}

/// The secret in an address that Event Grid was told guards its question and its events alike.
#[tokio::test]
async fn a_secret_in_the_query_is_asked_for_with_every_request() {
    let query = preset::query("key", vec![Secret::new(*b"hush hush")]).unwrap();
    let mut grid = source(query, |_| ());
    grid.handshake.event_grid = EventGrid::Verified;
    let bench = Bench::of(vec![grid]);
    let asked = r#"[{"data":{"validationCode":"c"}}]"#;
    let validation = "aeg-event-type: SubscriptionValidation\r\n";
    for wrong in ["", "?key=", "?key=hush", "?key=hush+hush&key=hush+hush", "?Key=hush+hush", "?x=hush+hush"]
    {
        let path = format!("/webhooks/s{wrong}");
        for (head, body) in [("", "[1]"), (validation, asked)] {
            let answer = bench.ask(post(&path, head, body)).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Webhook")), "{path}");
        }
    }
    assert_eq!(bench.published(), []);
    let path = "/webhooks/s?key=hush+hush";
    assert_eq!(bench.ask(post(path, validation, asked)).await.body, r#"{"validationResponse":"c"}"#);
    assert_eq!(bench.ask(post(path, "", "[1]")).await.status, 202);
    assert_eq!(bench.published().len(), 1);
    assert_eq!((bench.outcomes("unauthorized"), bench.outcomes("handshake")), (12, 1));
    let told = format!("{} {:?}", bench.exposition(), bench.app.overview(None, 9));
    assert!(!told.contains("hush"), "{told}");
}

#[tokio::test]
async fn handshakes_are_answered_and_never_published() {
    let mut meta = source(github(), |_| ());
    meta.handshake.verify_tokens = vec![crate::secret::Secret::new(*b"token")];
    meta.handshake.origins = vec!["eventgrid.azure.net".into()];
    let bench = Bench::of(vec![meta]);
    let get = |query: &str| format!("GET /webhooks/s?{query} HTTP/1.1\r\nHost: t\r\n\r\n");
    let granted = bench.ask(get("hub.mode=subscribe&hub.verify_token=token&hub.challenge=123")).await;
    assert_eq!((granted.status, granted.body.as_str()), (200, "123"));
    assert_eq!(granted.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(bench.ask(get("hub.mode=subscribe&hub.verify_token=no&hub.challenge=1")).await.status, 403);
    let none = bench.ask(get("")).await;
    assert_eq!((none.status, none.header("allow")), (405, Some("POST")));
    let asked =
        "OPTIONS /webhooks/s HTTP/1.1\r\nHost: t\r\nWebHook-Request-Origin: eventgrid.azure.net\r\n\r\n";
    let allowed = bench.ask(asked).await;
    assert_eq!(
        (allowed.status, allowed.header("webhook-allowed-origin")),
        (200, Some("eventgrid.azure.net"))
    );
    let put = bench.ask("PUT /webhooks/s HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, OPTIONS, POST")));

    let slack_bench = Bench::of(vec![source(slack(), |_| ())]);
    let body = "{\"type\":\"url_verification\",\"challenge\":\"c\"}";
    let answer = slack_bench.ask(sent(&slack(), "", body)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "c"));
    assert_eq!(slack_bench.ask(post("/webhooks/s", "", body)).await.status, 401);
    assert_eq!(slack_bench.outcomes("handshake"), 1);
    assert_eq!((bench.outcomes("handshake"), bench.outcomes("unauthorized")), (2, 1));
    assert_eq!((bench.published(), slack_bench.published()), (vec![], vec![]));
}

/// A 401 is final to many senders; it is no fault of theirs that the provider's keys are not here yet.
#[tokio::test]
async fn before_the_keys_are_there_a_sender_is_told_to_try_again() {
    let (scheme, token, fetch) = unfetched();
    let bench = Bench::of(vec![source(scheme, |_| ())]);
    let with = |token: &str| post("/webhooks/s", &format!("Authorization: Bearer {token}\r\n"), "{}");
    let answer = bench.ask(with(token)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(answer.json()["detail"].as_str().unwrap().contains("not there yet"), "{}", answer.body);
    bench.refused("unavailable");
    // What no key would make good is refused for good.
    assert_eq!(bench.ask(with("x.y.z")).await.status, 401);
    assert_eq!(bench.ask(post("/webhooks/s", "", "{}")).await.status, 401);

    fetch();
    let answer = bench.ask(with(token)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(
        (bench.published().len(), bench.outcomes("unavailable"), bench.outcomes("unauthorized")),
        (1, 1, 2)
    );
}

#[tokio::test]
async fn a_token_can_not_be_guessed_at_any_pace() {
    let mut meta = source(github(), |_| ());
    meta.handshake.verify_tokens = vec![crate::secret::Secret::new(*b"token")];
    let bench = Bench::of(vec![meta]);
    let mut peer = bench.peer();
    let guess =
        "GET /webhooks/s?hub.mode=subscribe&hub.verify_token=no&hub.challenge=1 HTTP/1.1\r\nHost: t\r\n\r\n";
    let mut refused = 0;
    let limited = loop {
        let answer = peer.ask(guess).await;
        if answer.status != 403 {
            break answer;
        }
        refused += 1;
        assert!(refused < 10_000, "no limit");
    };
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").is_some());
    // What is signed is taken as before.
    assert_eq!(bench.ask(sent(&github(), "", "{}")).await.status, 202);
}
