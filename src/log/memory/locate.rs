//! Where a subscription without a cursor begins: with all that is kept, at a time, or with its last events.
//!
//! A search goes over its topics in slices, between which appends and evictions go on. What is appended meanwhile lies
//! behind the head that was read at first, and is not looked at. What was found may be evicted meanwhile: then the place
//! is further back than what is kept, never further on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::MemoryLog;
use super::any_of::AnyOf;
use super::state::State;
use super::topic::{TopicHistory, TopicId};
use crate::event::{Filter, LoggedEvent, Millis, Position, Selector, Since};
use crate::log::clock::millis;

/// How much later than an event that was received after it one may be placed: several times what a webhook's body and its
/// append may take by default. What a topic received longer than this before the asked-for time is passed over by
/// bisection; only where a body took longer, or the clock was set back by more, may that pass over too much.
const DISORDER: Duration = Duration::from_mins(1);

impl MemoryLog {
    /// See [`crate::log::Log::locate`].
    ///
    /// A topic's events that are too old are bisected. The last n that the filter admits are walked to; of several topics
    /// they are kept in a heap of n places, 16 bytes each and no more than there are events: how many such searches there
    /// are at one time is for the caller to bound. It waits for nothing, and lets others on its thread have their turns.
    pub(super) async fn place(&self, selector: &Selector, filter: &Filter, since: Since) -> Position {
        let now = self.clock.now();
        let slice = self.bounds.read_slice;
        let (mut search, ids) = match selector {
            Selector::Topic(name) => {
                let state = self.shared.lock();
                let id = state.by_name.get(name).copied();
                (Search::of_one(filter, since, now, state.head), id.into_iter().collect())
            }
            Selector::Patterns(patterns) => {
                let mut any = AnyOf::new(patterns);
                if let Some(place) = self.place_of_recent(&mut any, filter, since, now) {
                    return place;
                }
                let earliest = received_since(since, now);
                let (ids, upto) = self.find(&mut any, |topic| is_older(topic, earliest)).await;
                (Search::new(filter, since, now, upto), ids)
            }
        };
        self.in_slices_kindly(|state| search.go_on(state, &ids, slice)).await;
        search.place()
    }

    /// The place of the last n where they lie in the topics that were published to last, as they mostly do.
    fn place_of_recent(
        &self,
        any: &mut AnyOf,
        filter: &Filter,
        since: Since,
        now: Millis,
    ) -> Option<Position> {
        let Since::Last(_) = since else { return None };
        let stop = any.looks() + self.bounds.match_slice;
        let state = &mut *self.shared.lock();
        let mut search = Search::new(filter, since, now, state.head);
        let ids: Vec<TopicId> = state.recency.iter().take(self.bounds.read_slice).collect();
        let mut budget = self.bounds.read_slice;
        for &id in &ids {
            let topic = &state.topics[id.index()];
            if search.is_beyond(topic.last) {
                return Some(search.place());
            }
            if any.looks() >= stop || any.matches(&topic.name) && !search.look(state, id, &mut budget) {
                return None;
            }
        }
        (ids.len() == state.topics.len()).then(|| search.place())
    }
}

/// When what is asked for was received at the earliest.
fn received_since(since: Since, now: Millis) -> Millis {
    match since {
        Since::Ago(ago) => Millis(now.0.saturating_sub(millis(ago))),
        Since::Oldest | Since::Last(_) => Millis(0),
    }
}

/// Whether neither this topic, nor any that was published to before it, has an event received at `since` or later.
fn is_older(topic: &TopicHistory, since: Millis) -> bool {
    // Of a topic that has lost its newest event, the time is not known.
    let newest = topic.events.back().filter(|event| event.cursor.position == topic.last);
    newest.is_some_and(|event| is_long_before(event, since))
}

/// Whether all events up to this one were received before `since`.
fn is_long_before(event: &LoggedEvent, since: Millis) -> bool {
    event.event.time.0.saturating_add(millis(DISORDER)) < since.0
}

/// A search between its slices.
struct Search<'a> {
    filter: &'a Filter,
    now: Millis,
    upto: Position,
    found: Found,
    /// The topic that is looked at next, and the event of it that was looked at last.
    next: usize,
    within: Option<Position>,
}

enum Found {
    /// The first event that was received at `since` or later.
    First { since: Millis, first: Option<Position> },
    /// The `most` newest, the oldest of them on top.
    Newest { most: usize, newest: BinaryHeap<Reverse<Position>> },
    /// The same, of one topic: the oldest so far, and how many more.
    Last { left: usize, oldest: Option<Position> },
}

impl Found {
    /// Takes the next of the newest events, which is older than those of its topic that were taken before.
    fn add(&mut self, position: Position) {
        match self {
            Self::First { .. } => {}
            Self::Newest { most, newest } => {
                newest.push(Reverse(position));
                if newest.len() > *most {
                    newest.pop();
                }
            }
            Self::Last { left, oldest } => {
                *left -= 1;
                *oldest = Some(position);
            }
        }
    }
}

impl<'a> Search<'a> {
    fn new(filter: &'a Filter, since: Since, now: Millis, upto: Position) -> Self {
        let found = match since {
            Since::Last(most) => Found::Newest { most, newest: BinaryHeap::new() },
            Since::Oldest | Since::Ago(_) => Found::First { since: received_since(since, now), first: None },
        };
        Self { filter, now, upto, found, next: 0, within: None }
    }

    /// Of one topic, which has its events in order already.
    fn of_one(filter: &'a Filter, since: Since, now: Millis, upto: Position) -> Self {
        let mut search = Self::new(filter, since, now, upto);
        if let Since::Last(left) = since {
            search.found = Found::Last { left, oldest: None };
        }
        search
    }

    /// Looks at `ids`, from where it ended before, at no more than `most` topics and events. Whether more are left.
    fn go_on(&mut self, state: &mut State, ids: &[TopicId], most: usize) -> bool {
        let mut budget = most;
        while let Some(&id) = ids.get(self.next) {
            if budget == 0 || !self.look(state, id, &mut budget) {
                return true;
            }
            self.next += 1;
        }
        false
    }

    /// Looks at a topic. Whether that was done before the budget was used up.
    fn look(&mut self, state: &mut State, id: TopicId, budget: &mut usize) -> bool {
        // Forgotten since it was found. If its number was given again, then to one without an event up to `upto`.
        if !state.topics.contains(id.index()) {
            self.within = None;
            return true;
        }
        state.expire(id, self.now);
        let topic = &state.topics[id.index()];
        self.within = match self.found {
            Found::First { .. } => self.look_forwards(topic, budget),
            Found::Newest { .. } | Found::Last { .. } => self.look_backwards(topic, budget),
        };
        *budget = budget.saturating_sub(1);
        self.within.is_none()
    }

    /// Looks for the first event of a topic. The last one looked at, when the budget was used up.
    fn look_forwards(&mut self, topic: &TopicHistory, budget: &mut usize) -> Option<Position> {
        let Found::First { since, first } = &mut self.found else { return None };
        let from = match self.within {
            Some(seen) => topic.index_after(seen),
            None => topic.events.partition_point(|event| is_long_before(event, *since)),
        };
        for event in topic.events.range(from..) {
            let position = event.cursor.position;
            if position > self.upto || first.is_some_and(|first| position > first) {
                break;
            }
            if event.event.time >= *since {
                *first = Some(position);
                break;
            }
            *budget = budget.saturating_sub(1);
            if *budget == 0 {
                return Some(position);
            }
        }
        None
    }

    /// Looks for the newest events of a topic. The last one looked at, when the budget was used up.
    fn look_backwards(&mut self, topic: &TopicHistory, budget: &mut usize) -> Option<Position> {
        let before = self.within.map_or(self.upto, Position::before);
        for event in topic.events.range(..topic.index_after(before)).rev() {
            let position = event.cursor.position;
            if self.is_beyond(position) {
                break;
            }
            if self.filter.admits(event.event.kind.as_ref()) {
                self.found.add(position);
            }
            *budget = budget.saturating_sub(1);
            if *budget == 0 {
                return Some(position);
            }
        }
        None
    }

    /// Whether neither this place nor any before it can be among the newest.
    fn is_beyond(&self, position: Position) -> bool {
        match &self.found {
            Found::Newest { most, newest } => {
                newest.len() >= *most && newest.peek().is_none_or(|oldest| position <= oldest.0)
            }
            Found::Last { left, .. } => *left == 0,
            Found::First { .. } => false,
        }
    }

    fn place(mut self) -> Position {
        let first = match &mut self.found {
            Found::First { first: found, .. } | Found::Last { oldest: found, .. } => *found,
            Found::Newest { newest, .. } => newest.pop().map(|oldest| oldest.0),
        };
        first.map_or(self.upto, Position::before)
    }
}
