//! What only the memory log promises: its exact limits, counts and bounds.

mod many;
mod places;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::*;
use crate::event::{Dedupe, DedupeKey, Event, EventType, LoggedEvent, Millis, Pattern};
use crate::log::clock::ManualClock;
use crate::log::{Coverage, TailError, TopicLimits};

const EPOCH: Epoch = Epoch::new(7);
const ALL: ReadLimit = ReadLimit { events: 1000, bytes: usize::MAX };

fn settings() -> HistorySettings {
    HistorySettings {
        default: TopicLimits { events: 1000, bytes: 1 << 20, age: Duration::from_hours(1) },
        rules: Vec::new(),
        total: 1 << 26,
        dedupe_keys: 100,
        dedupe_of: std::collections::BTreeMap::new(),
    }
}

struct Fixture {
    log: MemoryLog,
    clock: ManualClock,
    settings: Arc<ArcSwap<HistorySettings>>,
}

fn fixture(change: impl FnOnce(&mut HistorySettings, &mut Bounds)) -> Fixture {
    let (mut settings, mut bounds) = (settings(), Bounds::default());
    change(&mut settings, &mut bounds);
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let live = {
        let settings = Arc::clone(&settings);
        Live::new(arc_swap::access::Map::new(settings, |s: &HistorySettings| s))
    };
    let clock = ManualClock::at(Millis(1_000_000));
    Fixture { log: MemoryLog::with_bounds(live, clock.clock(), EPOCH, bounds), clock, settings }
}

#[expect(clippy::unnecessary_wraps, reason = "as a delivery holds it")]
fn key(n: u8) -> Option<Dedupe> {
    Some(Dedupe { key: DedupeKey([n; 16]), window: Duration::from_mins(1), source: "a".into() })
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

impl Fixture {
    fn delivery(&self, name: &str, sizes: &[usize]) -> Delivery {
        let event = |&size: &usize| Event {
            topic: topic(name),
            kind: None,
            time: self.clock.now(),
            data: vec![b'x'; size].into(),
        };
        Delivery { events: sizes.iter().map(event).collect(), dedupe: None }
    }

    async fn publish(&self, name: &str, sizes: &[usize]) -> Position {
        let appended = self.log.append(self.delivery(name, sizes)).await.unwrap();
        appended.placement().cursors().last().unwrap().position
    }

    async fn read(&self, selector: &str, after: u64) -> (Vec<u64>, Coverage) {
        let selector = if selector.contains('*') {
            Selector::Patterns([Pattern::parse(selector).unwrap()].into())
        } else {
            Selector::Topic(topic(selector))
        };
        let page = self.log.read(&selector, Position::of(after), ALL).await.unwrap();
        assert!(!page.more);
        (sequences(&page.events), untimed(page.coverage))
    }

    fn set(&self, change: impl FnOnce(&mut HistorySettings)) {
        let mut settings = HistorySettings::clone(&self.settings.load());
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }
}

fn sequences(events: &[Arc<LoggedEvent>]) -> Vec<u64> {
    events.iter().map(|e| e.cursor.position.sequence).collect()
}

/// Without the loss's turn, which most tests have no name for.
fn untimed(coverage: Coverage) -> Coverage {
    match coverage {
        Coverage::Lost { resumed, through, missed, .. } => {
            Coverage::Lost { resumed, through, missed, turn: 0 }
        }
        Coverage::Complete => Coverage::Complete,
    }
}

fn lost(resumed: u64, through: u64, missed: impl Into<Option<u64>>) -> Coverage {
    let (resumed, through) = (Position::of(resumed), Position::of(through));
    Coverage::Lost { resumed, through, missed: missed.into(), turn: 0 }
}

#[tokio::test]
async fn a_topic_keeps_its_newest_by_count_and_tells_what_it_lost() {
    let f = fixture(|s, _| s.default.events = 2);
    for _ in 0..5 {
        f.publish("a", &[1]).await;
    }
    f.publish("b", &[1]).await;
    assert_eq!(f.read("a", 0).await, (vec![4, 5], lost(3, 3, 3)));
    assert_eq!(f.read("a", 1).await, (vec![4, 5], lost(3, 3, 2)));
    assert_eq!(f.read("a", 3).await, (vec![4, 5], Coverage::Complete));
    assert_eq!(f.read("a", 4).await, (vec![5], Coverage::Complete));
    assert_eq!(f.read("b", 0).await, (vec![6], Coverage::Complete), "another topic's losses are not its own");
}

#[tokio::test]
async fn a_topic_keeps_its_newest_by_bytes() {
    let weight = fixture(|_, _| {}).delivery("a", &[100]).events[0].weight();
    let f = fixture(|s, _| s.default.bytes = 2 * weight);
    for _ in 0..3 {
        f.publish("a", &[100]).await;
    }
    assert_eq!(f.read("a", 0).await, (vec![2, 3], lost(1, 1, 1)));
    assert_eq!(
        f.log.usage(),
        Usage { topics: 1, events: 2, bytes: 2 * weight as u64, dedupe_evicted_early: 0 }
    );
}

#[tokio::test]
async fn age_is_seen_by_a_read_that_comes_before_any_sweep() {
    let f = fixture(|s, _| s.default.age = Duration::from_secs(10));
    f.publish("a", &[1]).await;
    f.clock.advance(Duration::from_secs(5));
    f.publish("a", &[1]).await;
    f.clock.advance(Duration::from_secs(5));
    assert_eq!(f.read("a", 0).await, (vec![1, 2], Coverage::Complete), "as old as the limit is not over it");
    f.clock.advance(Duration::from_millis(1));
    assert_eq!(f.read("*", 0).await, (vec![2], lost(1, 1, 1)));
    f.clock.advance(Duration::from_secs(5));
    assert_eq!(f.read("a", 0).await, (vec![], lost(2, 2, 2)));
    assert_eq!(f.log.usage().topics, 0);
}

#[tokio::test]
async fn a_sweep_drops_what_nobody_reads_in_slices() {
    let f = fixture(|s, b| {
        s.default.age = Duration::from_secs(10);
        (b.sweep_slice, b.sweep_topics) = (2, 5);
    });
    for n in 0..12 {
        f.publish(&format!("t{n}"), &[1]).await;
    }
    f.clock.advance(Duration::from_secs(11));
    f.log.tick();
    assert_eq!(f.log.usage().events, 7);
    f.log.tick();
    f.log.tick();
    assert_eq!(f.log.usage().events, 0);
}

#[tokio::test]
async fn the_first_matching_rule_limits_a_topic_and_zero_keeps_none() {
    let limits = |events| TopicLimits { events, ..settings().default };
    let f = fixture(|s, _| {
        s.rules = vec![
            (Pattern::parse("a.none").unwrap(), limits(0)),
            (Pattern::parse("a.*").unwrap(), limits(1)),
            (Pattern::parse("**").unwrap(), limits(2)),
        ];
    });
    for name in ["a.none", "a.x", "b"] {
        for _ in 0..3 {
            f.publish(name, &[1]).await;
        }
    }
    assert_eq!(f.read("a.none", 0).await, (vec![], lost(3, 3, 3)));
    assert_eq!(f.read("a.x", 0).await, (vec![6], lost(5, 5, 2)));
    assert_eq!(f.read("b", 0).await, (vec![8, 9], lost(7, 7, 1)));
}

#[tokio::test]
async fn what_a_reload_lowers_takes_effect_and_what_it_raises_does_too() {
    let f = fixture(|_, b| b.sweep_slice = 2);
    for n in 0..10 {
        f.publish(if n % 2 == 0 { "a" } else { "b" }, &[1000]).await;
    }
    f.set(|s| s.rules = vec![(Pattern::parse("a").unwrap(), TopicLimits { events: 1, ..s.default })]);
    f.log.reconfigure();
    assert_eq!(f.log.usage().events, 6);
    assert_eq!(f.read("a", 0).await, (vec![9], lost(7, 7, 4)));
    f.set(|s| s.total = 4000);
    f.log.tick();
    assert!(f.log.usage().bytes <= 4000);
    assert_eq!(f.read("a", 0).await.0, vec![9], "it held less than its share");
    f.set(|s| {
        s.total = 1 << 20;
        s.rules.clear();
    });
    f.log.reconfigure();
    for _ in 0..5 {
        f.publish("a", &[1000]).await;
    }
    assert_eq!(f.read("a", 9).await, (vec![11, 12, 13, 14, 15], Coverage::Complete));
}

#[tokio::test]
async fn the_total_is_taken_from_whoever_holds_the_most() {
    let f = fixture(|s, _| s.total = 20_000);
    f.publish("quiet", &[100]).await;
    for _ in 0..100 {
        f.publish("busy", &[1000]).await;
    }
    assert_eq!(f.read("quiet", 0).await, (vec![1], Coverage::Complete));
    let usage = f.log.usage();
    assert!(usage.bytes <= 20_000 && usage.bytes > 17_000, "{usage:?}");
}

#[tokio::test]
async fn an_event_too_large_to_keep_is_accepted_fed_and_told_and_costs_others_nothing() {
    for change in [(|s| s.default.bytes = 5000) as fn(&mut HistorySettings), |s| s.total = 5000] {
        let f = fixture(|s, _| change(s));
        let mut tail = f.log.tail(f.log.head()).await.unwrap();
        f.publish("other", &[2000]).await;
        f.publish("other", &[2000]).await;
        f.publish("a", &[6000]).await;
        assert_eq!(sequences(&tail.next().await.unwrap()), vec![1, 2, 3]);
        assert_eq!(f.read("a", 0).await, (vec![], lost(3, 3, 1)));
        assert_eq!(f.read("other", 0).await, (vec![1, 2], Coverage::Complete));
    }
}

#[tokio::test]
async fn a_read_over_patterns_says_where_it_resumes_and_how_far_losses_reach() {
    let f = fixture(|s, _| s.default.events = 1);
    // a: 1 lost, 3 kept; b: 2 and 4 lost, 5 kept.
    for name in ["a", "b", "a", "b", "b"] {
        f.publish(name, &[1]).await;
    }
    assert_eq!(f.read("*", 0).await, (vec![3, 5], lost(1, 4, 3)));
    assert_eq!(f.read("*", 1).await, (vec![3, 5], lost(1, 4, 2)), "4 lies behind the first kept");
    assert_eq!(f.read("*", 3).await, (vec![5], lost(4, 4, 1)));
    assert_eq!(f.read("*", 4).await, (vec![5], Coverage::Complete));
}

/// One topic's newest loss says nothing about when another lost what lies before it.
#[tokio::test]
async fn each_loss_has_a_turn_of_its_own_wherever_it_lies() {
    let f = fixture(|s, _| s.default.events = 1);
    let turn = async || {
        let all = Selector::Patterns([Pattern::parse("*").unwrap()].into());
        match f.log.read(&all, Position::START, ALL).await.unwrap().coverage {
            Coverage::Lost { through, turn, .. } => (through.sequence, turn),
            Coverage::Complete => (0, 0),
        }
    };
    for name in ["a", "b", "b"] {
        f.publish(name, &[1]).await;
    }
    let (through, before) = turn().await;
    assert_eq!(through, 2);
    f.publish("a", &[1]).await;
    let (through, after) = turn().await;
    assert!(through == 2 && after > before, "1 is gone, too: {after}, {before}");
    assert_eq!(turn().await.1, after);
}

#[tokio::test]
async fn the_longest_quiet_topic_is_forgotten_and_that_is_told_without_a_count() {
    let f = fixture(|s, b| {
        b.topics = 3;
        s.rules = vec![(Pattern::parse("none.*").unwrap(), TopicLimits { events: 0, ..s.default })];
    });
    f.publish("none.a", &[1]).await;
    f.publish("none.b", &[1]).await;
    f.publish("none.a", &[1]).await;
    f.publish("kept", &[1]).await;
    f.publish("kept.too", &[1]).await;
    // Four topics: `none.b`, quiet since 2, is forgotten.
    assert_eq!(f.read("none.b", 0).await, (vec![], lost(2, 2, None)));
    assert_eq!(f.read("never", 1).await, (vec![], lost(2, 2, None)), "it might have been there");
    assert_eq!(f.read("none.b", 2).await, (vec![], Coverage::Complete));
    assert_eq!(f.read("none.a", 0).await, (vec![], lost(3, 3, 2)), "still remembered");
    assert_eq!(f.read("kept", 0).await, (vec![4], Coverage::Complete), "older than what was forgotten");
    assert_eq!(f.read("**", 0).await, (vec![4, 5], lost(3, 3, None)));
    assert_eq!(f.read("**", 2).await, (vec![4, 5], lost(3, 3, 1)));
}

#[tokio::test]
async fn names_are_walked_in_slices_when_very_many_topics_were_busy() {
    let f = fixture(|_, b| (b.read_slice, b.match_slice) = (2, 3));
    for n in 0..20 {
        f.publish(&format!("{}.t{n}", if n % 3 == 0 { "x" } else { "y" }), &[1]).await;
    }
    assert_eq!(f.read("x.*", 0).await, (vec![1, 4, 7, 10, 13, 16, 19], Coverage::Complete));
    assert_eq!(f.read("**", 0).await.0, (1..=20).collect::<Vec<_>>());
    let two = [Pattern::parse("x.**").unwrap(), Pattern::parse("*.t3").unwrap()];
    let page = f.log.read(&Selector::Patterns(two.into()), Position::START, ALL).await.unwrap();
    assert_eq!(sequences(&page.events), vec![1, 4, 7, 10, 13, 16, 19], "t3 matches both and comes once");
}

#[tokio::test]
async fn a_tail_that_nobody_drains_stops_the_log_until_it_is_drained() {
    let f = fixture(|_, b| b.tail_events = 3);
    let mut tail = f.log.tail(f.log.head()).await.unwrap();
    for _ in 0..3 {
        f.publish("a", &[1]).await;
    }
    assert_eq!(f.log.append(f.delivery("a", &[1])).await, Err(AppendError::Full));
    assert_eq!(f.log.health(), Health::Down("a tail is not drained"));
    assert_eq!(f.log.head().position, Position::of(3), "nothing of it was kept");
    assert_eq!(sequences(&tail.next().await.unwrap()), vec![1, 2, 3]);
    assert_eq!(f.log.health(), Health::Up);
    f.publish("a", &[1, 1, 1, 1, 1]).await;
    assert_eq!(f.log.append(f.delivery("a", &[1])).await, Err(AppendError::Full));
    drop(tail);
    assert_eq!(f.publish("a", &[1]).await, Position::of(5), "a dropped tail holds nothing up");
}

#[tokio::test]
async fn a_tail_is_bounded_by_bytes_too_and_a_known_key_needs_no_room() {
    let f = fixture(|_, b| b.tail_bytes = 1000);
    let _tail = f.log.tail(f.log.head()).await.unwrap();
    let keyed = Delivery { dedupe: key(1), ..f.delivery("a", &[2000]) };
    let first = f.log.append(keyed.clone()).await.unwrap();
    assert_eq!(f.log.append(f.delivery("a", &[1])).await, Err(AppendError::Full));
    assert_eq!(f.log.append(keyed).await, Ok(Appended::Duplicate(first.placement())));
}

#[tokio::test]
async fn a_tail_at_an_older_place_begins_with_what_is_kept_or_says_what_is_not() {
    let f = fixture(|s, _| s.default.events = 2);
    for name in ["a", "b", "a", "a", "a"] {
        f.publish(name, &[1]).await;
    }
    // Kept: 2, 4, 5. Lost: 1, 3.
    let mut tail = f.log.tail(Cursor::new(EPOCH, Position::of(3))).await.unwrap();
    f.publish("c", &[1]).await;
    assert_eq!(sequences(&tail.next().await.unwrap()), vec![4, 5]);
    assert_eq!(sequences(&tail.next().await.unwrap()), vec![6]);
    let cursor = |sequence| Cursor::new(EPOCH, Position::of(sequence));
    for after in [cursor(2), Cursor::new(Epoch::new(8), Position::of(5))] {
        let mut tail = f.log.tail(after).await.unwrap();
        assert_eq!(tail.next().await, Err(TailError::Reset(cursor(3))));
        assert_eq!(sequences(&tail.next().await.unwrap()), vec![4, 5, 6]);
    }
    let mut ahead = f.log.tail(cursor(60)).await.unwrap();
    assert_eq!(ahead.next().await, Err(TailError::Reset(cursor(6))));
}

#[tokio::test]
async fn keys_outlive_their_events_and_early_evictions_are_counted() {
    let f = fixture(|s, _| (s.default.events, s.dedupe_keys) = (0, 2));
    let keyed = |n| Delivery { dedupe: key(n), ..f.delivery("a", &[1, 1]) };
    let first = f.log.append(keyed(1)).await.unwrap();
    assert_eq!(f.log.append(keyed(1)).await, Ok(Appended::Duplicate(first.placement())));
    for n in 2..=3 {
        f.log.append(keyed(n)).await.unwrap();
    }
    assert_eq!(f.log.usage().dedupe_evicted_early, 1);
    assert!(matches!(f.log.append(keyed(1)).await, Ok(Appended::Accepted(_))));
    f.clock.advance(Duration::from_mins(1));
    f.log.tick();
    assert!(matches!(f.log.append(keyed(3)).await, Ok(Appended::Accepted(_))));
    assert_eq!(f.log.usage().dedupe_evicted_early, 2, "those over their window are not early");
}

#[tokio::test]
async fn a_delivery_without_events_is_refused() {
    let f = fixture(|_, _| {});
    assert!(matches!(f.log.append(f.delivery("a", &[])).await, Err(AppendError::Unavailable(_))));
    assert_eq!(f.log.head().position, Position::START);
}

#[tokio::test]
async fn a_page_ends_at_its_limit_but_holds_an_event() {
    let f = fixture(|_, _| {});
    for _ in 0..3 {
        f.publish("a", &[10]).await;
    }
    let selector = Selector::Topic(topic("a"));
    let read = async |events, bytes| {
        let page = f.log.read(&selector, Position::START, ReadLimit { events, bytes }).await.unwrap();
        (sequences(&page.events), page.next.sequence, page.more)
    };
    assert_eq!(read(2, 100).await, (vec![1, 2], 2, true));
    assert_eq!(read(9, 20).await, (vec![1, 2], 2, true));
    assert_eq!(read(9, 1).await, (vec![1], 1, true));
    assert_eq!(read(0, 0).await, (vec![1], 1, true));
    assert_eq!(read(3, 30).await, (vec![1, 2, 3], 3, false));
    let ahead = f.log.read(&selector, Position::of(9), ALL).await.unwrap();
    assert_eq!((ahead.events.len(), ahead.next, ahead.more), (0, Position::of(3), false));
}

/// A read in slices lets appends, evictions and forgetting go on in between, and is honest about all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_read_in_slices_while_events_go_is_complete_where_it_says_so() {
    let f = fixture(|s, b| {
        s.default.events = 20;
        s.rules = vec![(Pattern::parse("t.7.7").unwrap(), TopicLimits { events: 0, ..s.default })];
        (b.read_slice, b.match_slice, b.topics) = (2, 3, 20);
    });
    let publisher = {
        let (log, deliveries): (_, Vec<_>) = (
            f.log.clone(),
            (0..50_000).map(|n| f.delivery(&format!("t.{}.{}", n % 8, n % 50), &[1])).collect(),
        );
        tokio::spawn(async move {
            for delivery in deliveries {
                log.append(delivery).await.unwrap();
            }
        })
    };
    let selector = Selector::Patterns([Pattern::parse("t.**").unwrap()].into());
    let (mut after, mut pages) = (Position::START, 0);
    while !publisher.is_finished() {
        let limit = ReadLimit { events: 10_000, ..ALL };
        let page = f.log.read(&selector, after, limit).await.unwrap();
        let got = sequences(&page.events);
        assert!(got.is_sorted_by(|a, b| a < b));
        match page.coverage {
            Coverage::Complete => {
                assert!(got.into_iter().eq(after.sequence + 1..=page.next.sequence), "every event is there");
            }
            Coverage::Lost { resumed, through, .. } => {
                assert!(after <= resumed && resumed <= through && after < through);
                assert!(got.first().is_none_or(|&first| resumed.sequence < first));
            }
        }
        // Now and then from further back, so that more than a slice was busy since.
        after = Position::of(page.next.sequence.saturating_sub(if pages % 2 == 0 { 12 } else { 5 }));
        pages += 1;
    }
    publisher.await.unwrap();
}
