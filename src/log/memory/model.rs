//! The memory log against a naive model: a list of everything that was ever published, and the rules said plainly.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use proptest::prelude::*;

use super::*;
use crate::event::{Dedupe, DedupeKey, Event, Millis, Topic};
use crate::log::clock::ManualClock;
use crate::log::{Coverage, Placement, TopicLimits};

const EPOCH: Epoch = Epoch::new(0xabc);
const TOPICS: [&str; 7] = ["a", "b", "a.x", "a.y", "b.x", "b.y.z", "c"];
/// How long a key is remembered: odd ones three times as long as even ones.
fn window(key: u8) -> Duration {
    Duration::from_secs(if key % 2 == 0 { 5 } else { 15 })
}

/// What a topic costs in the total, as documented in `topic`.
fn overhead(topic: usize) -> usize {
    384 + TOPICS[topic].len()
}

#[derive(Clone, Debug)]
enum Step {
    /// Events as (topic, bytes, received how long ago), and a key.
    Publish(Vec<(usize, usize, u64)>, Option<u8>),
    Advance(u64),
    Tick,
    Reconfigure(HistorySettings),
    /// Selector, place as a fraction of the head, limits.
    Read(usize, f64, ReadLimit),
    Drain,
}

fn selectors() -> Vec<Selector> {
    let patterns =
        |texts: &[&str]| Selector::Patterns(texts.iter().map(|text| Pattern::parse(text).unwrap()).collect());
    let mut all: Vec<_> = TOPICS.iter().map(|name| Selector::Topic(Topic::parse(name).unwrap())).collect();
    all.extend([
        patterns(&["*"]),
        patterns(&["**"]),
        patterns(&["a.*"]),
        patterns(&["b.**"]),
        patterns(&["a.*", "*.x", "b"]),
        patterns(&["never.**"]),
    ]);
    all
}

fn limits() -> impl Strategy<Value = TopicLimits> {
    (0usize..8, 0usize..6000, 0u64..20_000).prop_map(|(events, bytes, age)| TopicLimits {
        events,
        bytes,
        age: Duration::from_millis(age),
    })
}

fn settings() -> impl Strategy<Value = HistorySettings> {
    let rules = prop::collection::vec((prop::sample::select(vec!["a", "a.*", "**", "b.**"]), limits()), 0..3);
    let wide = TopicLimits { events: 100, bytes: 1 << 20, age: Duration::from_hours(1) };
    (prop_oneof![limits(), Just(wide)], rules, 0usize..20_000, 0usize..6).prop_map(
        |(default, rules, total, dedupe_keys)| HistorySettings {
            default,
            rules: rules.into_iter().map(|(text, l)| (Pattern::parse(text).unwrap(), l)).collect(),
            total,
            dedupe_keys,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let event = (0..TOPICS.len(), prop_oneof![8 => 0usize..800, 1 => 3000usize..9000], 0u64..3000);
    let limit = (0usize..12, prop_oneof![0usize..3000, Just(usize::MAX)])
        .prop_map(|(events, bytes)| ReadLimit { events, bytes });
    prop_oneof![
        12 => (prop::collection::vec(event, 1..5), prop::option::weighted(0.3, 0u8..8))
            .prop_map(|(events, key)| Step::Publish(events, key)),
        3 => (0u64..4000).prop_map(Step::Advance),
        1 => Just(Step::Tick),
        1 => settings().prop_map(Step::Reconfigure),
        8 => (0..selectors().len(), 0.0..1.1, limit).prop_map(|(s, at, limit)| Step::Read(s, at, limit)),
        2 => Just(Step::Drain),
    ]
}

/// An event that was published, whatever became of it.
#[derive(Clone, Debug)]
struct Published {
    position: Position,
    topic: usize,
    event: Event,
    gone: bool,
}

struct Model {
    settings: HistorySettings,
    bounds: Bounds,
    now: Millis,
    all: Vec<Published>,
    /// Topics that are remembered, with what was forgotten when each became known.
    known: BTreeMap<usize, Position>,
    forgotten: Position,
    /// Key, placement and time of every keyed delivery that is not forgotten.
    keys: Vec<(u8, Placement, Millis)>,
    evicted_early: u64,
    sequence: u64,
    /// Events the tail has not taken.
    undrained: Vec<Position>,
}

impl Model {
    fn kept(&self, topic: usize) -> Vec<usize> {
        (0..self.all.len()).filter(|&i| self.all[i].topic == topic && !self.all[i].gone).collect()
    }

    fn bytes(&self, topic: usize) -> usize {
        self.kept(topic).into_iter().map(|i| self.all[i].event.weight()).sum()
    }

    fn holdings(&self) -> Vec<(usize, usize, usize)> {
        let all = (0..TOPICS.len()).map(|t| (t, self.kept(t).len(), self.bytes(t) + overhead(t)));
        all.filter(|&(_, events, _)| events > 0).collect()
    }

    fn last(&self, topic: usize) -> Position {
        self.all.iter().rev().find(|p| p.topic == topic).map_or(Position::START, |p| p.position)
    }

    fn limits(&self, topic: usize) -> TopicLimits {
        let name = Topic::parse(TOPICS[topic]).unwrap();
        let rule = self.settings.rules.iter().find(|(pattern, _)| pattern.matches(&name));
        rule.map_or(self.settings.default, |(_, limits)| *limits)
    }

    /// A topic is within its limits, and within the total all by itself.
    fn enforce(&mut self, topic: usize) {
        let limits = self.limits(topic);
        while let Some(&oldest) = self.kept(topic).first() {
            let bytes = self.bytes(topic);
            let age = self.now.0.saturating_sub(self.all[oldest].event.time.0);
            let over = self.kept(topic).len() > limits.events
                || bytes > limits.bytes
                || bytes + overhead(topic) > self.settings.total
                || u128::from(age) > limits.age.as_millis();
            if !over {
                break;
            }
            self.all[oldest].gone = true;
        }
    }

    /// All topics together are within the total.
    fn fit_total(&mut self) {
        loop {
            let holdings = self.holdings();
            if holdings.iter().map(|h| h.2).sum::<usize>() <= self.settings.total {
                return;
            }
            let share = self.settings.total / holdings.len();
            let most = |of: &dyn Fn(usize) -> bool| {
                let of = holdings.iter().filter(|h| of(h.1));
                of.max_by_key(|h| (h.2, std::cmp::Reverse(self.all[self.kept(h.0)[0]].position))).copied()
            };
            let can_give = most(&|events| events > 1).filter(|h| h.2 > share);
            let (topic, events, bytes) = can_give.or_else(|| most(&|events| events == 1)).unwrap();
            // The promise, whatever the rule above is.
            assert!(bytes > share, "a topic within its share gave");
            assert!(
                events > 1 || holdings.iter().all(|h| h.1 == 1 || h.2 <= share),
                "emptied before its turn"
            );
            let oldest = self.kept(topic)[0];
            self.all[oldest].gone = true;
        }
    }

    fn forget(&mut self) {
        while self.known.len() > self.bounds.topics {
            let quiet = self.known.keys().copied().filter(|&t| self.kept(t).is_empty());
            let Some(topic) = quiet.min_by_key(|&t| self.last(t)) else { return };
            self.known.remove(&topic);
            self.forgotten = self.forgotten.max(self.last(topic));
        }
    }

    fn publish(
        &mut self,
        events: &[Event],
        topics: &[usize],
        key: Option<u8>,
    ) -> Result<Appended, AppendError> {
        if let Some(key) = key
            && let Some((_, placement, _)) =
                self.keys.iter().rev().find(|k| k.0 == key && self.ends(k) > self.now.0.into())
        {
            return Ok(Appended::Duplicate(*placement));
        }
        if self.undrained.len() >= self.bounds.tail_events {
            return Err(AppendError::Full);
        }
        self.sequence += 1;
        let placement = Placement { epoch: EPOCH, sequence: self.sequence, events: events.len() as u32 };
        for ((cursor, event), &topic) in placement.cursors().zip(events).zip(topics) {
            let position = cursor.position;
            self.all.push(Published { position, topic, event: event.clone(), gone: false });
            self.known.entry(topic).or_insert(self.forgotten);
            self.undrained.push(position);
            self.enforce(topic);
            self.fit_total();
        }
        if let Some(key) = key
            && self.settings.dedupe_keys > 0
        {
            // Room is made first: the key that has just come is never the one that goes.
            self.trim_keys(self.settings.dedupe_keys - 1);
            self.keys.push((key, placement, self.now));
        }
        self.forget();
        Ok(Appended::Accepted(placement))
    }

    /// When a key's window ends.
    fn ends(&self, (key, _, time): &(u8, Placement, Millis)) -> u128 {
        u128::from(time.0) + window(*key).as_millis()
    }

    /// Of the keys within their window, those that end last are kept.
    fn trim_keys(&mut self, most: usize) {
        let now = self.now.0.into();
        self.keys = std::mem::take(&mut self.keys).into_iter().filter(|k| self.ends(k) > now).collect();
        while self.keys.len() > most {
            let ends = |i: &usize| self.ends(&self.keys[*i]);
            let next = (0..self.keys.len()).min_by_key(ends).unwrap();
            self.keys.remove(next);
            self.evicted_early += 1;
        }
    }

    fn maintain(&mut self) {
        for topic in 0..TOPICS.len() {
            self.enforce(topic);
        }
        self.forget();
        self.fit_total();
        self.trim_keys(self.settings.dedupe_keys);
    }

    fn head(&self) -> Position {
        self.all.last().map_or(Position::START, |p| p.position)
    }

    /// Checks one page and returns where the next begins.
    fn check(&mut self, selector: &Selector, after: Position, limit: ReadLimit, page: &Page) {
        let matching: Vec<usize> =
            (0..TOPICS.len()).filter(|&t| selector.matches(&Topic::parse(TOPICS[t]).unwrap())).collect();
        for &topic in &matching {
            if self.known.contains_key(&topic) && (matching.len() == 1 || self.last(topic) > after) {
                self.enforce(topic);
            }
        }
        let later: Vec<&Published> =
            self.all.iter().filter(|p| p.position > after && matching.contains(&p.topic)).collect();
        let kept: Vec<&Published> = later.iter().copied().filter(|p| !p.gone).collect();
        let gone: Vec<Position> = later.iter().filter(|p| p.gone).map(|p| p.position).collect();

        let mut want = Vec::new();
        let mut bytes = 0;
        for p in &kept {
            bytes += p.event.data.len();
            if !want.is_empty() && (want.len() >= limit.events || bytes > limit.bytes) {
                break;
            }
            want.push((p.position, &p.event));
        }
        let got: Vec<_> = page.events.iter().map(|e| (e.cursor.position, &e.event)).collect();
        assert_eq!(got, want);
        assert_eq!(page.more, want.len() < kept.len());
        let end = if page.more { want.last().unwrap().0 } else { self.head() };
        assert_eq!(page.next, end);
        self.check_coverage(selector, &matching, after, page.coverage, &kept, &gone);
    }

    fn check_coverage(
        &self,
        selector: &Selector,
        matching: &[usize],
        after: Position,
        coverage: Coverage,
        kept: &[&Published],
        gone: &[Position],
    ) {
        // A loss may be told without being one only where something was forgotten that might have matched.
        let forgotten = match selector {
            Selector::Topic(_) => self.known.get(&matching[0]).copied().unwrap_or(self.forgotten),
            Selector::Patterns(_) => self.forgotten,
        };
        let newest = gone.last().copied().into_iter().chain((forgotten > after).then_some(forgotten)).max();
        let (resumed, through, missed) = match (coverage, newest) {
            (Coverage::Complete, None) => return,
            (Coverage::Lost { resumed, through, missed, .. }, Some(_)) => (resumed, through, missed),
            (got, newest) => panic!("after {after:?}: {got:?}, but the newest loss is {newest:?}"),
        };
        assert_eq!(Some(through), newest);
        let first = kept.first().map_or(Bound::Unbounded, |p| Bound::Excluded(p.position));
        let before_kept = |p: &Position| (Bound::Unbounded, first).contains(p);
        // What a topic lost before it was forgotten is known only as "up to there".
        let known = matching.iter().filter_map(|t| Some((*t, *self.known.get(t)?)));
        let newest = |(topic, inherited): (usize, Position)| {
            let of = self.all.iter().filter(|p| p.topic == topic && p.gone && p.position > after);
            of.map(|p| p.position).max().filter(|&p| p > inherited).unwrap_or(inherited)
        };
        let losses = known.map(newest).chain([forgotten]).filter(before_kept);
        assert_eq!(resumed, losses.fold(after, Position::max));
        if let Some(missed) = missed {
            assert_eq!(missed, gone.len() as u64);
        }
        let few = |t: &usize| self.all.iter().filter(|p| p.topic == *t && p.gone).count();
        if forgotten <= after && TOPICS.len() <= self.bounds.exact_topics {
            let exact = matching.iter().all(|t| few(t) <= self.bounds.exact_losses);
            assert!(missed.is_some() || !exact, "few losses are counted");
        }
    }
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
        let model = Model {
            settings: first,
            bounds,
            now,
            all: Vec::new(),
            known: BTreeMap::new(),
            forgotten: Position::START,
            keys: Vec::new(),

            evicted_early: 0,
            sequence: 0,
            undrained: Vec::new(),
        };
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

    fn publish(&mut self, events: &[(usize, usize, u64)], key: Option<u8>) {
        let topics: Vec<_> = events.iter().map(|e| e.0).collect();
        let event = |&(topic, bytes, ago): &(usize, usize, u64)| Event {
            topic: Topic::parse(TOPICS[topic]).unwrap(),
            kind: None,
            time: Millis(self.model.now.0 - ago),
            data: vec![b'.'; bytes].into(),
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        let delivery = Delivery {
            events: events.clone(),
            dedupe: key.map(|k| Dedupe { key: DedupeKey([k; 16]), window: window(k) }),
        };
        let got = now_or_never(self.log.append(delivery)).unwrap();
        assert_eq!(got, self.model.publish(&events, &topics, key));
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
            let page = now_or_never(self.log.read(selector, after, limit)).unwrap().unwrap();
            self.model.check(selector, after, limit, &page);
            if !page.more {
                break;
            }
            after = page.next;
        }
    }
}

/// One poll of a future that never has to wait here.
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
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let bounds = Bounds { topics, exact_losses, exact_topics, read_slice, tail_events: 30, ..Bounds::default() };
        let mut run = Run::new(first, bounds);
        for step in steps {
            run.step(step);
        }
    }
}
