//! `topics`: rules by pattern.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::{Access, Rules};
use crate::config::check::Check;
use crate::config::marks::item;
use crate::config::written::{RuleMatch, RuleName, Text};
use crate::event::Pattern;
use crate::log::TopicLimits;

use super::auth::Has;
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
    /// Who may listen to such a topic. Without it: everybody, or with a section `auth`, whoever has a token that grants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<RawAccess>,
    /// What such a topic keeps, where it differs from `history`.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<history::Override>,
}

/// `access` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawAccess {
    /// Everybody may.
    Public,
    /// Whoever has a token that grants it.
    Jwt,
    /// Whoever the app says.
    Forward,
    /// Nobody may.
    Deny,
}

impl RawAccess {
    fn built(self) -> Access {
        match self {
            Self::Public => Access::Public,
            Self::Jwt => Access::Jwt,
            Self::Forward => Access::Forward,
            Self::Deny => Access::Deny,
        }
    }
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
    let mut patterns: Vec<(usize, &Pattern)> = Vec::new();
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
            let covers = |(_, earlier): &&(usize, &Pattern)| earlier.covers(pattern);
            if let Some((first, earlier)) = patterns.iter().find(covers) {
                let what = if *earlier == pattern { "the same" } else { "all of it" };
                let message = format!("never reached: topics[{first}] matches {what} and comes first");
                check.warn(&[&format!("{path}.match")], message);
            }
            patterns.push((index, pattern));
        }
        // Where one is missing it has been reported, and what is built is not used.
        if let (Some(Text(RuleName(name))), Some(Text(RuleMatch(pattern)))) = (&rule.name, &rule.r#match) {
            built.push((TopicRule { name: name.clone(), pattern: pattern.clone() }, limits));
        }
    }
    built
}

/// Who may listen to what. A rule that does not say applies as the first all the same, with what applies elsewhere.
pub(super) fn access(rules: &[Raw], default: Access, check: &mut Check<'_>, has: Has) -> Rules {
    let mut built = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let key = format!("{}.access", item("topics", index));
        match rule.access {
            Some(RawAccess::Jwt) if !has.jwt => {
                let message = "nothing says which tokens are good; expected auth.jwt as well";
                check.refuse_together(&[&key, "auth.jwt"], message);
            }
            Some(RawAccess::Forward) if !has.forward => {
                let message = "nothing says where the app is asked; expected auth.forward as well";
                check.refuse_together(&[&key, "auth.forward"], message);
            }
            None if default == Access::Public => warn_if_open(rules, index, check),
            _ => {}
        }
        if let Some(Text(RuleMatch(pattern))) = &rule.r#match {
            built.push((pattern.clone(), rule.access.map_or(default, RawAccess::built)));
        }
    }
    Rules::new(built, default)
}

/// A rule that is there for its history alone opens what a later one means to close: the first that matches applies.
fn warn_if_open(rules: &[Raw], index: usize, check: &mut Check<'_>) {
    let Some(Text(RuleMatch(pattern))) = &rules[index].r#match else { return };
    let closes = |(_, later): &(usize, &Raw)| {
        let meets = later.r#match.as_ref().is_some_and(|Text(RuleMatch(other))| other.intersects(pattern));
        meets && later.access.is_some_and(|access| access != RawAccess::Public)
    };
    if let Some((later, _)) = rules.iter().enumerate().skip(index + 1).find(closes) {
        let path = item("topics", index);
        let message = format!(
            "everybody may listen to what it matches, though topics[{later}] says otherwise of some: the first that \
             matches applies; expected access here too"
        );
        check.warn(&[&path], message);
    }
}
