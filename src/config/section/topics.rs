//! `topics`: rules by pattern.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::marks::item;
use crate::config::written::{RuleMatch, RuleName, Text};
use crate::event::Pattern;
use crate::log::TopicLimits;

use super::history;

/// A rule for the topics that match its pattern.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Raw {
    /// The rule's name, which labels metrics.
    #[schemars(required)]
    name: Option<Text<RuleName>>,
    /// The topics it is for: a name or a pattern. `*` is one token, `**` (last only) one or more.
    #[schemars(required)]
    r#match: Option<Text<RuleMatch>>,
    /// What such a topic keeps, where it differs from `history`.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<history::Override>,
}

/// A rule for topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// Its name, unique, safe as a metric's label.
    pub name: String,
    /// The topics it is for.
    pub pattern: Pattern,
}

/// The rules in order, with the limits of those that set some.
pub(super) fn build(
    rules: &[Raw],
    history: &history::Raw,
    check: &mut Check<'_>,
) -> Vec<(TopicRule, Option<TopicLimits>)> {
    let mut names = HashMap::new();
    let mut patterns = HashMap::new();
    let mut built = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = item("topics", index);
        let limits = rule.history.as_ref().map(|limits| limits.build(history, &path, check));
        if let Some(Text(RuleName(name))) = &rule.name {
            let first = *names.entry(name).or_insert(index);
            if first != index {
                let message = format!("{name} is the name of topics[{first}] too; expected another");
                check.refuse(&format!("{path}.name"), message);
            }
        }
        if let Some(Text(RuleMatch(pattern))) = &rule.r#match {
            let first = *patterns.entry(pattern).or_insert(index);
            if first != index {
                let message = format!("never reached: topics[{first}] matches the same and comes first");
                check.warn(&[&format!("{path}.match")], message);
            }
        }
        // Where one is missing it has been reported, and what is built is not used.
        if let (Some(Text(RuleName(name))), Some(Text(RuleMatch(pattern)))) = (&rule.name, &rule.r#match) {
            built.push((TopicRule { name: name.clone(), pattern: pattern.clone() }, limits));
        }
    }
    built
}
