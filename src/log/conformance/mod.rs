//! What every kind of log promises, as one suite that each kind runs: `conformance!(TheKind, #[the_test_attribute])`.
//!
//! A kind says what it can do ([`Precision`], [`Survival`]); nothing else about it is known here. A case never counts on
//! an append being seen at once: a broker's tail and head may lag.

mod coverage;
mod dedupe;
mod ends;
mod locate;
mod order;
mod purge;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::cases::*;
use super::{
    AppendError, Appended, HistorySettings, Log, Page, Placement, ReadLimit, Tail, TailError, TopicLimits,
};
use crate::event::{
    Dedupe, DedupeKey, Delivery, Event, LoggedEvent, Millis, Pattern, Position, Selector, Topic,
};

mod cases {
    pub(crate) use super::coverage::*;
    pub(crate) use super::dedupe::*;
    pub(crate) use super::ends::*;
    pub(crate) use super::locate::*;
    pub(crate) use super::order::*;
    pub(crate) use super::purge::*;
}

/// How well a kind knows what it lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Per topic: a loss is told only where there was one, with its count if there is one.
    Exact,
    /// It may tell of losses that did not touch the selector.
    Coarse,
}

/// What is there when a closed log is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    /// Nothing: a new epoch.
    Nothing,
    /// Events, order and keys.
    Everything,
}

/// A kind under test.
pub(crate) trait Kind: Send + Sync + 'static {
    const PRECISION: Precision;
    const SURVIVAL: Survival;

    /// A place for one log, empty.
    fn new(settings: HistorySettings) -> Self;

    /// Opens the log of this place, again after it was closed.
    async fn open(&self) -> Arc<dyn Log>;

    /// The time by which the log judges ages.
    fn now(&self) -> Millis;
}

/// Limits that nothing here reaches.
pub(crate) fn roomy() -> HistorySettings {
    HistorySettings {
        default: TopicLimits { events: 100_000, bytes: 1 << 28, age: Duration::from_hours(1) },
        rules: Vec::new(),
        total: 1 << 28,
        dedupe_keys: 100_000,
        dedupe_of: std::collections::BTreeMap::new(),
    }
}

pub(crate) const WIDE: ReadLimit = ReadLimit { events: 1000, bytes: usize::MAX };

pub(crate) fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub(crate) fn patterns(texts: &[&str]) -> Selector {
    Selector::Patterns(texts.iter().map(|text| Pattern::parse(text).unwrap()).collect())
}

/// A delivery of one event per topic, all with the same data.
pub(crate) fn delivery<K: Kind>(kind: &K, topics: &[&str], data: &str, key: Option<&str>) -> Delivery {
    let event = |name: &&str| Event {
        topic: topic(name),
        kind: None,
        time: kind.now(),
        data: data.to_owned().into(),
    };
    let key = key.map(|text| {
        let mut digest = [0; 16];
        digest[..text.len()].copy_from_slice(text.as_bytes());
        Dedupe { key: DedupeKey(digest), window: Duration::from_hours(1), source: "a".into() }
    });
    Delivery { events: topics.iter().map(event).collect(), dedupe: key }
}

/// Publishes until it is known to be kept. Without a key only refusals are tried again.
pub(crate) async fn publish(log: &dyn Log, delivery: Delivery) -> Appended {
    loop {
        match log.append(delivery.clone()).await {
            Ok(appended) => return appended,
            Err(AppendError::Unknown) if delivery.dedupe.is_none() => panic!("unknown without a key"),
            Err(AppendError::TooLarge { limit }) => panic!("larger than {limit}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// The next events of a tail that has nothing else to say.
pub(crate) async fn take(tail: &mut dyn Tail, count: usize) -> Vec<Arc<LoggedEvent>> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(tail.next().await.unwrap());
    }
    events
}

/// Waits until the log's head is at `position`.
pub(crate) async fn head_at(log: &dyn Log, position: Position) {
    while log.head().position < position {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// All pages after a place.
pub(crate) async fn pages(
    log: &dyn Log,
    selector: &Selector,
    after: Position,
    limit: ReadLimit,
) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let from = pages.last().map_or(after, |page| page.next);
        let page = log.read(selector, from, limit).await.unwrap();
        assert!(page.next >= from, "a page goes on, not back");
        assert!(!page.more || !page.events.is_empty(), "a page that is cut short holds an event");
        pages.push(page);
        if !pages.last().unwrap().more {
            return pages;
        }
    }
}

pub(crate) fn positions<'a>(events: impl IntoIterator<Item = &'a Arc<LoggedEvent>>) -> Vec<Position> {
    events.into_iter().map(|event| event.cursor.position).collect()
}

/// The place of a delivery's last event.
pub(crate) fn end(placement: Placement) -> Position {
    placement.cursors().last().unwrap().position
}

/// Runs every case for a kind, each as its own test.
macro_rules! conformance {
    ($kind:ty, #[$($test:tt)*]) => {
        $crate::log::conformance::conformance!(@ $kind, [$($test)*],
            the_tail_is_the_order_of_all_placements
            a_delivery_comes_whole_and_its_events_are_numbered
            every_tail_gets_everything_from_any_place
            pages_are_the_tail_filtered
            a_place_ahead_reads_as_nothing
            a_key_publishes_once
            a_key_that_comes_a_hundred_times_at_once_publishes_once
            whatever_fails_a_retry_with_the_key_publishes_once
            losses_are_told
            nothing_lost_is_nothing_told
            what_is_dropped_is_published_whole_or_not_at_all
            a_closed_log_refuses_and_its_tails_end
            a_tail_of_another_epoch_is_reset
            opening_again_keeps_what_survives
            since_is_the_place_before_what_it_names
            since_is_found_among_what_is_kept
            a_place_found_while_events_are_appended_holds_what_was_asked_for
            topics_are_listed_by_name_with_what_they_hold
            a_purge_is_told_and_touches_no_other_topic
            each_purge_is_a_loss_of_its_own
        );
    };
    (@ $kind:ty, $test:tt, $($case:ident)*) => { $(
        $crate::log::conformance::conformance!(@case $kind, $test, $case);
    )* };
    (@case $kind:ty, [$($test:tt)*], $case:ident) => {
        #[$($test)*]
        async fn $case() {
            $crate::log::conformance::$case::<$kind>().await;
        }
    };
}
pub(crate) use conformance;
