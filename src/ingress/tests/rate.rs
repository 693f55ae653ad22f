//! Rate limits, in front of the body.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::fake::{Bench, post, settings};
use crate::ingress::{Rate, Settings};
use crate::live::Live;
use crate::net::http::testing::Served;

#[expect(clippy::unnecessary_wraps, reason = "as the settings hold it")]
fn burst(burst: u32) -> Option<Rate> {
    Some(Rate::hourly(burst))
}

fn bench(settings: Settings) -> (Bench, Arc<ArcSwap<Settings>>) {
    let shared = Arc::new(ArcSwap::from_pointee(settings));
    let view = arc_swap::access::Map::new(Arc::clone(&shared), |settings: &Settings| settings);
    (Bench::with_live(Live::new(view), Duration::from_secs(10)), shared)
}

#[tokio::test]
async fn over_the_sources_rate_is_429_and_publishes_nothing() {
    let (bench, _) = bench(Settings { rate: burst(2), ..settings() });
    let mut peer = bench.peer();
    for _ in 0..2 {
        assert_eq!(peer.ask(post("/webhooks/o", "", "x")).await.status, 202);
    }
    let answer = peer.ask(post("/webhooks/o", "", "x")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3600")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(
        answer.json()["detail"],
        "more webhooks than all senders together may send; nothing was published"
    );
    assert_eq!((bench.published().len(), bench.outcomes("rate_limited")), (2, 1));
}

#[tokio::test]
async fn the_refused_body_is_not_read() {
    let (bench, _) = bench(Settings { rate: burst(1), ..settings() });
    assert_eq!(bench.ask(post("/webhooks/o", "", "x")).await.status, 202);
    // It is not asked for either.
    let head = "POST /webhooks/o HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n";
    for head in [head, &head.replace("Expect: 100-continue\r\n", "")] {
        let mut peer = bench.peer();
        let answer = peer.ask(head).await;
        assert_eq!((answer.status, answer.header("connection")), (429, Some("close")));
    }
    // One without a body has nothing unread, so its connection goes on.
    let mut peer = bench.peer();
    for _ in 0..2 {
        assert_eq!(peer.ask(post("/webhooks/o", "", "")).await.status, 429);
    }
}

#[tokio::test]
async fn only_what_could_be_published_counts() {
    let (bench, _) = bench(Settings { rate: burst(1), ..settings() });
    assert_eq!(bench.ask(post("/elsewhere", "", "x")).await.status, 404);
    assert_eq!(bench.ask("GET /webhooks/o HTTP/1.1\r\nHost: t\r\n\r\n").await.status, 405);
    assert_eq!(bench.ask(post("/webhooks/o", "", "x")).await.status, 202);
    assert_eq!(bench.ask("GET /webhooks/o HTTP/1.1\r\nHost: t\r\n\r\n").await.status, 405);
    assert_eq!(bench.ask(post("/webhooks/o", "", "x")).await.status, 429);
}

#[tokio::test]
async fn an_address_has_a_limit_of_its_own_that_spares_the_sources() {
    let (bench, shared) = bench(Settings { rate: burst(3), rate_per_ip: burst(2), ..settings() });
    let served = Served::tcp(&bench.app, bench.lifecycle.clone());
    for want in [202, 202, 429, 429] {
        // Each on a connection of its own: it is the address that counts.
        let answer = served.peer().await.ask(post("/webhooks/o", "", "")).await;
        assert_eq!(answer.status, want);
        if want == 429 {
            assert!(answer.json()["detail"].as_str().unwrap().contains("one address"));
        }
    }
    // A caller without an address has only the source's, of which one was left.
    assert_eq!(bench.ask(post("/webhooks/o", "", "")).await.status, 202);
    assert_eq!(bench.ask(post("/webhooks/o", "", "")).await.status, 429);
    // A reload changes both.
    shared.store(Arc::new(settings()));
    for _ in 0..5 {
        assert_eq!(served.peer().await.ask(post("/webhooks/o", "", "")).await.status, 202);
    }
    shared.store(Arc::new(Settings { rate_per_ip: burst(1), ..settings() }));
    for want in [202, 429] {
        assert_eq!(served.peer().await.ask(post("/webhooks/o", "", "")).await.status, want);
    }
}
