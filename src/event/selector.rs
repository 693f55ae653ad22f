//! A selector: which topics a subscription listens to.

use std::sync::Arc;

use super::{Pattern, Topic};

/// The topics of one subscription. Equal selectors may share a group. Cloning shares the content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One topic by name: the common case, looked up rather than matched.
    Topic(Topic),
    /// Everything that at least one of these matches.
    Patterns(Arc<[Pattern]>),
}

impl Selector {
    /// Whether an event of `topic` belongs to the subscription.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::Topic(one) => one == topic,
            Self::Patterns(patterns) => patterns.iter().any(|p| p.matches(topic)),
        }
    }
}
