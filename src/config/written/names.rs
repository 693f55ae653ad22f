//! A topic rule's name and pattern.

use std::fmt;

use crate::event::Pattern;

use super::{Misread, Written};

/// Bytes of a rule's name. It labels metrics and is repeated in every scrape.
const RULE_NAME_BYTES: usize = 64;

/// What topics without a rule are counted under.
const NO_RULE: &str = "default";

/// A rule's name: a word that is safe as a metric's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleName(pub String);

impl Written for RuleName {
    const FORMAT: &'static str = "sidestream-rule-name";
    const EXPECTED: &'static str = "a name of 1 to 64 of A-Z a-z 0-9 _ - and .";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9_.-]{1,64}$");

    fn read(text: &str) -> Result<Self, Misread> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if text == NO_RULE {
            return Err(Misread::Because(
                "expected another name: topics without a rule are counted as default".into(),
            ));
        }
        let good = (1..=RULE_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(Misread::Form) }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The topics a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleMatch(pub Pattern);

impl Written for RuleMatch {
    const FORMAT: &'static str = "sidestream-pattern";
    const EXPECTED: &'static str =
        "a topic or a pattern such as orders, \"orders.*\" or \"users.42.**\" (in quotes)";

    fn read(text: &str) -> Result<Self, Misread> {
        Pattern::parse(text)
            .map(Self)
            .map_err(|error| Misread::Because(format!("no pattern: {error}").into()))
    }
}

impl fmt::Display for RuleMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        assert!(RuleName::read("orders_v2.eu-1").is_ok());
        for text in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            assert_eq!(RuleName::read(text), Err(Misread::Form), "{text:?}");
        }
        assert!(RuleMatch::read("orders.**").is_ok());
        assert!(matches!(RuleName::read("default"), Err(Misread::Because(_))));
        let why = RuleMatch::read("orders.**.x").unwrap_err();
        assert_eq!(why, Misread::Because("no pattern: * must be a whole token, and ** the last one".into()));
    }
}
