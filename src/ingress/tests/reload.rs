//! Sources that a reload replaces, and what lives on under their names.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::fake::{Bench, post, settings};
use super::make::{github, json, open, source};
use crate::ingress::{Limits, Rate, Settings, Source, SourcePath, Sources};
use crate::live::Live;

fn live(sources: Vec<Source>) -> (Bench, impl Fn(Vec<Source>)) {
    let of = |sources| Settings { sources: Sources::new(sources), ..settings() };
    let shared = Arc::new(ArcSwap::from_pointee(of(sources)));
    let view = arc_swap::access::Map::new(Arc::clone(&shared), |settings: &Settings| settings);
    let bench = Bench::with_live(Live::new(view), Duration::from_secs(10));
    (bench, move |sources| shared.store(Arc::new(of(sources))))
}

fn limited(burst: u32) -> Source {
    let limits = Limits { rate: Some(Rate::hourly(burst)), ..Limits::default() };
    Source { limits, ..open(|_| ()) }
}

#[tokio::test]
async fn a_reload_replaces_sources_and_keeps_limits_and_counts_by_name() {
    let (bench, swap) = live(vec![limited(2)]);
    assert_eq!(bench.ask(json("{}")).await.status, 202);
    // The same name elsewhere: what it has used up, it has used up.
    let moved = Source { path: SourcePath::parse("/webhooks/moved").unwrap(), ..limited(2) };
    swap(vec![moved]);
    assert_eq!(bench.ask(json("{}")).await.status, 404);
    assert_eq!(bench.ask(post("/webhooks/moved", "", "{}")).await.status, 202);
    let over = bench.ask(post("/webhooks/moved", "", "")).await;
    assert_eq!((over.status, over.header("retry-after")), (429, Some("3600")));
    let row = &bench.app.overview(None, 9).unwrap()[0];
    assert_eq!((row.path.as_str(), row.events), ("/webhooks/moved", 2));
    assert!(row.last_error.as_ref().unwrap().text.contains("all senders of this source"));
    // It goes and comes back.
    swap(vec![Source { name: "other".into(), ..open(|_| ()) }]);
    assert_eq!(bench.ask(json("{}")).await.status, 202);
    swap(vec![limited(2)]);
    assert_eq!(bench.ask(json("")).await.status, 429);
    assert_eq!(bench.app.overview(None, 9).unwrap()[0].events, 2);
}

#[tokio::test]
async fn a_reload_can_take_the_belief_away() {
    let (bench, swap) = live(vec![open(|_| ())]);
    assert_eq!(bench.ask(json("{}")).await.status, 202);
    swap(vec![source(github(), |_| ())]);
    assert_eq!(bench.ask(json("{}")).await.status, 401);
    assert_eq!(bench.published().len(), 1);
}

/// Those who are not believed use up nothing of what the others need.
#[tokio::test]
async fn the_unverified_do_not_use_up_a_sources_rate() {
    let limits = Limits { rate: Some(Rate::hourly(1)), ..Limits::default() };
    let bench = Bench::of(vec![Source { limits, ..source(github(), |_| ()) }]);
    for _ in 0..3 {
        assert_eq!(bench.ask(json("{}")).await.status, 401);
    }
    assert_eq!(bench.ask(super::make::sent(&github(), "", "{}")).await.status, 202);
    assert_eq!(bench.ask(super::make::sent(&github(), "", "{}")).await.status, 429);
}

#[tokio::test]
async fn sources_are_told_of_page_by_page() {
    let named = |name: &str| Source {
        name: name.into(),
        path: SourcePath::parse(&format!("/webhooks/{name}")).unwrap(),
        ..source(github(), |_| ())
    };
    let bench = Bench::of(vec![named("a"), named("b"), named("c")]);
    let names = |after, limit| -> Option<Vec<String>> {
        Some(bench.app.overview(after, limit)?.iter().map(|row| row.name.to_string()).collect())
    };
    assert_eq!(names(None, 2), Some(vec!["a".into(), "b".into()]));
    assert_eq!(names(Some("b"), 2), Some(vec!["c".into()]));
    assert_eq!(names(Some("c"), 2), Some(vec![]));
    assert_eq!(names(Some("gone"), 2), None);
    assert_eq!(bench.app.overview(None, 1).unwrap()[0].verifier, "github");
}
