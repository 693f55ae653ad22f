//! `topic`, `type`, `id`, `each`, `filter`, `data`: what becomes of a delivery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::written::{SourcePath, Text};
use crate::event::Topic;
use crate::expr::{Each, Known, LoadError, Predicate, Template, TopicTemplate, TypeTemplate};
use crate::ingress::{self, DataRule, Mapping, TopicRule};

use super::{At, Raw};

/// `on_error` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnError {
    /// The delivery is refused with 422.
    Reject,
    /// The event is left out.
    Drop,
    /// The event is published as if the expression had not been there.
    Pass,
}

/// `binary` as written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Binary {
    /// It is sent as base64.
    Base64,
}

/// The word for data that is an envelope.
const CLOUDEVENTS: &str = "cloudevents";

impl Raw {
    /// None when something of it is wrong, which has been reported.
    pub(super) fn mapping(&self, at: &mut At<'_, '_, '_>) -> Option<Mapping> {
        let known = if self.each.is_some() { Known::Element } else { Known::Request };
        let topic = self.topic(known, at);
        let kind =
            compiled("type", self.r#type.as_deref(), at, |text| TypeTemplate::compile("type", text, known));
        let id = compiled("id", self.id.as_deref(), at, |text| Template::compile("id", text, Known::Request));
        let each = compiled("each", self.each.as_deref(), at, |text| Each::compile("each", text));
        let filter =
            compiled("filter", self.filter.as_deref(), at, |text| Predicate::compile("filter", text, known));
        let data = match self.data.as_deref() {
            None => Some(DataRule::AsItCame),
            Some(CLOUDEVENTS) => Some(DataRule::CloudEvent),
            Some(text) => compiled("data", Some(text), at, |text| Template::compile("data", text, known))
                .and_then(|data| data.map(DataRule::Template)),
        };
        Some(Mapping {
            topic: topic?,
            kind: kind?,
            id: id?,
            each: each?,
            filter: filter?,
            data: data?,
            on_error: match self.on_error {
                None | Some(OnError::Reject) => ingress::OnError::Reject,
                Some(OnError::Drop) => ingress::OnError::Drop,
                Some(OnError::Pass) => ingress::OnError::Pass,
            },
            binary: match self.binary {
                None => ingress::Binary::Refused,
                Some(Binary::Base64) => ingress::Binary::Base64,
            },
        })
    }

    fn topic(&self, known: Known, at: &mut At<'_, '_, '_>) -> Option<TopicRule> {
        let served = self.path.as_ref().map(|Text(SourcePath(path))| path);
        match (&self.topic, served) {
            (None, Some(ingress::SourcePath::Topic(_))) => Some(TopicRule::Path),
            (None, Some(ingress::SourcePath::Exact(_))) => {
                let key = at.key("topic");
                let message = "missing; expected a topic, or {topic} as the path's last segment";
                at.check.refuse_key(&key, message);
                None
            }
            (None, None) => None,
            (Some(text), served) => {
                if matches!(served, Some(ingress::SourcePath::Topic(_))) {
                    let message = "the path holds {topic} already; expected one of them";
                    at.refuse_together(&["topic", "path"], message);
                }
                // A topic that is always the same is not made anew for each event.
                if let Ok(topic) = Topic::parse(text) {
                    return Some(TopicRule::Fixed(topic));
                }
                compiled("topic", Some(text), at, |text| TopicTemplate::compile("topic", text, known))
                    .and_then(|topic| topic.map(TopicRule::Template))
            }
        }
    }
}

/// What a text compiles to, if there is one. The outer none is an error, which has been reported.
#[expect(clippy::option_option, reason = "wrong, or not there")]
pub(super) fn compiled<T>(
    key: &str,
    text: Option<&str>,
    at: &mut At<'_, '_, '_>,
    compile: impl FnOnce(&str) -> Result<T, LoadError>,
) -> Option<Option<T>> {
    let Some(text) = text else { return Some(None) };
    match compile(text) {
        Ok(compiled) => Some(Some(compiled)),
        Err(LoadError { at: byte, problem }) => {
            at.check.refuse_within(&at.key(key), text, byte, problem);
            None
        }
    }
}
