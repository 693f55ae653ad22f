//! A common budget for bodies: what all of them together may hold in memory while they come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held at one time. Clones are one budget.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    held: AtomicUsize,
    total: usize,
}

/// Bytes that one body holds; free again when dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: BodyBudget,
    /// Counted under a shared reference: what a request is unpacked to grows while its head is looked at.
    bytes: AtomicUsize,
    /// What all bodies together may hold for this one to grow.
    capacity: usize,
}

impl BodyBudget {
    /// So many bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Counted { held: AtomicUsize::new(0), total }))
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// One body, which with all that is made of it may have `largest` bytes: it always fits when it is alone.
    pub(super) fn begin(&self, largest: usize) -> Held {
        Held { budget: self.clone(), bytes: AtomicUsize::new(0), capacity: self.0.total.max(largest) }
    }
}

impl Held {
    /// Takes so many bytes more, if they are there.
    pub(super) fn grow(&self, bytes: usize) -> bool {
        // Nothing is published through this counter: only its own value has to be right.
        let fits = |held: usize| held.checked_add(bytes).filter(|&all| all <= self.capacity);
        let grown = self.budget.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        grown
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = BodyBudget::new(10);
        let (one, two) = (budget.begin(10), budget.begin(10));
        assert!(one.grow(6) && two.grow(4) && !two.grow(1));
        drop(one);
        assert!(two.grow(6));
        assert_eq!(budget.held(), 10);
        drop(two);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn one_larger_than_the_budget_fits_alone_and_makes_no_room_for_others() {
        let budget = BodyBudget::new(10);
        let (large, small) = (budget.begin(30), budget.begin(5));
        assert!(large.grow(30) && !large.grow(1) && !large.grow(usize::MAX) && !small.grow(1));
        drop(large);
        assert!(small.grow(5));
    }

    proptest! {
        /// Against a list of what each body holds.
        #[test]
        fn bodies_never_hold_more_than_there_is(
            steps in proptest::collection::vec((0usize..4, 0usize..60, any::<bool>()), 0..60),
        ) {
            const TOTAL: usize = 100;
            let budget = BodyBudget::new(TOTAL);
            let mut bodies: [_; 4] = std::array::from_fn(|_| budget.begin(TOTAL));
            let mut model = [0; 4];
            for (index, bytes, is_over) in steps {
                if is_over {
                    bodies[index] = budget.begin(TOTAL);
                    model[index] = 0;
                } else {
                    let fits = model.iter().sum::<usize>() + bytes <= TOTAL;
                    prop_assert_eq!(bodies[index].grow(bytes), fits);
                    model[index] += if fits { bytes } else { 0 };
                }
                prop_assert_eq!(budget.held(), model.iter().sum::<usize>());
            }
            drop(bodies);
            prop_assert_eq!(budget.held(), 0);
        }
    }
}
