//! The memory log against a naive model: a list of everything that was ever published, and the rules said plainly.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use proptest::prelude::*;

use self::rules::Model;
use self::steps::{KINDS, Made, Step, filters, selectors, settings, step};
use super::*;
use crate::event::{Dedupe, DedupeKey, Event, EventType, Millis, Pattern};
use crate::log::clock::ManualClock;
use crate::log::{Coverage, Placement, TopicLimits};

mod rules;
mod steps;

const EPOCH: Epoch = Epoch::new(0xabc);
const TOPICS: [&str; 7] = ["a", "b", "a.x", "a.y", "b.x", "b.y.z", "c"];
/// How long a key is remembered: odd ones three times as long as even ones.
fn window(key: u8) -> Duration {
    Duration::from_secs(if key.is_multiple_of(2) { 5 } else { 15 })
}

/// Whose it is.
fn source(key: u8) -> &'static str {
    ["a", "b", "other"][usize::from(key / 2 % 3)]
}

fn keyed(key: u8) -> Dedupe {
    Dedupe { key: DedupeKey([key; 16]), window: window(key), source: source(key).into() }
}

fn topic(index: usize) -> Topic {
    Topic::parse(TOPICS[index]).unwrap()
}

/// What a topic costs in the total, as documented in `topic`.
fn overhead(topic: usize) -> usize {
    384 + TOPICS[topic].len()
}

struct Run {
    log: MemoryLog,
    clock: ManualClock,
    settings: Arc<ArcSwap<HistorySettings>>,
    tail: Box<dyn Tail>,
    model: Model,
}

impl Run {
    fn new(first: HistorySettings, bounds: Bounds) -> Self {
        let settings = Arc::new(ArcSwap::from_pointee(first.clone()));
        let live = Live::new(arc_swap::access::Map::new(Arc::clone(&settings), |s: &HistorySettings| s));
        let now = Millis(1_000_000);
        let clock = ManualClock::at(now);
        let log = MemoryLog::with_bounds(live, clock.clock(), EPOCH, bounds);
        let tail = now_or_never(log.tail(log.head())).unwrap().unwrap();
        let model = Model::new(first, bounds, now);
        Self { log, clock, settings, tail, model }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(events, key) => self.publish(&events, key),
            Step::Advance(by) => {
                self.clock.advance(Duration::from_millis(by));
                self.model.now = self.clock.now();
            }
            Step::Tick => {
                self.log.tick();
                self.model.maintain();
            }
            Step::Reconfigure(settings) => {
                self.settings.store(Arc::new(settings.clone()));
                self.log.reconfigure();
                if settings != self.model.settings {
                    self.model.settings = settings;
                    self.model.maintain();
                }
            }
            Step::Read(selector, at, limit) => self.read(&selectors()[selector], at, limit),
            Step::Locate(selector, filter, since) => {
                self.locate(&selectors()[selector], &filters()[filter], since);
            }
            Step::List(prefix, after, limit) => self.list(prefix, after.map(topic).as_ref(), limit),
            Step::Purge(index) => {
                let purged = now_or_never(self.log.purge(&topic(index))).unwrap();
                assert_eq!(purged, Ok(self.model.purge(index)));
            }
            Step::Drain => {
                let got = now_or_never(self.tail.next()).map(Result::unwrap).unwrap_or_default();
                let got: Vec<_> = got.iter().map(|e| e.cursor.position).collect();
                assert_eq!(got, std::mem::take(&mut self.model.undrained));
            }
        }
        let usage = self.log.usage();
        let holdings = self.model.holdings();
        assert_eq!(usage.topics, holdings.len() as u64);
        assert_eq!(usage.events, holdings.iter().map(|h| h.1 as u64).sum::<u64>());
        let overheads: usize = holdings.iter().map(|h| overhead(h.0)).sum();
        let held: usize = holdings.iter().map(|h| h.2).sum();
        assert_eq!(usage.bytes, (held - overheads) as u64);
        assert!(held <= self.model.settings.total);
        assert_eq!(usage.dedupe_evicted_early, self.model.evicted_early);
        assert_eq!(self.log.head().position, self.model.head());
        let (bounds, state) = (&self.model.bounds, self.log.shared.lock());
        let exact = state.topics.iter().filter(|(_, topic)| topic.losses.is_exact()).count();
        assert!(exact <= bounds.exact_topics);
    }

    fn publish(&mut self, events: &[Made], key: Option<u8>) {
        let topics: Vec<_> = events.iter().map(|e| e.topic).collect();
        let event = |made: &Made| Event {
            topic: topic(made.topic),
            kind: KINDS[made.kind].map(|kind| EventType::parse(kind).unwrap()),
            time: Millis(self.model.now.0 - made.ago),
            data: vec![b'.'; made.bytes].into(),
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        let delivery = Delivery { events: events.clone(), dedupe: key.map(keyed) };
        let got = now_or_never(self.log.append(delivery)).unwrap();
        assert_eq!(got, self.model.publish(&events, &topics, key));
    }

    fn locate(&mut self, selector: &Selector, filter: &Filter, since: Since) {
        let located = in_turns(self.log.locate(selector, filter, since));
        assert_eq!(
            located,
            Ok(self.model.locate(selector, filter, since)),
            "{selector} {filter:?} {since:?}"
        );
        // The log looks at the ages of those topics alone that it looks at; a read from the start looks at all.
        self.read(selector, 0.0, ReadLimit { events: 3, bytes: usize::MAX });
    }

    fn list(&mut self, prefix: &str, after: Option<&Topic>, limit: usize) {
        let listed = now_or_never(self.log.topics(prefix, after, limit)).unwrap().unwrap();
        let mut all = self.model.list(prefix, after);
        assert_eq!(now_or_never(self.log.topics(prefix, after, usize::MAX)).unwrap().unwrap(), all);
        all.truncate(limit);
        assert_eq!(listed, all);
    }

    /// Reads all pages from a place on.
    fn read(&mut self, selector: &Selector, at: f64, limit: ReadLimit) {
        let all = &self.model.all;
        #[allow(clippy::cast_sign_loss, reason = "the fraction is not negative")]
        let index = (all.len() as f64 * at) as usize;
        let beyond = Position::of(self.model.sequence + 3);
        let mut after = match index.checked_sub(1) {
            None => Position::START,
            Some(i) => all.get(i).map_or(beyond, |p| p.position),
        };
        loop {
            let page = in_turns(self.log.read(selector, after, limit)).unwrap();
            self.model.check(selector, after, limit, &page);
            if !page.more {
                break;
            }
            after = page.next;
        }
    }
}

/// One poll of a future that never has to wait here.
/// What comes of that which waits for nothing but lets others have their turns.
fn in_turns<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
    }
}

fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(
        first in settings(),
        topics in 1usize..9,
        exact_losses in 0usize..6,
        exact_topics in prop_oneof![Just(2usize), Just(64)],
        read_slice in 1usize..8,
        match_slice in 1usize..16,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let bounds = Bounds { topics, exact_losses, exact_topics, read_slice, match_slice, tail_events: 30, ..Bounds::default() };
        let mut run = Run::new(first, bounds);
        for step in steps {
            run.step(step);
        }
    }
}
