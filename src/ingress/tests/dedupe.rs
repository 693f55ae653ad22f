//! What makes two deliveries the same.

use std::sync::Arc;
use std::time::Duration;

use super::fake::{Bench, Script, post};
use super::make::{github, json, open, saying, sent, set, source, stripe};
use crate::event::{Epoch, Topic};
use crate::expr::{Known, Template};
use crate::ingress::{
    DedupeBy, DedupeRule, Ingress, Mapping, Metrics, Parts, Place, Settings, Source, SourcePath, Sources,
    TopicRule,
};
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::log::AppendError;
use crate::log::clock::Clock;
use crate::log::memory::MemoryLog;
use crate::log::{HistorySettings, Log, TopicLimits};
use crate::net::http::testing::Peer;
use crate::verify::Scheme;

fn by(by: DedupeBy) -> Source {
    Source { dedupe: DedupeRule { window: Some(Duration::from_hours(24)), by }, ..open(|_| ()) }
}

async fn duplicate(bench: &Bench, request: &str) -> bool {
    let answer = bench.ask(request).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["duplicate"] == true
}

#[tokio::test]
async fn a_source_says_what_is_compared_and_for_how_long() {
    let places = vec![Place::Header("x-id".parse().unwrap()), Place::Body("/id".into())];
    let bench = Bench::of(vec![by(DedupeBy::First(places))]);
    assert!(!duplicate(&bench, &post("/webhooks/s", "X-Id: 1\r\n", "{\"id\":2}")).await);
    assert!(
        duplicate(&bench, &post("/webhooks/s", "X-Id: 1\r\n", "{\"id\":3}")).await,
        "the first that is there"
    );
    assert!(duplicate(&bench, &json("{\"id\":1}")).await, "wherever it stands");
    assert!(!duplicate(&bench, &json("{\"id\":2}")).await);
    // Nothing to compare is no delivery's key.
    assert!(!duplicate(&bench, &json("{}")).await && !duplicate(&bench, &json("{}")).await);
    assert_eq!(bench.windows(), [Duration::from_hours(24); 2]);

    let template = Template::compile("by", "${body.a}/${body.b}", Known::Request).unwrap();
    let bench = Bench::of(vec![by(DedupeBy::Template(template))]);
    assert!(!duplicate(&bench, &json("{\"a\":1,\"b\":2}")).await);
    assert!(duplicate(&bench, &json("{\"b\":2,\"a\":1}")).await);
    assert_eq!(bench.ask(json("{\"a\":1}")).await.status, 422);
    assert_eq!(bench.published().len(), 1);
}

#[tokio::test]
async fn ids_are_the_sources_or_the_schemes_and_no_source_has_anothers() {
    let bench = Bench::of(vec![source(stripe(), |_| ())]);
    assert!(!duplicate(&bench, &sent(&stripe(), "", "{\"id\":\"evt_1\",\"type\":\"ping\"}")).await);
    assert!(duplicate(&bench, &sent(&stripe(), "", "{\"id\":\"evt_1\"}")).await);
    assert_eq!(bench.published()[0].1.as_deref(), Some("ping"));

    let other = Source {
        name: "other".into(),
        path: SourcePath::parse("/webhooks/o").unwrap(),
        ..saying(&[("id", "1")])
    };
    let bench = Bench::of(vec![saying(&[("id", "1")]), other]);
    assert!(
        !duplicate(&bench, &json("{}")).await && !duplicate(&bench, &post("/webhooks/o", "", "{}")).await
    );
    assert!(duplicate(&bench, &post("/webhooks/o", "", "{}")).await);
}

#[tokio::test]
async fn a_topic_in_the_path_is_part_of_the_key_as_in_contract_3() {
    let mapping = Mapping::to(TopicRule::Path);
    let path = SourcePath::parse("/webhooks/p/{topic}").unwrap();
    let bench = Bench::of(vec![Source::new("default", path, Scheme::none(), mapping)]);
    for (topic, want) in [("a", false), ("b", false), ("a", true)] {
        assert_eq!(
            duplicate(&bench, &post(&format!("/webhooks/p/{topic}"), "Sidestream-Id: 1\r\n", "x")).await,
            want
        );
    }
}

/// GitHub signs the body alone: a captured one comes again under another id.
#[tokio::test]
async fn a_replay_guard_looks_at_the_body_and_not_at_headers() {
    let guarded = Source {
        dedupe: DedupeRule { window: None, by: DedupeBy::Body },
        ..source(github(), |m| set(m, "id", "${headers['x-github-delivery']}"))
    };
    let bench = Bench::of(vec![guarded]);
    let delivery = |id: u32, body: &str| {
        sent(&github(), &format!("X-GitHub-Delivery: {id}\r\nX-GitHub-Event: e{id}\r\n"), body)
    };
    assert!(!duplicate(&bench, &delivery(1, "{\"a\":1}")).await);
    assert!(duplicate(&bench, &delivery(2, "{\"a\":1}")).await);
    assert!(!duplicate(&bench, &delivery(1, "{\"a\":2}")).await);
    assert_eq!(bench.windows(), [Duration::from_hours(1); 2], "the ingress's window");
}

#[tokio::test]
async fn an_id_that_is_too_long_is_refused() {
    let bench = Bench::of(vec![saying(&[("id", "${raw}")])]);
    assert_eq!(bench.ask(json(&"x".repeat(1025))).await.status, 400);
    bench.refused("malformed");
}

#[tokio::test]
async fn what_the_log_refused_is_accepted_once_when_it_comes_again() {
    for failure in [Script::Refuse(AppendError::Full), Script::KeepAndForget] {
        let bench = Bench::of(vec![source(stripe(), |_| ())]);
        bench.script(failure);
        let request = sent(&stripe(), "", "{\"id\":\"evt_1\"}");
        assert_eq!(bench.ask(&request).await.status, 503);
        for _ in 0..3 {
            assert_eq!(bench.ask(&request).await.status, 202);
        }
        assert_eq!(bench.published().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_are_one_event_and_equal_answers() {
    let limits = TopicLimits { events: 1000, bytes: 1 << 20, age: Duration::from_hours(1) };
    let history = HistorySettings {
        default: limits,
        rules: Vec::new(),
        total: 1 << 24,
        dedupe_keys: 1000,
        dedupe_of: std::collections::BTreeMap::new(),
    };
    let log = Arc::new(MemoryLog::new(Live::fixed(history), Clock::system(), Epoch::new(7)));
    let (phase, lifecycle) = Lifecycle::new();
    phase.send_replace(Phase::Serving);
    let registry = prometheus::Registry::new();
    let sources = Sources::new(vec![source(stripe(), |_| ())]);
    let app = Arc::new(Ingress::new(Parts {
        log: Arc::clone(&log) as Arc<dyn Log>,
        subscribers: Arc::new(|_: &Topic| 0),
        settings: Live::fixed(Settings { sources, ..super::fake::settings() }),
        lifecycle,
        metrics: Metrics::register(&registry).unwrap(),
        clock: || super::make::NOW,
    }));
    let request = sent(&stripe(), "", "{\"id\":\"evt_1\"}");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (mut peer, request) = (Peer::connect(&app), request.clone());
        tasks.spawn(async move { peer.ask(request).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(log.head().position, crate::event::Position::of(1), "one delivery");
    let cursors: std::collections::BTreeSet<String> =
        answers.iter().map(|answer| answer.json()["cursor"].to_string()).collect();
    assert!(answers.iter().all(|answer| answer.status == 202) && cursors.len() == 1, "{cursors:?}");
    let first = answers.iter().filter(|answer| answer.json()["duplicate"] == false).count();
    assert_eq!(first, 1);
}
