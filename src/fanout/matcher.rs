//! Which of many patterns match a topic, at the cost of those that share its beginning rather than of all.
//!
//! A trie by tokens. Each node says who ends there: by the token's name, by `*`, or by `**`, which takes whatever follows.
//! Looking a topic up follows at most two branches for each of its tokens, and only those that exist.
//!
//! Invariant: a node without patterns and without branches is removed at once, so that the trie is as large as what is in it.
//! Nearly all nodes have one branch and nobody or one who asks, so that is what is small: such a node takes about a hundred
//! bytes, where a map in each of them took over five hundred.

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
    named: Named<Id>,
    /// Behind `*`.
    any: Option<Box<Node<Id>>>,
    /// Those whose pattern ends here.
    here: Ids<Id>,
    /// Those whose pattern ends in `**` behind this.
    rest: Ids<Id>,
}

/// Nodes behind a token's name.
#[derive(Debug)]
enum Named<Id> {
    /// At most [`FEW`], in any order, with room for no more.
    Few(Vec<(Box<str>, Node<Id>)>),
    #[expect(clippy::box_collection, reason = "a map itself would make every node half as large again")]
    Many(Box<HashMap<Box<str>, Node<Id>>>),
}

/// Names that are compared one after the other. More are hashed.
const FEW: usize = 8;

/// Those who asked for something.
#[derive(Debug)]
enum Ids<Id> {
    None,
    One(Id),
    /// Two or more. In a box, since hardly any node has them, and each would be larger for it.
    #[expect(clippy::box_collection, reason = "a pointer is all that a node has room for")]
    Many(Box<Vec<Id>>),
}

impl<Id> Default for Node<Id> {
    fn default() -> Self {
        Self { named: Named::Few(Vec::new()), any: None, here: Ids::None, rest: Ids::None }
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
                    name => node.named.or_default(name),
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
        let Some(rest) = rest else { return self.here.as_slice().iter().copied().for_each(each) };
        // `**` is one token or more, and there is one.
        self.rest.as_slice().iter().copied().for_each(&mut *each);
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
            None => self.here.remove(id),
            Some("**") => self.rest.remove(id),
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

impl<Id> Named<Id> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    fn get(&self, name: &str) -> Option<&Node<Id>> {
        match self {
            Self::Few(few) => few.iter().find(|(known, _)| **known == *name).map(|(_, node)| node),
            Self::Many(many) => many.get(name),
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Node<Id>> {
        match self {
            Self::Few(few) => few.iter_mut().find(|(known, _)| **known == *name).map(|(_, node)| node),
            Self::Many(many) => many.get_mut(name),
        }
    }

    /// The node behind this name; it is made when there is none.
    fn or_default(&mut self, name: &str) -> &mut Node<Id> {
        if let Self::Few(few) = self
            && few.len() == FEW
            && !few.iter().any(|(known, _)| **known == *name)
        {
            *self = Self::Many(Box::new(few.drain(..).collect()));
        }
        match self {
            Self::Few(few) => {
                let index = few.iter().position(|(known, _)| **known == *name).unwrap_or_else(|| {
                    few.reserve_exact(1);
                    few.push((name.into(), Node::default()));
                    few.len() - 1
                });
                &mut few[index].1
            }
            Self::Many(many) => many.entry(name.into()).or_default(),
        }
    }

    fn remove(&mut self, name: &str) {
        match self {
            Self::Few(few) => {
                few.retain(|(known, _)| **known != *name);
                few.shrink_to_fit();
            }
            Self::Many(many) => {
                many.remove(name);
                // Not at once when there are few again: who comes and goes would have it made anew each time.
                if many.len() <= FEW / 2 {
                    *self = Self::Few(many.drain().collect());
                }
            }
        }
    }
}

impl<Id: Copy + PartialEq> Ids<Id> {
    fn as_slice(&self) -> &[Id] {
        match self {
            Self::None => &[],
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    fn push(&mut self, id: Id) {
        match self {
            Self::None => *self = Self::One(id),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, id])),
            Self::Many(ids) => ids.push(id),
        }
    }

    /// Takes out one that asked, once.
    fn remove(&mut self, id: Id) {
        match self {
            Self::One(one) if *one == id => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(ids) => {
                if let Some(index) = ids.iter().position(|&known| known == id) {
                    ids.swap_remove(index);
                }
                if let [one] = ids[..] {
                    *self = Self::One(one);
                }
            }
        }
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
    use crate::fanout::limits::PATTERN_TOKEN_BYTES;

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

    impl Node<u32> {
        /// Bytes that it has allocated, without what an allocator adds.
        fn allocated(&self) -> usize {
            let ids = |ids: &Ids<u32>| match ids {
                Ids::Many(many) => size_of::<Vec<u32>>() + many.capacity() * size_of::<u32>(),
                Ids::None | Ids::One(_) => 0,
            };
            let entry = size_of::<(Box<str>, Self)>();
            let (nodes, table): (Vec<_>, _) = match &self.named {
                Named::Few(few) => {
                    (few.iter().map(|(name, node)| (name, node)).collect(), few.capacity() * entry)
                }
                // A slot and a byte for each, and an eighth of the slots stay empty.
                Named::Many(many) => (many.iter().collect(), many.capacity() * 8 / 7 * (entry + 1)),
            };
            let nodes = nodes.into_iter().map(|(name, node)| name.len() + node.allocated()).sum::<usize>();
            let any = self.any.as_ref().map_or(0, |node| size_of::<Self>() + node.allocated());
            nodes + table + any + ids(&self.here) + ids(&self.rest)
        }
    }

    /// Distinct patterns, and what each may take: at worst as much as a limit on their number reckons with.
    #[test]
    fn ten_thousand_patterns_take_so_much_and_no_more() {
        const COUNT: u32 = 10_000;
        type Shape = fn(u32) -> String;
        assert!(size_of::<Node<u32>>() <= 64);
        let shapes: [(Shape, usize); 4] = [
            // As they mostly are: a tenant's, with what follows.
            (|n| format!("tenants.{n}.orders.*"), 350),
            (|n| format!("tenants.{n}.**"), 200),
            // None begins like another, with four names and one at the end of which it branches.
            (|n| format!("{n}.a.b.c.*"), 550),
            // In all of their sixteen tokens.
            (|n| format!("{n}.a.b.c.d.e.f.g.h.i.j.k.l.m.n.*"), 16 * PATTERN_TOKEN_BYTES),
        ];
        for (shape, most) in shapes {
            let mut matcher = Matcher::default();
            let selector = |n| Selector::of(vec![Pattern::parse(&shape(n)).unwrap()]);
            (0..COUNT).for_each(|n| matcher.insert(&selector(n), n));
            let each = matcher.root.allocated() / COUNT as usize;
            assert!(each <= most, "{each} bytes for each of {}", shape(0));
            (0..COUNT).for_each(|n| matcher.remove(&selector(n), n));
            assert!(matcher.is_empty() && matcher.root.allocated() == 0);
        }
    }

    #[test]
    fn names_are_found_and_forgotten_whether_there_are_few_or_many() {
        let mut matcher = Matcher::default();
        let selector = |n: usize| Selector::of(vec![Pattern::parse(&format!("a.{n}.*")).unwrap()]);
        let matches = |matcher: &Matcher<usize>, n: usize| {
            let mut found = Vec::new();
            matcher.matches(&Topic::parse(&format!("a.{n}.x")).unwrap(), &mut found);
            found
        };
        for round in 0..3 {
            for count in 0..3 * FEW {
                assert!(matches(&matcher, count).is_empty(), "{round}");
                matcher.insert(&selector(count), count);
                (0..=count).for_each(|n| assert_eq!(matches(&matcher, n), [n]));
            }
            for count in (0..3 * FEW).rev() {
                matcher.remove(&selector(count), count);
                assert!(matches(&matcher, count).is_empty());
                (0..count).for_each(|n| assert_eq!(matches(&matcher, n), [n]));
            }
            assert!(matcher.is_empty());
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
