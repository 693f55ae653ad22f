//! Tells those who wait for a page of history that something has come of what they asked for.
//!
//! They are few and patient, and look into the log themselves; all they need is a reason to. While nobody waits, the feeder
//! pays one load of a counter for each batch; else it matches the topics of the batch, as it does for the shards.
//!
//! What they ask for is weighed like a stream's, each for itself, before it is taken into the trie here.
//!
//! Nothing is overlooked: whoever begins to wait is counted first and looks into the log second, and the feeder counts those
//! who wait after the log has shown what came. So one of the two sees the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;
use tokio::sync::Notify;

use super::matcher::Matcher;
use super::weights::Weight;
use crate::event::{Selector, Topic};

/// The feeder's end.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// How many wait: what is looked at before the lock is taken.
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// By what each is told.
    told: Slab<Arc<Notify>>,
    matcher: Matcher<u32>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrivals {
    /// Something of these topics has come, and the log shows it.
    pub(super) fn tell<'a>(&self, topics: impl Iterator<Item = &'a Topic>) {
        if self.0.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let waiters = self.0.lock();
        for topic in topics {
            waiters.matcher.each(topic, |waiter| waiters.told[waiter as usize].notify_one());
        }
    }

    /// The log has begun anew: that concerns everyone.
    pub(super) fn tell_all(&self) {
        self.0.lock().told.iter().for_each(|(_, waiter)| waiter.notify_one());
    }

    /// Begins to wait for what `selector` matches, which `weight` holds the room for.
    pub(super) fn listen(&self, selector: Selector, weight: Weight) -> Arrival {
        let told = Arc::new(Notify::new());
        let mut waiters = self.0.lock();
        let waiter = waiters.told.insert(Arc::clone(&told)) as u32;
        waiters.matcher.insert(&selector, waiter);
        self.0.waiting.store(waiters.told.len(), Ordering::SeqCst);
        drop(waiters);
        Arrival { shared: Arc::clone(&self.0), selector, waiter, told, weight }
    }
}

/// Waits for what comes of its topics.
#[derive(Debug)]
pub struct Arrival {
    shared: Arc<Shared>,
    selector: Selector,
    waiter: u32,
    told: Arc<Notify>,
    #[expect(dead_code, reason = "held for its drop")]
    weight: Weight,
}

impl Arrival {
    /// Waits until something has come since this was made, or since it last answered. Cancel-safe.
    pub async fn come(&mut self) {
        self.told.notified().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut waiters = self.shared.lock();
        waiters.told.remove(self.waiter as usize);
        waiters.matcher.remove(&self.selector, self.waiter);
        self.shared.waiting.store(waiters.told.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Pattern, Subscription};
    use crate::fanout::weights::Weights;

    /// Something has come of these topics.
    fn tell(arrivals: &Arrivals, topics: &[&str]) {
        let topics: Vec<_> = topics.iter().map(|text| Topic::parse(text).unwrap()).collect();
        arrivals.tell(topics.iter());
    }

    fn listen(arrivals: &Arrivals, patterns: &[&str]) -> Arrival {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let wanted = Subscription::to(Selector::of(patterns.collect()));
        let weight = Weights::default().hold(&wanted, None, usize::MAX).unwrap();
        arrivals.listen(wanted.selector, weight)
    }

    async fn has_come(arrival: &mut Arrival) -> bool {
        tokio::time::timeout(std::time::Duration::from_secs(1), arrival.come()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_is_not_told_and_what_comes_after_is_told_once() {
        let arrivals = Arrivals::default();
        tell(&arrivals, &["a"]);
        let mut one = listen(&arrivals, &["a"]);
        assert!(!has_come(&mut one).await);
        tell(&arrivals, &["a"]);
        tell(&arrivals, &["a", "a"]);
        assert!(has_come(&mut one).await && !has_come(&mut one).await);
        let mut other = listen(&arrivals, &["a"]);
        tell(&arrivals, &["a"]);
        assert!(has_come(&mut one).await && has_come(&mut other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn only_those_are_told_whose_topics_it_is_of_and_all_of_a_new_beginning() {
        let arrivals = Arrivals::default();
        let mut named = listen(&arrivals, &["orders.7"]);
        let mut pattern = listen(&arrivals, &["orders.*", "users.**"]);
        let mut other = listen(&arrivals, &["orders"]);
        for (topics, told) in [
            (&["orders.7"][..], [true, true, false]),
            (&["users.1.x"], [false, true, false]),
            (&["orders.8", "orders"], [false, true, true]),
            (&["items", "orders.7.x"], [false, false, false]),
        ] {
            tell(&arrivals, topics);
            let come = [&mut named, &mut pattern, &mut other].map(has_come);
            let [a, b, c] = come;
            assert_eq!([a.await, b.await, c.await], told, "{topics:?}");
        }
        arrivals.tell_all();
        assert!(has_come(&mut named).await && has_come(&mut pattern).await && has_come(&mut other).await);
        drop((named, pattern, other));
        assert_eq!(arrivals.0.waiting.load(Ordering::SeqCst), 0);
        assert!(arrivals.0.lock().matcher.is_empty() && arrivals.0.lock().told.is_empty());
    }
}
