//! From a topic to the groups of this shard that listen to it.
//!
//! Groups of topics by name are looked up. Groups of patterns are matched once per topic: the answer is kept, in
//! bounded room, until a group of patterns comes or goes. A group of both has those names apart that its own patterns don't
//! match, so that it is found once.

use std::collections::HashMap;

use crate::event::{Selector, Topic};
use crate::fanout::limits::MATCHED_TOPICS;
use crate::fanout::matcher::Matcher;

/// See the module's documentation. Group keys are the shard's.
#[derive(Debug, Default)]
pub(super) struct Routes {
    named: HashMap<Topic, Vec<u32>>,
    patterns: Matcher<u32>,
    matched: HashMap<Topic, Box<[u32]>>,
}

impl Routes {
    /// A group of this selector is there.
    pub(super) fn insert(&mut self, selector: &Selector, group: u32) {
        let (names, patterns) = selector.parts();
        for topic in names {
            self.named.entry(topic).or_default().push(group);
        }
        if let Some(patterns) = patterns {
            self.patterns.insert(&patterns, group);
            self.matched.clear();
        }
    }

    /// The group is gone.
    pub(super) fn remove(&mut self, selector: &Selector, group: u32) {
        let (names, patterns) = selector.parts();
        for topic in names {
            let Some(groups) = self.named.get_mut(&topic) else { continue };
            if let Some(index) = groups.iter().position(|&known| known == group) {
                groups.swap_remove(index);
            }
            if groups.is_empty() {
                self.named.remove(&topic);
            }
        }
        if let Some(patterns) = patterns {
            self.patterns.remove(&patterns, group);
            self.matched.clear();
        }
    }

    /// The groups that listen to `topic`: those that name it, and those with a pattern that matches it, each once.
    pub(super) fn of(&mut self, topic: &Topic) -> impl Iterator<Item = u32> + '_ {
        if !self.patterns.is_empty() && !self.matched.contains_key(topic) {
            self.match_once(topic);
        }
        let named = self.named.get(topic).map_or(&[][..], Vec::as_slice);
        let matched = self.matched.get(topic).map_or(&[][..], |groups| &groups[..]);
        named.iter().chain(matched).copied()
    }

    /// Whether the group of `selector` listens to `topic`.
    pub(super) fn reaches(&mut self, topic: &Topic, selector: &Selector, group: u32) -> bool {
        match selector {
            Selector::Topic(one) => one == topic,
            Selector::Patterns(_) if selector.names(topic) => true,
            Selector::Patterns(_) if self.patterns.is_empty() => false,
            Selector::Patterns(_) => {
                if !self.matched.contains_key(topic) {
                    self.match_once(topic);
                }
                // In order, as the matcher gives them.
                self.matched.get(topic).is_some_and(|groups| groups.binary_search(&group).is_ok())
            }
        }
    }

    fn match_once(&mut self, topic: &Topic) {
        let mut groups = Vec::new();
        self.patterns.matches(topic, &mut groups);
        if self.matched.len() >= MATCHED_TOPICS {
            // As good as any choice: what is hot comes back at once, for one match each.
            self.matched.clear();
        }
        self.matched.insert(topic.clone(), groups.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pattern;

    fn of(texts: &[&str]) -> Selector {
        Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect())
    }

    fn topic(name: &str) -> Topic {
        Topic::parse(name).unwrap()
    }

    fn found(routes: &mut Routes, name: &str) -> Vec<u32> {
        routes.of(&topic(name)).collect()
    }

    #[test]
    fn groups_come_and_go_and_what_was_matched_follows() {
        let mut routes = Routes::default();
        routes.insert(&of(&["a.b"]), 0);
        assert_eq!(found(&mut routes, "a.b"), [0]);
        assert!(routes.matched.is_empty(), "nothing is kept while there is no pattern");
        routes.insert(&of(&["a.*", "a.**"]), 1);
        assert_eq!(found(&mut routes, "a.b"), [0, 1]);
        assert!(routes.reaches(&topic("a.b"), &of(&["a.*", "a.**"]), 1));
        routes.insert(&of(&["**"]), 2);
        assert_eq!(found(&mut routes, "a.b"), [0, 1, 2]);
        routes.remove(&of(&["a.*", "a.**"]), 1);
        assert_eq!(found(&mut routes, "a.b"), [0, 2]);
        let both = of(&["a.b", "c", "a.*"]);
        routes.insert(&both, 3);
        assert_eq!(found(&mut routes, "a.b"), [0, 2, 3]);
        assert_eq!((found(&mut routes, "c"), found(&mut routes, "a.c")), (vec![3, 2], vec![2, 3]));
        for (name, reached) in [("a.b", true), ("c", true), ("a.c", true), ("d", false)] {
            assert_eq!(routes.reaches(&topic(name), &both, 3), reached, "{name}");
        }
        routes.remove(&both, 3);
        routes.remove(&of(&["a.b"]), 0);
        routes.remove(&of(&["**"]), 2);
        let names = of(&["a.b", "c"]);
        routes.insert(&names, 4);
        assert!(routes.reaches(&topic("c"), &names, 4) && !routes.reaches(&topic("d"), &names, 4));
        assert!(found(&mut routes, "c") == [4] && routes.matched.is_empty());
        routes.remove(&names, 4);
        assert_eq!(found(&mut routes, "a.b"), [0; 0]);
        assert!(routes.named.is_empty() && routes.patterns.is_empty() && routes.matched.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut routes = Routes::default();
        routes.insert(&of(&["a.*"]), 0);
        for n in 0..3 * MATCHED_TOPICS {
            assert_eq!(found(&mut routes, &format!("a.{n}")), [0]);
            assert!(routes.matched.len() <= MATCHED_TOPICS);
        }
    }
}
