//! `sources`: who may send webhooks, and what becomes of them.

mod answer;
mod dedupe;
mod handshake;
mod list;
mod mapping;
mod patience;
mod relations;
mod relay;
mod steps;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::written::{Environment, Size, SourceName, SourcePath, Text, show_size};
use crate::ingress::{Exposure, Limits, Registry, Source};
use crate::relay::Plan;
use crate::secret::Secret;
use crate::verify::Scheme;

use self::dedupe::ReplayGuard;
use self::mapping::{Binary, OnError};
use self::patience::{Shares, Waits};
use super::ingress::{MAX_BODY, Rate};
use super::verify;

pub(in crate::config) use list::secrets;
pub(super) use list::{List, build, secret_files};

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
    /// How its senders are told from everybody else: a verifier with its settings, or `none`, which must be written out.
    #[schemars(required)]
    verify: Option<verify::Raw>,
    /// The topic of its events, unless {topic} in the path says it. `${…}` holds a CEL expression, which fills one token.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// The type of its events. Without it: what the request or the verifier knows, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    /// What tells one delivery from another. Without it: what the request or the verifier knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// A list, of which each element becomes an event: `${body.events}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    each: Option<String>,
    /// An expression that is true for the events to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    /// The data of its events: a text with `${…}` in it, or `cloudevents` for the JSON envelope. Without it: as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// What becomes of an event on which an expression fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_error: Option<OnError>,
    /// What becomes of data that is not UTF-8. Without it: 415.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Binary>,
    /// What tells a replay where the verifier does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_guard: Option<ReplayGuard>,
    /// What makes two deliveries the same, and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    dedupe: Option<dedupe::Raw>,
    /// How often its webhooks are taken, from all of its senders together. Without it there is no limit but the ingress's.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
    /// How often they are taken from one address.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_ip: Option<Rate>,
    /// The largest body as it comes. Without it: `ingress.max_body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_body: Option<Text<Size>>,
    /// The largest body once it is unpacked. Without it: as large as it may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unpacked: Option<Text<Size>>,
    /// Steps of the program's own, by the names they were registered with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    steps: Vec<steps::Raw>,
    /// What its senders are answered when all is well. Without it: 202, and where the events stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    respond: Option<answer::Raw>,
    /// Where its webhooks are handed on to as well: `upstream`, which is the edge's, or a URL with how and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<relay::Raw>,
    /// Which handshakes of senders it grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake: Option<handshake::Raw>,
    /// Whether the public listener serves its path too. Not with `verify: none`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    expose_on_edge: bool,
}

/// What a source is built with. All keys are below `path`.
struct At<'a, 'b, 'c> {
    path: &'a str,
    check: &'a mut Check<'b>,
    environment: &'a Environment<'c>,
    registry: &'a Registry,
    /// Of the public listener.
    edge: &'a crate::edge::Settings,
}

impl At<'_, '_, '_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.check.refuse(&self.key(key), message);
    }

    fn refuse_together(&mut self, keys: &[&str], message: impl Into<String>) {
        let keys: Vec<String> = keys.iter().map(|key| self.key(key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.check.refuse_together(&keys, message);
    }

    /// A size that a body may have.
    fn size(&mut self, key: &str, size: Option<&Text<Size>>) -> Option<usize> {
        let Text(Size(bytes)) = *size?;
        if bytes > MAX_BODY {
            let (most, got) = (show_size(MAX_BODY), show_size(bytes));
            self.refuse(key, format!("expected at most {most} (a body is held in memory whole); got {got}"));
        }
        Some(bytes)
    }
}

impl Raw {
    /// The source, and how it is handed on. None when something is missing or wrong, which has been reported then.
    fn build(&self, at: &mut At<'_, '_, '_>) -> Option<(Source, Option<Plan>)> {
        let scheme = self.verify.as_ref().and_then(|verify| {
            verify.build(&at.key("verify"), at.check, at.environment, at.registry.verifiers())
        });
        let mapping = self.mapping(at);
        let dedupe = self.dedupe_rule(at);
        let limits = Limits {
            max_body: at.size("max_body", self.max_body.as_ref()),
            max_unpacked: at.size("max_unpacked", self.max_unpacked.as_ref()),
            rate: self.rate.and_then(Rate::build),
            rate_per_ip: self.rate_per_ip.and_then(Rate::build),
        };
        let steps = self.steps(at);
        let waits = self.relay.as_ref().map_or(Waits::ForLog, relay::Raw::waits);
        let shares = Shares::of(scheme.as_ref().and_then(|scheme| scheme.facts().patience), waits);
        let respond = answer::build(self.respond.as_ref(), shares.log, at);
        let plan = self.relay.as_ref().map(|relay| relay.build(shares.app, at));
        let handshake = self.handshake.as_ref().map(|raw| raw.build(at)).unwrap_or_default();
        if self.expose_on_edge && scheme.as_ref().is_some_and(Scheme::is_none) {
            let message = "expected a verifier: what is on the public listener and verifies nothing lets everybody publish";
            at.refuse_together(&["expose_on_edge", "verify"], message);
        }
        self.beside_topics(at);
        if let (Some(respond), Some(Some(plan))) = (&self.respond, &plan) {
            respond.beside_relay(plan, at);
        }
        let Text(SourceName(name)) = self.name.as_ref()?;
        let Text(SourcePath(served)) = self.path.as_ref()?;
        let mapping = mapping?;
        let plan = match plan {
            Some(plan) => Some(plan?),
            None => None,
        };
        let exposure = if self.expose_on_edge { Exposure::Edge } else { Exposure::Ingress };
        let mut source = Source::new(name, served.clone(), scheme?, mapping);
        source.dedupe = dedupe?;
        source.limits = limits;
        source.steps = steps?;
        source.handshake = handshake;
        source.respond = respond?;
        source.exposure = exposure;
        relations::check(&source, at);
        patience::check(&source, plan.as_ref(), at);
        Some((source, plan))
    }

    /// An exposed path is none of those that subscribers ask for: the topics come first there, so that its senders would be
    /// told 405 or 404 by whoever serves those.
    fn beside_topics(&self, at: &mut At<'_, '_, '_>) {
        let prefix = &at.edge.prefix;
        if let (true, Some(Text(SourcePath(path)))) = (self.expose_on_edge, &self.path)
            && path.meets(prefix)
        {
            let message = format!(
                "with expose_on_edge it is on the listener where {prefix} and all below it (edge.prefix) are topics; expected \
                 another path or prefix"
            );
            let (path, exposed) = (at.key("path"), at.key("expose_on_edge"));
            at.check.refuse_together(&[&path, &exposed, "edge.prefix"], message);
        }
    }

    /// What of it must not be shown but may change, by key.
    fn secrets(&self, path: &str, environment: &Environment<'_>) -> Vec<(String, Secret)> {
        let mut secrets = Vec::new();
        if let Some(verify) = &self.verify {
            secrets.extend(verify.secrets(&format!("{path}.verify"), environment));
        }
        if let Some(handshake) = &self.handshake {
            secrets.extend(handshake.secrets(&format!("{path}.handshake"), environment));
        }
        for step in &self.steps {
            secrets.extend(step.secrets(&format!("{path}.steps"), environment));
        }
        secrets
    }
}
