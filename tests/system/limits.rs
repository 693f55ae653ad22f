//! Limits on streams, and who stands still: refused or parted with by name, and nothing is lost by it.

use std::sync::Arc;
use std::time::Duration;

use sidestream::event::{Begin, Epoch, Since};
use sidestream::fanout::{Refused, Settings, Slow};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;

use crate::support::inside::{Inside, history, quiet, to};
use crate::support::{End, until};

fn start(settings: Settings) -> Inside {
    let log = MemoryLog::new(Live::fixed(history(100_000)), Clock::system(), Epoch::new(0xabc));
    Inside::over(Arc::new(log), settings, 1)
}

#[tokio::test]
async fn an_address_has_its_streams_and_no_more_until_one_ends() {
    let inside = start(Settings { per_ip: 2, ..quiet() });
    let mut first = inside.subscribe(to(&["a"]), Begin::Now).await;
    first.opening().await;
    let second = inside.subscribe(to(&["a", "b.*"]), Begin::Now).await;
    let refused = inside.try_subscribe(to(&["a"]), Begin::Now, None).await;
    assert_eq!(refused.err(), Some(Refused::Address));
    assert_eq!(inside.metric("sidestream_connections_refused_total", Some("per_ip")), 1.0);
    drop(second);
    until("one stream is gone", async || (inside.fanout.connections() == 1).then_some(())).await;
    let mut third = inside.subscribe(to(&["b.**"]), Begin::Since(Since::Oldest)).await;
    third.opening().await;
    inside.publish("a", "1").await;
    inside.publish("b.c", "2").await;
    assert_eq!(first.event().await.data(), "1");
    assert_eq!(third.event().await.data(), "2");
}

#[tokio::test]
async fn so_many_are_let_in_a_second_and_whoever_is_refused_holds_nothing() {
    let inside = start(Settings { admissions_per_second: 1, per_ip: 10, ..quiet() });
    let _first = inside.subscribe(to(&["a"]), Begin::Now).await;
    let refused = inside.try_subscribe(to(&["a"]), Begin::Now, None).await;
    assert_eq!(refused.err(), Some(Refused::Rate));
    assert_eq!(inside.fanout.connections(), 1);
    assert_eq!(inside.metric("sidestream_connections_refused_total", Some("admissions")), 1.0);
    let mut again = until("there is room in a later second", async || {
        inside.try_subscribe(to(&["a"]), Begin::Now, None).await.ok()
    })
    .await;
    again.opening().await;
    inside.publish("a", "1").await;
    assert_eq!(again.event().await.data(), "1");
}

#[tokio::test]
async fn who_stands_still_is_parted_with_and_comes_back_without_loss() {
    let inside = start(Settings { slow: Slow::Disconnect(Duration::from_secs(1)), ..quiet() });
    let mut reading = inside.subscribe(to(&["a"]), Begin::Now).await;
    reading.opening().await;
    let mut still = inside.try_subscribe(to(&["a"]), Begin::Now, Some(4096)).await.unwrap();
    still.opening().await;
    for n in 0..2000 {
        inside.publish("a", format!("{n:0>400}")).await;
        assert_eq!(reading.event().await.data(), format!("{n:0>400}"));
    }
    let slow = "sidestream_connections_closed_total";
    until("the one that stands still is gone", async || {
        (inside.metric(slow, Some("slow")) == 1.0).then_some(())
    })
    .await;
    assert_eq!(
        (inside.fanout.connections(), inside.metric("sidestream_lagging_connections", None)),
        (1, 0.0)
    );
    let (items, end) = still.rest().await;
    assert_ne!(end, End::Clean);
    assert!(items.len() < 2000);
    let cursor = still.cursor.clone().unwrap();
    let seen: usize = cursor.rsplit('-').next().unwrap().parse().unwrap();
    let mut back = inside.subscribe(to(&["a"]), Begin::Cursor(cursor.as_bytes().into())).await;
    assert_eq!(back.opening().await.id(), cursor);
    for n in seen..2000 {
        assert_eq!(back.event().await.data(), format!("{n:0>400}"));
    }
}
