//! Random histories of a broker, and the weaker promises that hold through all of them.
//!
//! Publishers retry under a key until they know; a follower does with the tail what the fan-out does, and reads what it
//! can. At the end everything that was acknowledged was seen exactly once, in order, or a reset stands in its place.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish { topics: Vec<usize>, retries: usize },
    Faults(Faults),
    Down(u64),
    PurgeAll,
    Purge(usize),
    Locate { topic: Option<usize>, last: usize },
    BeginAnew,
    Restart,
    Wait(u64),
    Read { topic: Option<usize>, back: u64, events: usize },
}

const TOPICS: [&str; 3] = ["a", "a.x", "b"];

fn faults() -> impl Strategy<Value = Faults> {
    let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
    (millis(5), millis(50), millis(100), 0.0..0.3, 0.0..0.3, 0.0..0.2, 0.0..0.2).prop_map(
        |(store_delay, answer_delay, lag, refused, unavailable, lost_request, lost_answer)| Faults {
            store_delay,
            answer_delay,
            lag,
            refused,
            unavailable,
            lost_request,
            lost_answer,
            unread: 0.0,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prop::collection::vec(0..TOPICS.len(), 1..4), 0usize..6)
            .prop_map(|(topics, retries)| Step::Publish { topics, retries }),
        2 => faults().prop_map(Step::Faults),
        1 => (1u64..200).prop_map(Step::Down),
        1 => Just(Step::PurgeAll),
        1 => (0..TOPICS.len()).prop_map(Step::Purge),
        2 => (prop::option::of(0..TOPICS.len()), 0usize..6).prop_map(|(topic, last)| Step::Locate { topic, last }),
        1 => Just(Step::BeginAnew),
        1 => Just(Step::Restart),
        3 => (1u64..100).prop_map(Step::Wait),
        4 => (prop::option::of(0..TOPICS.len()), 0u64..10, 1usize..5)
            .prop_map(|(topic, back, events)| Step::Read { topic, back, events }),
    ]
}

/// What a follower saw, in order.
#[derive(Clone, Debug)]
enum Seen {
    Event(Cursor),
    /// All between the last event and this is told as lost.
    Reset(Cursor),
}

async fn follow(mut tail: Box<dyn Tail>, seen: Arc<Mutex<Vec<Seen>>>) {
    loop {
        let said = match tail.next().await {
            Ok(events) => {
                assert!(!events.is_empty(), "a tail says something");
                events.iter().map(|e| Seen::Event(e.cursor)).collect()
            }
            Err(TailError::Reset(cursor)) => vec![Seen::Reset(cursor)],
            Err(TailError::Unavailable(_)) => Vec::new(),
            Err(TailError::Closed) => return,
        };
        seen.lock().unwrap().extend(said);
    }
}

async fn run(settings: HistorySettings, dice: u64, steps: Vec<Step>) {
    let clock = ManualClock::at(NOW);
    let broker = Broker::new(settings, clock.clock(), Epoch::new(1), dice);
    let kind = At::<0>(Arc::clone(&broker));
    let mut log = kind.open().await;
    // The follower is another replica, so that it lives through all of it.
    let other = kind.open().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let follower = tokio::spawn(follow(other.tail(other.head()).await.unwrap(), Arc::clone(&seen)));
    let (mut acknowledged, mut epoch) = (Vec::new(), 1);
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Publish { topics, retries } => {
                let topics: Vec<_> = topics.into_iter().map(|t| TOPICS[t]).collect();
                let delivery = delivery(&kind, &topics, &n.to_string(), Some(&n.to_string()));
                for _ in 0..=retries {
                    if let Ok(appended) = log.append(delivery.clone()).await {
                        acknowledged.push(appended.placement());
                        break;
                    }
                }
            }
            Step::Faults(faults) => broker.set_faults(faults),
            Step::Down(millis) => {
                broker.go_down();
                let broker = Arc::clone(&broker);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    broker.come_up();
                });
            }
            Step::PurgeAll => broker.purge_all(),
            Step::Purge(t) => {
                // Whether it came through does not matter here.
                let _ = log.purge(&topic(TOPICS[t])).await;
            }
            Step::Locate { topic, last } => locate(&*log, topic, last).await,
            Step::BeginAnew => {
                epoch += 1;
                broker.begin_anew(Epoch::new(epoch));
            }
            Step::Restart => {
                log.close().await;
                log = kind.open().await;
            }
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Read { topic, back, events } => read(&*log, topic, back, events, &acknowledged).await,
        }
    }
    // The end of all trouble, and an event that follows everything.
    broker.come_up();
    broker.set_faults(Faults::default());
    let last = publish(&*log, delivery(&kind, &["a"], "end", Some("end"))).await.placement();
    acknowledged.push(last);
    head_at(&*other, end(last)).await;
    other.close().await;
    follower.await.unwrap();
    judge(&seen.lock().unwrap(), &acknowledged);
}

/// A page never says that it is complete where something acknowledged is missing.
async fn read(log: &dyn Log, name: Option<usize>, back: u64, events: usize, acknowledged: &[Placement]) {
    let head = log.head();
    let after = Position::of(head.position.sequence.saturating_sub(back));
    let selector = name.map_or(patterns(&["**"]), |t| Selector::Topic(topic(TOPICS[t])));
    let Ok(page) = log.read(&selector, after, ReadLimit { events, ..WIDE }).await else { return };
    let got = positions(&page.events);
    assert!(got.is_sorted_by(|a, b| a < b) && got.iter().all(|&p| p > after && p <= page.next));
    if page.coverage == Coverage::Complete && name.is_none() {
        let of_epoch = acknowledged.iter().filter(|p| p.epoch == head.epoch);
        for position in of_epoch.flat_map(|p| p.cursors()).map(|c| c.position) {
            assert!(!(after < position && position <= page.next) || got.contains(&position));
        }
    }
}

/// A place is in what was published, and not after the head.
async fn locate(log: &dyn Log, name: Option<usize>, last: usize) {
    let selector = name.map_or(patterns(&["**"]), |t| Selector::Topic(topic(TOPICS[t])));
    let before = log.head().epoch;
    let Ok(place) = log.locate(&selector, &Filter::All, Since::Last(last)).await else { return };
    let head = log.head();
    assert!(before != head.epoch || place <= head.position, "{place:?} is after {head}");
}

fn judge(seen: &[Seen], acknowledged: &[Placement]) {
    let mut at: Option<Cursor> = None;
    let mut events = Vec::new();
    let mut gaps = Vec::new();
    for seen in seen {
        match *seen {
            Seen::Event(cursor) => {
                let after = at.map_or(Position::START, |at| at.position);
                assert!(at.is_none_or(|at| at.epoch == cursor.epoch), "an epoch begins with a reset");
                assert!(cursor.position > after, "in order, once");
                events.push(cursor);
                at = Some(cursor);
            }
            Seen::Reset(cursor) => {
                gaps.push((at, cursor));
                at = Some(cursor);
            }
        }
    }
    for cursor in acknowledged.iter().flat_map(|placement| placement.cursors()) {
        // Lost with an epoch, or between the place before a reset and the place after it.
        let in_gap = gaps.iter().any(|&(from, to)| {
            let (epoch, position) = from.map_or((Epoch::new(1), Position::START), |c| (c.epoch, c.position));
            let left = epoch == cursor.epoch && cursor.position > position;
            let entered = to.epoch == cursor.epoch && cursor.position <= to.position;
            if epoch == to.epoch { left && entered } else { left || entered || skipped(epoch, cursor, to) }
        });
        let times = events.iter().filter(|&&seen| seen == cursor).count();
        assert!(times == 1 || (times == 0 && in_gap), "{cursor} was seen {times} times, gaps {gaps:?}");
    }
}

/// Whether an event's whole epoch came and went between two others.
fn skipped(from: Epoch, cursor: Cursor, to: Cursor) -> bool {
    from < cursor.epoch && cursor.epoch < to.epoch
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_seen_once_or_told(
        seed: u64,
        total in 500usize..5000,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(HistorySettings { total, ..roomy() }, seed, steps));
    }
}
