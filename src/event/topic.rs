//! A topic: where an event is published, and what a subscriber names.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::limits::{TOPIC_BYTES, TOPIC_TOKENS};
use super::name::{NameError, RESERVED_PREFIX};

/// A valid topic name: 1 to 16 tokens separated by `.`, 256 bytes in all. Cloning shares the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Reads a topic's name. Percent-decoding is the caller's, once, before this.
    ///
    /// # Errors
    /// Says what a name may hold.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text, |token| if token.contains('*') { Err(NameError::Wildcard) } else { check_token(token) })?;
        if text.starts_with(RESERVED_PREFIX) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The topic's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Checks length and number of tokens, and each token with `token`.
pub(super) fn check(
    text: &str,
    mut token: impl FnMut(&str) -> Result<(), NameError>,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > TOPIC_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    let mut count = 0;
    for part in text.split('.') {
        count += 1;
        token(part)?;
    }
    if count > TOPIC_TOKENS {
        return Err(NameError::TooManyTokens(count));
    }
    Ok(())
}

/// One token: one or more of the allowed characters and `~XX` escapes.
pub(super) fn check_token(token: &str) -> Result<(), NameError> {
    if token.is_empty() {
        return Err(NameError::EmptyToken);
    }
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' | ':' | '@' => {}
            '~' => {
                let hex = |c: Option<char>| matches!(c, Some('0'..='9' | 'A'..='F'));
                if !(hex(chars.next()) && hex(chars.next())) {
                    return Err(NameError::Escape);
                }
            }
            other => return Err(NameError::Character(other)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_by_table() {
        let long = "a".repeat(TOPIC_BYTES + 1);
        let deep = vec!["a"; TOPIC_TOKENS + 1].join(".");
        let cases: [(&str, Result<(), NameError>); 17] = [
            ("orders", Ok(())),
            ("users.42.inbox", Ok(())),
            ("a_b-c:d@e.F0", Ok(())),
            ("caf~C3~A9", Ok(())),
            ("", Err(NameError::Empty)),
            (".", Err(NameError::EmptyToken)),
            ("a..b", Err(NameError::EmptyToken)),
            ("a.", Err(NameError::EmptyToken)),
            ("a b", Err(NameError::Character(' '))),
            ("a/b", Err(NameError::Character('/'))),
            ("a%2Eb", Err(NameError::Character('%'))),
            ("é", Err(NameError::Character('é'))),
            ("a~c3", Err(NameError::Escape)),
            ("a~C", Err(NameError::Escape)),
            ("orders.*", Err(NameError::Wildcard)),
            (&long, Err(NameError::TooLong(257))),
            (&deep, Err(NameError::TooManyTokens(17))),
        ];
        for (text, want) in cases {
            assert_eq!(Topic::parse(text).map(|_| ()), want, "{text:?}");
        }
        assert_eq!(Topic::parse("sidestream.revoked"), Err(NameError::Reserved));
        assert!(Topic::parse("sidestreams").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in ".{0,300}") {
            if let Ok(topic) = Topic::parse(&text) {
                prop_assert_eq!(topic.as_str(), text);
            }
        }
    }
}
