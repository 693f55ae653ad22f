//! The rules, said plainly over a list of everything that was ever published.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use super::*;

/// An event that was published, whatever became of it.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub position: Position,
    pub topic: usize,
    pub event: Event,
    pub gone: bool,
}

pub(super) struct Model {
    pub settings: HistorySettings,
    pub bounds: Bounds,
    pub now: Millis,
    pub all: Vec<Published>,
    /// Topics that are remembered, with what was forgotten when each became known.
    known: BTreeMap<usize, Position>,
    forgotten: Position,
    /// Key, placement and time of every keyed delivery that is not forgotten.
    keys: Vec<(u8, Placement, Millis)>,
    pub evicted_early: u64,
    pub sequence: u64,
    /// Events the tail has not taken.
    pub undrained: Vec<Position>,
}

impl Model {
    /// Nothing was published yet.
    pub fn new(settings: HistorySettings, bounds: Bounds, now: Millis) -> Self {
        Self {
            settings,
            bounds,
            now,
            all: Vec::new(),
            known: BTreeMap::new(),
            forgotten: Position::START,
            keys: Vec::new(),
            evicted_early: 0,
            sequence: 0,
            undrained: Vec::new(),
        }
    }

    fn kept(&self, topic: usize) -> Vec<usize> {
        (0..self.all.len()).filter(|&i| self.all[i].topic == topic && !self.all[i].gone).collect()
    }

    fn bytes(&self, topic: usize) -> usize {
        self.kept(topic).into_iter().map(|i| self.all[i].event.weight()).sum()
    }

    pub fn holdings(&self) -> Vec<(usize, usize, usize)> {
        let all = (0..TOPICS.len()).map(|t| (t, self.kept(t).len(), self.bytes(t) + overhead(t)));
        all.filter(|&(_, events, _)| events > 0).collect()
    }

    fn last(&self, topic: usize) -> Position {
        self.all.iter().rev().find(|p| p.topic == topic).map_or(Position::START, |p| p.position)
    }

    fn limits(&self, topic: usize) -> TopicLimits {
        let name = super::topic(topic);
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

    pub fn publish(
        &mut self,
        events: &[Event],
        topics: &[usize],
        key: Option<u8>,
    ) -> Result<Appended, AppendError> {
        if let Some(key) = key
            && let Some((_, placement, _)) =
                self.keys.iter().rev().find(|k| k.0 == key && Self::ends(k) > self.now.0.into())
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
            && let Some(others) = self.settings.keys_of(source(key)).checked_sub(1)
        {
            // Room is made first: the key that has just come is never the one that goes.
            self.trim_keys(source(key), others);
            self.keys.push((key, placement, self.now));
        }
        self.forget();
        Ok(Appended::Accepted(placement))
    }

    /// When a key's window ends.
    fn ends((key, _, time): &(u8, Placement, Millis)) -> u128 {
        u128::from(time.0) + window(*key).as_millis()
    }

    /// Of the keys within their window, those that end last are kept.
    fn trim_keys(&mut self, of: &str, most: usize) {
        let now = self.now.0.into();
        self.keys = std::mem::take(&mut self.keys).into_iter().filter(|k| Self::ends(k) > now).collect();
        loop {
            let own: Vec<usize> = (0..self.keys.len()).filter(|&i| source(self.keys[i].0) == of).collect();
            if own.len() <= most {
                return;
            }
            let next = own.into_iter().min_by_key(|&i| Self::ends(&self.keys[i])).unwrap();
            self.keys.remove(next);
            self.evicted_early += 1;
        }
    }

    pub fn maintain(&mut self) {
        for topic in 0..TOPICS.len() {
            self.enforce(topic);
        }
        self.forget();
        self.fit_total();
        for of in ["a", "b", "other"] {
            self.trim_keys(of, self.settings.keys_of(of));
        }
    }

    pub fn head(&self) -> Position {
        self.all.last().map_or(Position::START, |p| p.position)
    }

    /// Where a subscription begins.
    pub fn locate(&mut self, selector: &Selector, filter: &Filter, since: Since) -> Position {
        let matching = matching(selector);
        for &topic in &matching {
            self.enforce(topic);
        }
        let of = |p: &&Published| !p.gone && matching.contains(&p.topic);
        let mut kept: Vec<&Published> = self.all.iter().filter(of).collect();
        let first = match since {
            Since::Oldest => kept.first(),
            Since::Ago(ago) => {
                kept.iter().find(|p| u128::from(self.now.0 - p.event.time.0) <= ago.as_millis())
            }
            Since::Last(most) => {
                kept.retain(|p| filter.admits(p.event.kind.as_ref()));
                kept[kept.len().saturating_sub(most)..].first()
            }
        };
        first.map_or(self.head(), |p| p.position.before())
    }

    /// All topics of a list.
    pub fn list(&mut self, prefix: &str, after: Option<&Topic>) -> Vec<TopicUsage> {
        let mut listed = Vec::new();
        for index in 0..TOPICS.len() {
            let topic = topic(index);
            if !topic.as_str().starts_with(prefix) || after.is_some_and(|after| topic <= *after) {
                continue;
            }
            self.enforce(index);
            if let Some(&newest) = self.kept(index).last() {
                let (events, bytes) = (self.kept(index).len() as u64, self.bytes(index) as u64);
                listed.push(TopicUsage { topic, events, bytes, last: self.all[newest].event.time });
            }
        }
        listed.sort_unstable_by(|a, b| a.topic.cmp(&b.topic));
        listed
    }

    /// How many events of a topic are forgotten.
    pub fn purge(&mut self, topic: usize) -> u64 {
        self.enforce(topic);
        let kept = self.kept(topic);
        for &index in &kept {
            self.all[index].gone = true;
        }
        kept.len() as u64
    }

    /// Checks one page and returns where the next begins.
    pub fn check(&mut self, selector: &Selector, after: Position, limit: ReadLimit, page: &Page) {
        let matching = matching(selector);
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

/// The topics of a selector.
fn matching(selector: &Selector) -> Vec<usize> {
    (0..TOPICS.len()).filter(|&t| selector.matches(&topic(t))).collect()
}
