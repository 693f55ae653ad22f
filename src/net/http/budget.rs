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
    bytes: usize,
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

    pub(super) fn begin(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Takes so many bytes more, if they are there. Two at the same time may both be refused the last ones.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let counted = &self.budget.0;
        if counted.held.fetch_add(bytes, Ordering::Relaxed) + bytes > counted.total {
            counted.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = BodyBudget::new(10);
        let (mut one, mut two) = (budget.begin(), budget.begin());
        assert!(one.grow(6) && two.grow(4) && !two.grow(1));
        drop(one);
        assert!(two.grow(6));
        assert_eq!(budget.held(), 10);
        drop(two);
        assert_eq!(budget.held(), 0);
    }
}
