//! `sources`: who may send webhooks, and what becomes of them.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::marks::item;
use crate::config::written::{SourceName, SourcePath, Text};
use crate::event::Topic;
use crate::ingress::{Source, Sources, TopicRule};
use crate::verify::Scheme;

/// Sources at most. Each has a dozen series of metrics and limits of its own.
const SOURCES: usize = 256;

/// A kind of sender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Raw {
    /// The source's name, which labels metrics.
    #[schemars(required)]
    name: Option<Text<SourceName>>,
    /// Where its webhooks are posted to: a path below /webhooks/, of which the last segment may be {topic}.
    #[schemars(required)]
    path: Option<Text<SourcePath>>,
    /// How its senders are told from everybody else. `none` must be written out.
    #[schemars(required)]
    verify: Option<Verify>,
    /// The topic of its events.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
}

/// How a source is verified, as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Verify {
    /// Not at all: whoever reaches the listener may publish.
    None,
}

/// The list as written.
pub(in crate::config) type List = Vec<Raw>;

/// The sources, compiled; without any, the one of contract 3.
pub(super) fn build(list: &[Raw], check: &mut Check<'_>) -> Sources {
    if list.is_empty() {
        return Sources::default();
    }
    if list.len() > SOURCES {
        check.refuse("sources", format!("expected at most {SOURCES} sources; got {}", list.len()));
    }
    distinct(list, check);
    let built = list.iter().enumerate().filter_map(|(index, raw)| raw.build(&item("sources", index), check));
    Sources::new(built.collect())
}

/// Names and paths are given once.
fn distinct(list: &[Raw], check: &mut Check<'_>) {
    let (mut names, mut paths) = (HashMap::new(), HashMap::new());
    for (index, raw) in list.iter().enumerate() {
        let name = raw.name.as_ref().map(|Text(SourceName(name))| name);
        let path = raw.path.as_ref().map(|Text(SourcePath(path))| path);
        if let Some(name) = name {
            let first = *names.entry(name).or_insert(index);
            if first != index {
                let message = format!("{name} is the name of sources[{first}] too; expected another");
                check.refuse(&format!("{}.name", item("sources", index)), message);
            }
        }
        if let Some(path) = path {
            let first = *paths.entry(path).or_insert(index);
            if first != index {
                let message = format!("{path} is the path of sources[{first}] too; expected another");
                check.refuse(&format!("{}.path", item("sources", index)), message);
            }
        }
    }
}

impl Raw {
    /// None when something is missing or wrong, which has been reported then.
    fn build(&self, path: &str, check: &mut Check<'_>) -> Option<Source> {
        let Text(SourceName(name)) = self.name.as_ref()?;
        let Text(SourcePath(served)) = self.path.as_ref()?;
        let Verify::None = self.verify?;
        let topic = self.topic(served, path, check)?;
        Some(Source::new(name, served.clone(), Scheme::none(), topic))
    }

    fn topic(
        &self,
        served: &crate::ingress::SourcePath,
        path: &str,
        check: &mut Check<'_>,
    ) -> Option<TopicRule> {
        let key = format!("{path}.topic");
        match (&self.topic, served) {
            (None, crate::ingress::SourcePath::Topic(_)) => Some(TopicRule::Path),
            (None, crate::ingress::SourcePath::Exact(_)) => {
                check.refuse_key(&key, "missing; expected a topic, or {topic} as the path's last segment");
                None
            }
            (Some(text), _) => match Topic::parse(text) {
                Ok(topic) => Some(TopicRule::Fixed(topic)),
                Err(why) => {
                    check.refuse(&key, format!("no topic: {why}; got {text:?}"));
                    None
                }
            },
        }
    }
}
