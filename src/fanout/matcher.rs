//! Which of many patterns match a topic, at the cost of those that share its beginning rather than of all.
//!
//! A trie by tokens. Each node says who ends there: by the token's name, by `*`, or by `**`, which takes whatever follows.
//! Looking a topic up follows at most two branches for each of its tokens, and only those that exist.
//!
//! Invariant: a node without patterns and without branches is removed at once, so that the trie is as large as what is in it.

use std::collections::HashMap;
use std::hash::Hash;

use crate::event::{Pattern, Selector, Topic};

/// Patterns, each with those who asked for it.
#[derive(Debug)]
pub struct Matcher<Id> {
    root: Node<Id>,
}

#[derive(Debug)]
struct Node<Id> {
    named: HashMap<Box<str>, Node<Id>>,
    /// Behind `*`.
    any: Option<Box<Node<Id>>>,
    /// Those whose pattern ends here.
    here: Vec<Id>,
    /// Those whose pattern ends in `**` behind this.
    rest: Vec<Id>,
}

impl<Id> Default for Node<Id> {
    fn default() -> Self {
        Self { named: HashMap::new(), any: None, here: Vec::new(), rest: Vec::new() }
    }
}

impl<Id> Default for Matcher<Id> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<Id: Copy + Ord + Hash> Matcher<Id> {
    /// `id` asks for all that `selector` matches.
    pub fn insert(&mut self, selector: &Selector, id: Id) {
        each_pattern(selector, |pattern| {
            let mut node = &mut self.root;
            for token in pattern.split('.') {
                node = match token {
                    "**" => return node.rest.push(id),
                    "*" => node.any.get_or_insert_default(),
                    name => node.named.entry(name.into()).or_default(),
                };
            }
            node.here.push(id);
        });
    }

    /// `id`, which asked for `selector`, no longer does.
    pub fn remove(&mut self, selector: &Selector, id: Id) {
        each_pattern(selector, |pattern| {
            self.root.remove(pattern.split('.'), id);
        });
    }

    /// Calls `each` with everyone who asked for `topic`: once for each of its patterns that match.
    pub fn each(&self, topic: &Topic, mut each: impl FnMut(Id)) {
        self.root.each(Some(topic.as_str()), &mut each);
    }

    /// Adds to `found` everyone who asked for `topic`, each once, in order.
    pub fn matches(&self, topic: &Topic, found: &mut Vec<Id>) {
        let first = found.len();
        self.each(topic, |id| found.push(id));
        if found.len() > first + 1 {
            // One whose patterns overlap is found by each of them.
            found[first..].sort_unstable();
            let mut kept = first;
            for next in first + 1..found.len() {
                if found[next] != found[kept] {
                    kept += 1;
                    found[kept] = found[next];
                }
            }
            found.truncate(kept + 1);
        }
    }

    /// Whether nobody asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<Id: Copy + PartialEq> Node<Id> {
    fn each(&self, rest: Option<&str>, each: &mut impl FnMut(Id)) {
        let Some(rest) = rest else { return self.here.iter().copied().for_each(each) };
        // `**` is one token or more, and there is one.
        self.rest.iter().copied().for_each(&mut *each);
        let (token, rest) = rest.split_once('.').map_or((rest, None), |(token, rest)| (token, Some(rest)));
        if let Some(node) = self.named.get(token) {
            node.each(rest, each);
        }
        if let Some(node) = &self.any {
            node.each(rest, each);
        }
    }

    fn remove<'a>(&mut self, mut tokens: impl Iterator<Item = &'a str>, id: Id) {
        match tokens.next() {
            None => take(&mut self.here, id),
            Some("**") => take(&mut self.rest, id),
            Some("*") => {
                if let Some(node) = &mut self.any {
                    node.remove(tokens, id);
                    if node.is_empty() {
                        self.any = None;
                    }
                }
            }
            Some(name) => {
                if let Some(node) = self.named.get_mut(name) {
                    node.remove(tokens, id);
                    if node.is_empty() {
                        self.named.remove(name);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }
}

fn take<Id: Copy + PartialEq>(ids: &mut Vec<Id>, id: Id) {
    if let Some(index) = ids.iter().position(|&known| known == id) {
        ids.swap_remove(index);
    }
}

fn each_pattern(selector: &Selector, mut each: impl FnMut(&str)) {
    match selector {
        Selector::Topic(topic) => each(topic.as_str()),
        Selector::Patterns(patterns) => patterns.iter().map(Pattern::as_str).for_each(each),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selector() -> impl Strategy<Value = Selector> {
        let token = prop_oneof![Just("a"), Just("b"), Just("*")];
        let pattern = (prop::collection::vec(token, 1..4), any::<bool>()).prop_map(|(tokens, deep)| {
            let text = tokens.join(".") + if deep { ".**" } else { "" };
            Pattern::parse(&text).unwrap()
        });
        prop::collection::vec(pattern, 1..4).prop_map(Selector::of)
    }

    fn topic() -> impl Strategy<Value = Topic> {
        prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..6)
            .prop_map(|tokens| Topic::parse(&tokens.join(".")).unwrap())
    }

    proptest! {
        #[test]
        fn it_finds_whom_a_look_at_every_selector_finds(
            selectors in prop::collection::vec(selector(), 0..12),
            gone in prop::collection::vec(any::<bool>(), 12),
            topics in prop::collection::vec(topic(), 1..8),
        ) {
            let mut matcher = Matcher::default();
            for (id, selector) in selectors.iter().enumerate() {
                matcher.insert(selector, id);
            }
            for (id, selector) in selectors.iter().enumerate().filter(|&(id, _)| gone[id]) {
                matcher.remove(selector, id);
            }
            let mut found = Vec::new();
            for topic in &topics {
                let there = |&(id, selector): &(usize, &Selector)| !gone[id] && selector.matches(topic);
                let want: Vec<usize> = selectors.iter().enumerate().filter(there).map(|(id, _)| id).collect();
                found.clear();
                matcher.matches(topic, &mut found);
                prop_assert_eq!(&found, &want, "{}", topic);
            }
            for (id, selector) in selectors.iter().enumerate().filter(|&(id, _)| !gone[id]) {
                matcher.remove(selector, id);
            }
            prop_assert!(matcher.is_empty());
        }
    }

    #[test]
    fn what_was_found_before_is_left_alone() {
        let mut matcher = Matcher::default();
        matcher
            .insert(&Selector::of(vec![Pattern::parse("a.*").unwrap(), Pattern::parse("a.**").unwrap()]), 7);
        let mut found = vec![7];
        matcher.matches(&Topic::parse("a.b").unwrap(), &mut found);
        assert_eq!(found, [7, 7]);
    }
}
