//! A selector: which topics a subscription listens to.

use std::fmt;
use std::sync::Arc;

use super::{Pattern, Topic};

/// The topics of one subscription. Equal selectors may share a group. Cloning shares the content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One topic by name: the common case, looked up rather than matched.
    Topic(Topic),
    /// Everything that at least one of these matches. Sorted, each once: [`Selector::of`] makes it so.
    Patterns(Arc<[Pattern]>),
}

impl Selector {
    /// The selector of these patterns, of which there must be one. The order they are named in does not matter, so that
    /// subscriptions to the same topics share a group.
    #[must_use]
    pub fn of(mut patterns: Vec<Pattern>) -> Self {
        debug_assert!(!patterns.is_empty(), "a subscription names a topic");
        patterns.sort_unstable();
        patterns.dedup();
        match patterns.as_slice() {
            [one] => one.as_topic().map_or_else(|| Self::Patterns(patterns.into()), Self::Topic),
            _ => Self::Patterns(patterns.into()),
        }
    }

    /// Whether the topics that it matches must be looked for: it has a pattern with a wildcard. Those that are only named,
    /// however many, are looked up.
    #[must_use]
    pub fn is_looked_for(&self) -> bool {
        match self {
            Self::Topic(_) => false,
            Self::Patterns(patterns) => patterns.iter().any(|p| p.as_str().contains('*')),
        }
    }

    /// Its topics by name that none of its own patterns matches, and its patterns, each a selector of its own: what it matches
    /// is matched by exactly one of them.
    #[must_use]
    pub fn parts(&self) -> (Vec<Topic>, Option<Self>) {
        let patterns = match self {
            Self::Topic(topic) => return (vec![topic.clone()], None),
            Self::Patterns(patterns) => patterns,
        };
        let (wild, named): (Vec<Pattern>, Vec<Pattern>) =
            patterns.iter().cloned().partition(|p| p.as_str().contains('*'));
        let names = named.iter().filter_map(Pattern::as_topic);
        let lone = names.filter(|topic| !wild.iter().any(|pattern| pattern.matches(topic))).collect();
        (lone, (!wild.is_empty()).then(|| Self::Patterns(wild.into())))
    }

    /// Whether it names `topic`, whatever its patterns match.
    #[must_use]
    pub fn names(&self, topic: &Topic) -> bool {
        match self {
            Self::Topic(one) => one == topic,
            Self::Patterns(patterns) => {
                patterns.binary_search_by(|pattern| pattern.as_str().cmp(topic.as_str())).is_ok()
            }
        }
    }

    /// Whether an event of `topic` belongs to the subscription.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::Topic(one) => one == topic,
            Self::Patterns(patterns) => patterns.iter().any(|p| p.matches(topic)),
        }
    }
}

impl fmt::Display for Selector {
    /// Its names and patterns, separated by commas, which no name holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => topic.fmt(f),
            Self::Patterns(patterns) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    pattern.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_topics_make_the_same_selector() {
        let of = |texts: &[&str]| Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect());
        assert_eq!(of(&["b", "a.*", "b"]), of(&["a.*", "b"]));
        assert_eq!(of(&["a", "a"]), Selector::Topic(Topic::parse("a").unwrap()));
        assert!(matches!(of(&["a.*"]), Selector::Patterns(_)));
        assert!(of(&["a", "b.*"]).is_looked_for());
        assert!(!of(&["a", "b"]).is_looked_for() && !of(&["a"]).is_looked_for());
    }

    #[test]
    fn what_is_named_and_not_matched_anyway_is_apart() {
        let of = |texts: &[&str]| Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect());
        let topic = |text| Topic::parse(text).unwrap();
        let selector = of(&["a.b", "c", "a.*", "a.b.c", "d"]);
        assert_eq!(selector.parts(), (["a.b.c", "c", "d"].map(topic).into(), Some(of(&["a.*"]))));
        assert_eq!(of(&["a", "b"]).parts(), (["a", "b"].map(topic).into(), None));
        assert_eq!(of(&["a"]).parts(), ([topic("a")].into(), None));
        assert!(selector.names(&topic("a.b")) && !selector.names(&topic("a.c")));
        assert_eq!(of(&["b", "a.*"]).to_string(), "a.*,b");
    }
}
