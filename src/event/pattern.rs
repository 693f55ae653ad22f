//! A pattern: a topic's name in which `*` is exactly one token and `**`, last only, is one or more.

use std::fmt;
use std::sync::Arc;

use super::name::NameError;
use super::topic::{Topic, check, check_token};

/// A valid pattern. A topic's name is a pattern that matches itself alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// As for a topic, and for `*` that is not a whole token or `**` that is not the last.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut ended = false;
        check(text, |token| {
            if ended {
                return Err(NameError::MisplacedWildcard);
            }
            match token {
                "*" => Ok(()),
                "**" => {
                    ended = true;
                    Ok(())
                }
                other if other.contains('*') => Err(NameError::MisplacedWildcard),
                other => check_token(other),
            }
        })?;
        Ok(Self(text.into()))
    }

    /// Whether `topic` is one of those this pattern stands for.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut names = topic.as_str().split('.');
        for token in self.0.split('.') {
            match (token, names.next()) {
                ("**", Some(_)) => return true,
                ("*", Some(_)) => {}
                (literal, Some(name)) if literal == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// Whether every topic that `other` stands for is one of this pattern's too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut theirs = other.0.split('.');
        for token in self.0.split('.') {
            match (token, theirs.next()) {
                ("**", Some(_)) => return true,
                ("*", Some(their)) if their != "**" => {}
                (ours, Some(their)) if ours == their => {}
                _ => return false,
            }
        }
        theirs.next().is_none()
    }

    /// Whether some topic that `other` stands for is one of this pattern's too. True as well where the only such topics would
    /// be longer than a topic may be: whoever asks must be content with being told of too many.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some("**"), Some(_)) | (Some(_), Some("**")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(our), Some(their)) if our == their => {}
                _ => return false,
            }
        }
    }

    /// The one topic it stands for, when it holds no wildcard.
    #[must_use]
    pub fn as_topic(&self) -> Option<Topic> {
        // A name of the server's own is a pattern that nothing published ever matches, and no topic.
        if self.0.contains('*') { None } else { Topic::parse(&self.0).ok() }
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Topic> for Pattern {
    fn from(topic: &Topic) -> Self {
        Self(topic.as_str().into())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn star_is_one_token_and_double_star_is_the_rest() {
        let cases = [
            ("orders", "orders", true),
            ("orders", "orders.1", false),
            ("orders.*", "orders.1", true),
            ("orders.*", "orders", false),
            ("orders.*", "orders.1.2", false),
            ("orders.**", "orders.1.2", true),
            ("orders.**", "orders", false),
            ("*.created", "orders.created", true),
            ("*.created", "orders.deleted", false),
            ("**", "a.b.c", true),
        ];
        for (pattern, topic, want) in cases {
            let matched = Pattern::parse(pattern).unwrap().matches(&Topic::parse(topic).unwrap());
            assert_eq!(matched, want, "{pattern} on {topic}");
        }
    }

    #[test]
    fn covering_by_table() {
        let cases = [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "*", false),
            ("*", "a", true),
            ("*", "*", true),
            ("*", "**", false),
            ("*", "a.b", false),
            ("**", "**", true),
            ("**", "a.*.b", true),
            ("a.*", "a.**", false),
            ("a.**", "a.**", true),
            ("a.**", "a.*.c", true),
            ("a.**", "a", false),
            ("a.**", "**", false),
            ("*.b", "a.b", true),
            ("*.b", "*.*", false),
        ];
        for (pattern, other, want) in cases {
            let covers = Pattern::parse(pattern).unwrap().covers(&Pattern::parse(other).unwrap());
            assert_eq!(covers, want, "{pattern} over {other}");
        }
    }

    #[test]
    fn intersecting_by_table() {
        let cases = [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "*", true),
            ("a", "**", true),
            ("a", "a.b", false),
            ("a.*", "*.b", true),
            ("a.*", "b.*", false),
            ("a.**", "a", false),
            ("a.**", "*.b.c", true),
            ("a.**", "**", true),
            ("a.*", "a.b.**", false),
            ("*.*", "*", false),
            ("*.b.**", "a.*.c", true),
            ("a.b.**", "a.*", false),
        ];
        for (pattern, other, want) in cases {
            let (pattern, other) = (Pattern::parse(pattern).unwrap(), Pattern::parse(other).unwrap());
            assert_eq!(pattern.intersects(&other), want, "{pattern} and {other}");
            assert_eq!(other.intersects(&pattern), want, "{other} and {pattern}");
        }
    }

    /// Names of up to four tokens of three letters.
    fn names() -> Vec<Topic> {
        let letters = ["a", "b", "c"];
        let mut names: Vec<String> = letters.map(str::to_owned).into();
        for length in 1..4 {
            let longer = names.iter().filter(|t| t.split('.').count() == length);
            let longer: Vec<_> = longer.flat_map(|t| letters.map(|l| format!("{t}.{l}"))).collect();
            names.extend(longer);
        }
        names.iter().map(|t| Topic::parse(t).unwrap()).collect()
    }

    proptest! {
        /// Covering is about all topics at once: with three tokens of two letters every one of them is tried.
        #[test]
        fn covering_is_matching_all_that_is_matched(ours in "([ab*]\\.){0,2}([ab]|\\*|\\*\\*)", theirs in "([ab*]\\.){0,2}([ab]|\\*|\\*\\*)") {
            let (ours, theirs) = (Pattern::parse(&ours).unwrap(), Pattern::parse(&theirs).unwrap());
            let all = names().iter().filter(|t| theirs.matches(t)).all(|t| ours.matches(t));
            prop_assert_eq!(ours.covers(&theirs), all);
        }

        /// Meeting is about any topic at all.
        #[test]
        fn intersecting_is_matching_some_that_is_matched(ours in "([ab*]\\.){0,2}([ab]|\\*|\\*\\*)", theirs in "([ab*]\\.){0,2}([ab]|\\*|\\*\\*)") {
            let (ours, theirs) = (Pattern::parse(&ours).unwrap(), Pattern::parse(&theirs).unwrap());
            let any = names().iter().any(|t| theirs.matches(t) && ours.matches(t));
            prop_assert_eq!(ours.intersects(&theirs), any);
            prop_assert!(!ours.covers(&theirs) || any);
        }
    }

    #[test]
    fn a_misplaced_star_is_refused() {
        for text in ["a*", "**.a", "a.**.b", "***", "a.b*"] {
            assert_eq!(Pattern::parse(text).unwrap_err(), NameError::MisplacedWildcard, "{text}");
        }
        assert_eq!(Pattern::parse("a..*").unwrap_err(), NameError::EmptyToken);
    }
}
