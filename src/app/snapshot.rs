//! The one configuration snapshot: swapped as a whole, seen in parts.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Config;
use crate::edge::RuleOf;
use crate::event::{Pattern, Selector};
use crate::live::Live;

/// The label of a topic that no rule matches.
const NO_RULE: &str = "default";

/// Holds the current snapshot.
pub(super) struct Snapshots(Arc<ArcSwap<Config>>);

impl Snapshots {
    pub(super) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self(Arc::new(ArcSwap::from_pointee(config))))
    }

    /// The snapshot now.
    pub(super) fn current(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// Replaces the snapshot. Whoever holds the old one finishes with it.
    pub(super) fn swap(&self, config: Config) {
        self.0.store(Arc::new(config));
    }

    /// A part's view of whatever snapshot is current.
    pub(super) fn view<T: Send + Sync + 'static>(&self, part: fn(&Config) -> &T) -> Live<T> {
        Live::new(arc_swap::access::Map::new(Arc::clone(&self.0), part))
    }

    /// Names the first topic rule that matches; of several topics the first that covers them all.
    pub(super) fn rule_of(&self) -> RuleOf {
        let snapshots = Arc::clone(&self.0);
        Arc::new(move |selector: &Selector| {
            let config = snapshots.load();
            let covers = |pattern: &Pattern| match selector {
                Selector::Topic(topic) => pattern.matches(topic),
                Selector::Patterns(all) => all.iter().all(|one| pattern.covers(one)),
            };
            let rule = config.topics.iter().find(|rule| covers(&rule.pattern));
            rule.map_or(NO_RULE, |rule| &rule.name).into()
        })
    }
}
