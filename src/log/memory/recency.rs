//! Topics from the most recently published to, to the longest quiet.
//!
//! A read over patterns walks from the newest end and stops at the first topic that was quiet since the asked-for
//! position: such a topic has neither events nor losses after it. A doubly linked list in two arrays, because every
//! append moves a topic to the front and that must not cost a tree's rebalancing.

use super::topic::TopicId;

/// No topic.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

/// The list.
#[derive(Debug)]
pub(super) struct Recency {
    /// Indexed by topic. A topic that is not in the list has stale links, which are never followed.
    links: Vec<Link>,
    newest: u32,
    oldest: u32,
}

impl Recency {
    pub(super) fn new() -> Self {
        Self { links: Vec::new(), newest: NONE, oldest: NONE }
    }

    /// Puts a topic that is not in the list at its newest end.
    pub(super) fn insert(&mut self, id: TopicId) {
        if self.links.len() <= id.index() {
            self.links.resize(id.index() + 1, Link { newer: NONE, older: NONE });
        }
        self.push(id.0);
    }

    /// Moves a topic of the list to its newest end.
    pub(super) fn touch(&mut self, id: TopicId) {
        if self.newest != id.0 {
            self.unlink(id.0);
            self.push(id.0);
        }
    }

    /// Takes a topic out of the list.
    pub(super) fn remove(&mut self, id: TopicId) {
        self.unlink(id.0);
    }

    /// From the newest to the oldest.
    pub(super) fn iter(&self) -> impl Iterator<Item = TopicId> + '_ {
        let mut at = self.newest;
        std::iter::from_fn(move || {
            let id = (at != NONE).then_some(TopicId(at))?;
            at = self.links[id.index()].older;
            Some(id)
        })
    }

    fn push(&mut self, id: u32) {
        self.links[id as usize] = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = id,
            was => self.links[was as usize].newer = id,
        }
        self.newest = id;
    }

    fn unlink(&mut self, id: u32) {
        let Link { newer, older } = self.links[id as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_the_last_touch(steps in proptest::collection::vec((0u32..8, any::<bool>()), 0..64)) {
            let (mut list, mut model) = (Recency::new(), Vec::<u32>::new());
            for (id, keep) in steps {
                let there = model.contains(&id);
                model.retain(|&m| m != id);
                match (there, keep) {
                    (false, _) => list.insert(TopicId(id)),
                    (true, true) => list.touch(TopicId(id)),
                    (true, false) => list.remove(TopicId(id)),
                }
                if !there || keep {
                    model.insert(0, id);
                }
                prop_assert_eq!(list.iter().map(|id| id.0).collect::<Vec<_>>(), model.clone());
            }
        }
    }
}
