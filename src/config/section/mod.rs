//! One file per section: its raw twin, as written, with its defaults; and its conversion into a part's settings.
//!
//! A new key is a field of the raw twin (its doc comment becomes the schema's description), a line in its `Default`, a
//! line in its conversion, and an entry in `config/sidestream.yaml`. By the time a conversion runs, every single value
//! is known to be of its kind; a conversion checks bounds and relations.

mod admin;
mod auth;
mod cors;
mod drain;
mod edge;
mod fanout;
mod history;
mod ingress;
mod jwt;
mod log;
mod proxy_protocol;
mod readiness;
mod sources;
mod topics;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::check::Check;
use super::written::{Environment, show_duration};
use crate::ingress::Registry;

pub(super) use self::auth::secrets as auth_secrets;
pub use self::drain::Drain;
pub use self::fanout::Shards;
pub use self::log::LogKind;
pub(super) use self::sources::secrets as source_secrets;
pub use self::topics::TopicRule;

/// Configuration of sidestream. Every key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Root {
    /// The public listener: subscribers below its prefix, the app behind every other path.
    pub edge: edge::Raw,
    /// The internal listener that webhooks are posted to.
    pub ingress: ingress::Raw,
    /// The operator's listener: metrics, health and the admin API.
    pub admin: admin::Raw,
    /// How events reach the connections.
    pub fanout: fanout::Raw,
    /// How the process ends.
    pub drain: drain::Raw,
    /// What `/readyz` depends on.
    pub readiness: readiness::Raw,
    /// Where events are kept.
    pub log: log::Raw,
    /// How much of the past a topic keeps, whichever limit is reached first.
    pub history: history::Raw,
    /// Rules for topics by pattern; the first whose pattern matches a topic applies.
    #[schemars(length(max = 1000))]
    pub topics: Vec<topics::Raw>,
    /// Who may listen. Without it everybody may, but for what rules of `topics` say; with it, what no rule says otherwise of
    /// needs a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<auth::Raw>,
    /// Who may send webhooks. Without any: /webhooks/{topic}, which verifies nothing.
    #[schemars(length(max = 256))]
    pub sources: sources::List,
}

impl Root {
    /// Checks bounds and relations, and builds the settings of every part.
    pub fn build(&self, check: &mut Check<'_>, environment: &Environment<'_>, registry: &Registry) -> Config {
        let topics = topics::build(&self.topics, &self.history, check);
        let access = auth::build(self.auth.as_ref(), &self.topics, check, environment);
        let (edge, fanout) = self.edge.build(access, check);
        let (dedupe_window, dedupe_keys) = self.ingress.dedupe.build(check);
        let sources = sources::build(&self.sources, &edge, check, environment, registry);
        edge::distinct_listeners(
            [&self.edge.listen.0.0, &self.ingress.listen.0.0, &self.admin.listen.0.0],
            check,
        );
        Config {
            listen: super::Listeners {
                edge: self.edge.listen.0.0.clone(),
                ingress: self.ingress.listen.0.0.clone(),
                admin: self.admin.listen.0.0.clone(),
                edge_proxy_protocol: self.edge.proxy_protocol.into(),
                ingress_proxy_protocol: self.ingress.proxy_protocol.into(),
            },
            edge,
            fanout,
            ingress: self.ingress.build(dedupe_window, sources.sources, check),
            relay: sources.plans,
            admin: crate::admin::Settings {
                token: self.admin.token(check, environment),
                readiness: self.readiness.log.into(),
            },
            history: self.history.build(&topics, dedupe_keys, sources.dedupe_keys, check),
            topics: topics.into_iter().map(|(rule, _)| rule).collect(),
            shards: self.fanout.build(check),
            drain: self.drain.build(check),
            log: self.log.build(),
            effective: super::diff::Effective::default(),
        }
    }

    /// The files that secrets are in.
    pub fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        let token = self.admin.token.iter().filter_map(|secret| secret.path(environment));
        let keys = auth::secret_files(self.auth.as_ref(), environment);
        token.chain(keys).chain(sources::secret_files(&self.sources, environment)).collect()
    }
}

/// Checks that a duration lies between bounds; `why` says what is wrong with less or more.
fn between(
    check: &mut Check<'_>,
    key: &str,
    span: Duration,
    bounds: (Duration, Duration),
    why: &str,
) -> Duration {
    let (low, high) = bounds;
    if !(low..=high).contains(&span) {
        let (low, high, got) = (show_duration(low), show_duration(high), show_duration(span));
        check.refuse(key, format!("expected {low} to {high} ({why}); got {got}"));
    }
    span
}
