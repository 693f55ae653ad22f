//! Which topics any of some patterns match, each judged in one pass over its tokens, however many patterns there are.
//!
//! A bit stands for a pattern, and a word of bits for 64 of them. For each token's place it is known which patterns have
//! that name there, which have `*`, and which `**`; going along the topic, the patterns that are still in are those that
//! were and whose token fits. So a topic costs a look-up for each of its tokens and each word, and no subscriber can make it
//! cost more by the patterns it chooses. A trie was rejected here: patterns that overlap make a topic take many ways
//! through it.

use crate::event::{Pattern, Topic};

/// Patterns in a word.
const WORD: usize = u64::BITS as usize;

/// Patterns of one selector, for as long as they are looked for.
#[derive(Debug)]
pub(in crate::log) struct AnyOf {
    /// Those that are topics' names: they are looked up, not looked for.
    names: Box<[Topic]>,
    words: Box<[Word]>,
    /// What every topic begins with that the others match: none begins with another, in the order of names.
    prefixes: Box<[Box<str>]>,
    looks: usize,
}

/// Up to 64 patterns, by their tokens' places.
#[derive(Debug, Default)]
struct Word {
    places: Vec<Place>,
}

/// What patterns have at one place.
#[derive(Debug, Default)]
struct Place {
    /// Those with a name there, by that name.
    named: Vec<(Box<str>, u64)>,
    /// Those with `*`.
    any: u64,
    /// Those with `**`.
    rest: u64,
    /// Those that end behind it.
    end: u64,
}

impl AnyOf {
    pub(in crate::log) fn new(patterns: &[Pattern]) -> Self {
        let mut names: Vec<_> = patterns.iter().filter_map(Pattern::as_topic).collect();
        names.sort_unstable();
        // The server's own names are neither: nothing is published there.
        let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).filter(|p| p.contains('*')).collect();
        let words = patterns.chunks(WORD).map(Word::new).collect();
        let mut prefixes: Vec<Box<str>> = patterns.iter().map(|p| literal_prefix(p).into()).collect();
        prefixes.sort_unstable();
        // In this order whatever begins with another comes behind it, with only its like in between.
        prefixes.dedup_by(|later, kept| later.starts_with(&**kept));
        Self { names: names.into(), words, prefixes: prefixes.into(), looks: 0 }
    }

    /// Those that are topics' names, each once.
    pub(super) fn names(&self) -> &[Topic] {
        &self.names
    }

    /// What the names of all topics begin with that the other patterns match. No topic's begins with two of them.
    pub(super) fn prefixes(&self) -> &[Box<str>] {
        &self.prefixes
    }

    /// Whether any of the patterns matches.
    pub(super) fn matches(&mut self, topic: &Topic) -> bool {
        self.looks += 1;
        if self.names.binary_search(topic).is_ok() {
            return true;
        }
        let Self { words, looks, .. } = self;
        words.iter().any(|word| word.matches(topic.as_str(), looks))
    }

    /// What it has cost so far: the topics looked at, and for each of them the tokens that were looked up.
    pub(in crate::log) fn looks(&self) -> usize {
        self.looks
    }

    /// Other looks at topics that belong to the same search.
    pub(super) fn looked(&mut self, topics: usize) {
        self.looks += topics;
    }
}

impl Word {
    fn new(patterns: &[&str]) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let bit = 1 << index;
            let mut last = 0;
            for (at, token) in pattern.split('.').enumerate() {
                if places.len() == at {
                    places.push(Place::default());
                }
                let place = &mut places[at];
                match token {
                    "*" => place.any |= bit,
                    "**" => place.rest |= bit,
                    name => place.add(name, bit),
                }
                last = at;
            }
            places[last].end |= bit;
        }
        for place in &mut places {
            place.named.sort_unstable();
        }
        Self { places }
    }

    fn matches(&self, topic: &str, looks: &mut usize) -> bool {
        let (mut within, mut ended) = (u64::MAX, 0);
        let mut places = self.places.iter();
        for token in topic.split('.') {
            let Some(place) = places.next() else { return false };
            *looks += 1;
            if within & place.rest != 0 {
                return true;
            }
            let named = place.named.binary_search_by(|(name, _)| (**name).cmp(token));
            within &= place.any | named.map_or(0, |index| place.named[index].1);
            if within == 0 {
                return false;
            }
            ended = place.end;
        }
        within & ended != 0
    }
}

impl Place {
    fn add(&mut self, name: &str, bit: u64) {
        match self.named.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, bits)) => *bits |= bit,
            None => self.named.push((name.into(), bit)),
        }
    }
}

/// What every topic that the pattern matches begins with.
fn literal_prefix(pattern: &str) -> &str {
    pattern.split_once('*').map_or(pattern, |(prefix, _)| prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_of(texts: &[String]) -> (Vec<Pattern>, AnyOf) {
        let mut patterns: Vec<_> = texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        patterns.sort_unstable();
        let any = AnyOf::new(&patterns);
        (patterns, any)
    }

    proptest! {
        #[test]
        fn it_matches_what_one_of_them_matches_and_knows_where_to_look(
            texts in prop::collection::vec("([abc*]\\.){0,3}([abc]|\\*|\\*\\*)", 0..90),
            topic in "([abcd]\\.){0,4}[abcd]",
        ) {
            let (patterns, mut any) = any_of(&texts);
            let topic = Topic::parse(&topic).unwrap();
            let want = patterns.iter().any(|p| p.matches(&topic));
            prop_assert_eq!(any.matches(&topic), want);
            let under = any.prefixes().iter().filter(|p| topic.as_str().starts_with(&***p)).count();
            let there = under + usize::from(any.names().contains(&topic));
            prop_assert!(under <= 1 && (!want || there >= 1), "{:?}", any.prefixes());
        }
    }

    #[test]
    fn a_topic_costs_its_tokens_whatever_the_patterns_are() {
        let of = |bits: u32| {
            let tokens = (0..6).map(|i| if bits >> i & 1 == 0 { "a" } else { "*" });
            tokens.chain(["*"; 9]).chain(["z"]).collect::<Vec<_>>().join(".")
        };
        // In a trie each of these is a way of its own through all of the topic.
        let (_, mut any) = any_of(&(0..64).map(of).collect::<Vec<_>>());
        assert!(!any.matches(&Topic::parse(&["a"; 16].join(".")).unwrap()));
        assert_eq!(any.looks(), 17);
    }
}
