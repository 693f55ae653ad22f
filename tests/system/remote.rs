//! The fan-out over a remote log: what a broker does to it, and what subscribers are told.

use std::sync::Arc;
use std::time::Duration;

use sidestream::event::{Begin, Epoch, Since};
use sidestream::log::clock::Clock;
use sidestream::log::fake::{Broker, FakeLog, Faults};
use sidestream::log::{AppendError, HistorySettings};

use crate::support::inside::{Inside, history, quiet, to};
use crate::support::{Subscriber, until};

const EPOCH: Epoch = Epoch::new(0xabc);
/// More than the ring is searched for.
const SEARCHED: usize = 600;

const NEXT: Epoch = Epoch::new(0xdef);

/// Two shards over a broker that is as slow and as late as brokers are.
fn start(settings: HistorySettings) -> (Arc<Broker>, Inside) {
    let broker = Broker::new(settings, Clock::system(), EPOCH, 7);
    let ms = Duration::from_millis;
    broker.set_faults(Faults { store_delay: ms(1), lag: ms(2), answer_delay: ms(1), ..Faults::default() });
    let inside = Inside::over(Arc::new(FakeLog::start(&broker)), quiet(), 2);
    (broker, inside)
}

async fn open(inside: &Inside, patterns: &[&str], begin: Begin) -> Subscriber {
    let mut stream = inside.subscribe(to(patterns), begin).await;
    stream.opening().await;
    stream
}

async fn expect(stream: &mut Subscriber, range: std::ops::Range<usize>) {
    for n in range {
        assert_eq!(stream.event().await.data(), n.to_string());
    }
}

async fn publish(inside: &Inside, range: std::ops::Range<usize>) {
    for n in range {
        inside.publish(&format!("orders.{}", n % 3), n.to_string()).await;
    }
}

fn after(cursor: &str) -> Begin {
    Begin::Cursor(cursor.as_bytes().into())
}

#[tokio::test]
async fn what_a_broker_is_late_with_arrives_in_order_and_can_be_resumed() {
    let (_broker, inside) = start(history(1000));
    let mut live = open(&inside, &["orders.*"], Begin::Now).await;
    let mut one = open(&inside, &["orders.1", "never"], Begin::Now).await;
    publish(&inside, 0..30).await;
    expect(&mut live, 0..30).await;
    for n in (1..30).step_by(3) {
        assert_eq!(one.event().await.data(), n.to_string());
    }
    let mut resumed = open(&inside, &["orders.*"], after("000000000abc-10")).await;
    // Event n has the sequence number n + 1.
    expect(&mut resumed, 10..30).await;
    let mut since = open(&inside, &["orders.**"], Begin::Since(Since::Last(5))).await;
    expect(&mut since, 25..30).await;
    publish(&inside, 30..40).await;
    for stream in [&mut live, &mut resumed, &mut since] {
        expect(stream, 30..40).await;
    }
}

#[tokio::test]
async fn an_outage_holds_up_and_loses_nothing() {
    let (broker, inside) = start(history(1000));
    let mut live = open(&inside, &["orders.*"], Begin::Now).await;
    publish(&inside, 0..10).await;
    expect(&mut live, 0..10).await;
    broker.go_down();
    // It asks for a page that can't be read now.
    let mut resuming = inside.subscribe(to(&["orders.*"]), after("000000000abc-2")).await;
    let refused = inside.log.append(delivery("orders.0", "lost")).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_) | AppendError::Unknown)), "{refused:?}");
    broker.come_up();
    assert!(resuming.opening().await.id() == "000000000abc-2");
    expect(&mut resuming, 2..10).await;
    let mut next = 10;
    until("the broker takes deliveries again", async || {
        inside.log.append(delivery("orders.0", "10")).await.is_ok().then(|| next = 11)
    })
    .await;
    publish(&inside, next..20).await;
    expect(&mut live, 10..20).await;
    expect(&mut resuming, 10..20).await;
}

fn delivery(topic: &str, data: &str) -> sidestream::event::Delivery {
    let topic = sidestream::event::Topic::parse(topic).unwrap();
    let time = Clock::system().now();
    let event = sidestream::event::Event { topic, kind: None, time, data: data.to_owned().into() };
    sidestream::event::Delivery { events: vec![event], dedupe: None }
}

#[tokio::test]
async fn a_log_that_begins_anew_is_told_to_everyone_wherever_they_stand() {
    let (broker, inside) = start(history(1000));
    let mut live = open(&inside, &["orders.*"], Begin::Now).await;
    let mut quiet = open(&inside, &["never"], Begin::Now).await;
    publish(&inside, 0..SEARCHED).await;
    expect(&mut live, 0..SEARCHED).await;
    broker.go_down();
    // This one is too far behind for the ring, and waits for a page of the old epoch that will never come.
    let mut fetching = inside.subscribe(to(&["orders.*"]), after("000000000abc-2")).await;
    broker.begin_anew(NEXT);
    broker.come_up();

    let gap = live.block().await.gap();
    assert_eq!((&gap["reason"], &gap["resumed"]), (&"log".into(), &"000000000def-0".into()), "{gap}");
    assert_eq!(
        (&gap["requested"], &gap["missed"]),
        (&format!("000000000abc-{SEARCHED}").into(), &serde_json::Value::Null)
    );
    let gap = quiet.block().await.gap();
    assert_eq!((&gap["reason"], &gap["resumed"]), (&"log".into(), &"000000000def-0".into()), "{gap}");
    let opening = fetching.block().await;
    assert!(opening.id.is_none(), "{opening:?}");
    let gap = fetching.block().await.gap();
    assert_eq!((&gap["reason"], &gap["resumed"]), (&"log".into(), &"000000000def-0".into()), "{gap}");

    until("the new order takes deliveries", async || {
        inside.log.append(delivery("orders.0", "0")).await.is_ok().then_some(())
    })
    .await;
    publish(&inside, 1..20).await;
    expect(&mut live, 0..20).await;
    expect(&mut fetching, 0..20).await;
    let mut late = inside.subscribe(to(&["orders.*"]), after("000000000abc-7")).await;
    assert!(late.block().await.id.is_none());
    let gap = late.block().await.gap();
    assert_eq!((&gap["reason"], &gap["resumed"]), (&"restarted".into(), &"000000000def-0".into()), "{gap}");
    expect(&mut late, 0..20).await;
}

#[tokio::test]
async fn what_a_broker_may_have_lost_of_other_topics_is_told_without_a_count() {
    // It keeps by total only: about twenty events.
    let (_broker, inside) = start(HistorySettings { total: 4000, ..history(1000) });
    let mut live = open(&inside, &["orders.*"], Begin::Now).await;
    publish(&inside, 0..100).await;
    expect(&mut live, 0..100).await;
    let mut resumed = inside.subscribe(to(&["orders.1"]), after("000000000abc-3")).await;
    assert!(resumed.block().await.id.is_none());
    let block = resumed.block().await;
    let gap = block.gap();
    assert_eq!((&gap["reason"], &gap["missed"]), (&"evicted".into(), &serde_json::Value::Null), "{gap}");
    let from: usize = block.id().strip_prefix("000000000abc-").unwrap().parse().unwrap();
    assert!(from > 3, "{gap}");
    for n in (from..100).filter(|n| n % 3 == 1) {
        assert_eq!(resumed.event().await.data(), n.to_string());
    }
}
