//! From what is written to a scheme.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::check::Check;
use crate::config::marks::{item, member};
use crate::config::schema::nearest;
use crate::config::section::between;
use crate::config::written::{Environment, HeaderField, SecretSource, Span, Text};
use crate::secret::Secret;
use crate::verify::{Refused, Registry, Scheme, preset};

use super::plugin;
use super::presets::{AlgorithmItem, Presets};
use super::secrets::Secrets;

/// Bounds on a tolerance. Clocks and queues are off by seconds to minutes.
const TOLERANCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// Base64 characters of a key of 24 bytes, which Standard Webhooks asks for at least.
const SHORT_KEY: usize = 32;

/// What a verifier is built with. All keys are below `path`.
pub(super) struct Builder<'a, 'b, 'c> {
    pub path: &'a str,
    pub check: &'a mut Check<'b>,
    pub environment: &'a Environment<'c>,
}

/// What stands in a list of secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Secrets whose text is the key.
    Text,
    /// Secrets that begin with `whsec_`, or public keys, which may be written in the file.
    Standard,
    /// Public keys.
    Public,
}

impl Builder<'_, '_, '_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub fn refuse(&mut self, key: &str, message: &str) {
        self.check.refuse(&self.key(key), message);
    }

    pub fn tolerance(&mut self, preset: &str, written: &Text<Span>) -> Duration {
        let key = self.key(&format!("{preset}.tolerance"));
        let why = "less refuses honest senders, more lets captured requests be sent again for long";
        between(self.check, &key, written.0.0, TOLERANCE, why)
    }

    /// All secrets of a list, or none when one is wrong.
    fn secrets(&mut self, key: &str, list: Option<&Secrets>, kind: Kind) -> Option<Vec<Secret>> {
        let list = list?;
        let key = self.key(key);
        let mut fetched = Vec::new();
        for (index, source) in list.written() {
            let key = item(&key, index);
            let public = match source {
                SecretSource::Literal(secret) => {
                    kind == Kind::Public || (kind == Kind::Standard && secret.expose().starts_with(b"whpk_"))
                }
                _ => false,
            };
            let secret = if public {
                source.resolve(self.environment).ok()
            } else {
                source.fetch(&key, self.check, self.environment)
            };
            if let (Kind::Standard, Some(secret)) = (kind, &secret) {
                self.warn_if_short(&key, secret);
            }
            fetched.extend(secret);
        }
        (fetched.len() == list.0.len()).then_some(fetched)
    }

    fn warn_if_short(&mut self, key: &str, secret: &Secret) {
        let text = secret.expose();
        let text = text.strip_prefix(b"whsec_").unwrap_or(text);
        if text.len() < SHORT_KEY && !text.starts_with(b"whpk_") {
            let advice = "a key of less than 24 bytes; Standard Webhooks asks for 24 to 64 random ones";
            self.check.warn(&[key], advice);
        }
    }

    /// Reports why there is no scheme, at the secret that is the reason where one is. `list` is the key of the secrets.
    fn settle(&mut self, list: &str, built: Result<Scheme, Refused>) -> Option<Scheme> {
        let preset = list.split('.').next().unwrap_or(list);
        let parameters = match preset {
            "twilio" => "twilio.public_url",
            "basic" => "basic.user",
            "hmac" => "hmac.signed",
            other => other,
        };
        built
            .map_err(|refused| match refused {
                Refused::Key(index, problem) => {
                    self.check.refuse(&item(&self.key(list), index), problem.to_string());
                }
                Refused::NoKey | Refused::TooManyKeys => {
                    self.check.refuse(&self.key(list), refused.to_string());
                }
                Refused::Parameters(why) => self.check.refuse(&self.key(parameters), why),
            })
            .ok()
    }

    /// A preset that takes secrets alone.
    fn untimed(
        &mut self,
        list: &str,
        secrets: Option<&Secrets>,
        make: impl FnOnce(&[Secret]) -> Result<Scheme, Refused>,
    ) -> Option<Scheme> {
        let secrets = self.secrets(list, secrets, Kind::Text)?;
        self.settle(list, make(&secrets))
    }

    /// A preset that takes secrets and a tolerance.
    fn timed(
        &mut self,
        preset: &str,
        kind: Kind,
        (secrets, tolerance): (Option<&Secrets>, &Text<Span>),
        make: impl FnOnce(&[Secret], Duration) -> Result<Scheme, Refused>,
    ) -> Option<Scheme> {
        let list = format!("{preset}.{}", if kind == Kind::Public { "public_keys" } else { "secrets" });
        let tolerance = self.tolerance(preset, tolerance);
        let secrets = self.secrets(&list, secrets, kind)?;
        self.settle(&list, make(&secrets, tolerance))
    }

    /// A verifier that the program brings along.
    fn plugin(&mut self, name: &str, settings: &serde_json::Value, registry: &Registry) -> Option<Scheme> {
        let path = member(self.path, name);
        if !registry.names().any(|known| known == name) {
            let known: Vec<&str> = preset::NAMES.into_iter().chain(registry.names()).collect();
            let near = nearest(name, &known).map(|near| format!(" did you mean {near}?")).unwrap_or_default();
            let message = format!("unknown verifier;{near} there are {}", known.join(", "));
            self.check.refuse_key(&path, message);
            return None;
        }
        let (check, environment) = (&mut *self.check, self.environment);
        let settings = plugin::resolve(&path, settings, &mut |path, source| {
            let secret = source.fetch(path, check, environment)?;
            let text = String::from_utf8(secret.expose().to_vec());
            text.map_err(|_| check.refuse(path, "expected a secret in UTF-8")).ok()
        })?;
        registry.build(name, &settings)?.map_err(|why| self.check.refuse(&path, why)).ok()
    }
}

impl Presets {
    /// The scheme of the one that is written. Where none is left, what was wrong has been reported.
    pub(super) fn build(&self, builder: &mut Builder<'_, '_, '_>, registry: &Registry) -> Option<Scheme> {
        self.signed_with_time(builder)
            .or_else(|| self.signed(builder))
            .or_else(|| self.credential(builder))
            .or_else(|| {
                let path = builder.key("jwt");
                let checker = self.jwt.as_ref()?.build(&path, builder.check, builder.environment)?;
                Some(preset::jwt(checker))
            })
            .or_else(|| {
                let (name, settings) = self.others.0.first_key_value()?;
                builder.plugin(name, settings, registry)
            })
    }

    fn signed_with_time(&self, builder: &mut Builder<'_, '_, '_>) -> Option<Scheme> {
        if let Some(p) = &self.standard {
            return builder.timed(
                "standard",
                Kind::Standard,
                (p.secrets.as_ref(), &p.tolerance),
                preset::standard,
            );
        }
        if let Some(p) = &self.svix {
            return builder.timed("svix", Kind::Standard, (p.secrets.as_ref(), &p.tolerance), preset::svix);
        }
        if let Some(p) = self.gitlab.as_ref().and_then(|gitlab| gitlab.signed.as_ref()) {
            let written = (p.secrets.as_ref(), &p.tolerance);
            return builder.timed("gitlab.signed", Kind::Standard, written, preset::gitlab_signed);
        }
        if let Some(p) = &self.stripe {
            return builder.timed("stripe", Kind::Text, (p.secrets.as_ref(), &p.tolerance), preset::stripe);
        }
        if let Some(p) = &self.slack {
            return builder.timed("slack", Kind::Text, (p.secrets.as_ref(), &p.tolerance), preset::slack);
        }
        if let Some(p) = &self.discord {
            return builder.timed(
                "discord",
                Kind::Public,
                (p.public_keys.as_ref(), &p.tolerance),
                preset::discord,
            );
        }
        if let Some(p) = &self.grafana {
            let Text(HeaderField(signature)) = p.header.clone();
            let timestamp = p.timestamp_header.clone().map(|Text(HeaderField(name))| name);
            let headers = preset::GrafanaHeaders { signature, timestamp };
            let make = |secrets: &[Secret], tolerance| preset::grafana(secrets, headers, tolerance);
            return builder.timed("grafana", Kind::Text, (p.secrets.as_ref(), &p.tolerance), make);
        }
        None
    }

    fn signed(&self, builder: &mut Builder<'_, '_, '_>) -> Option<Scheme> {
        if let Some(p) = &self.github {
            return builder.untimed("github.secrets", p.secrets.as_ref(), preset::github);
        }
        if let Some(p) = &self.gitea {
            return builder.untimed("gitea.secrets", p.secrets.as_ref(), preset::gitea);
        }
        if let Some(p) = &self.forgejo {
            return builder.untimed("forgejo.secrets", p.secrets.as_ref(), preset::forgejo);
        }
        if let Some(p) = &self.shopify {
            return builder.untimed("shopify.secrets", p.secrets.as_ref(), preset::shopify);
        }
        if let Some(p) = &self.meta {
            return builder.untimed("meta.secrets", p.secrets.as_ref(), preset::meta);
        }
        if let Some(p) = &self.websub {
            let written = |item: &AlgorithmItem| match item {
                AlgorithmItem::Written(algorithm) => Some((*algorithm).into()),
                AlgorithmItem::Refused {} => None,
            };
            let algorithms: Vec<_> = p.algorithms.iter().filter_map(written).collect();
            if algorithms.is_empty() {
                return None;
            }
            let make = |secrets: &[Secret]| preset::websub(secrets, &algorithms);
            return builder.untimed("websub.secrets", p.secrets.as_ref(), make);
        }
        if let Some(p) = &self.twilio {
            let url = p.public_url.as_deref()?;
            return builder
                .untimed("twilio.secrets", p.secrets.as_ref(), |secrets| preset::twilio(secrets, url));
        }
        let p = self.hmac.as_ref()?;
        let parameters = p.parameters(builder);
        let secrets = builder.secrets("hmac.secrets", p.secrets.as_ref(), Kind::Text)?;
        builder.settle("hmac.secrets", preset::hmac(parameters?, &secrets))
    }

    fn credential(&self, builder: &mut Builder<'_, '_, '_>) -> Option<Scheme> {
        if let Some(p) = self.gitlab.as_ref().and_then(|gitlab| gitlab.token.as_ref()) {
            let make = |secrets: &[Secret]| preset::gitlab_token(secrets.to_vec());
            return builder.untimed("gitlab.token.secrets", p.secrets.as_ref(), make);
        }
        if let Some(p) = &self.bearer {
            let make = |secrets: &[Secret]| preset::bearer(secrets.to_vec());
            return builder.untimed("bearer.secrets", p.secrets.as_ref(), make);
        }
        if let Some(p) = &self.header {
            let Text(HeaderField(name)) = p.name.clone()?;
            let make = |secrets: &[Secret]| preset::header(name, secrets.to_vec());
            return builder.untimed("header.secrets", p.secrets.as_ref(), make);
        }
        if let Some(p) = &self.query {
            let parameter = p.parameter.as_deref()?;
            let make = |secrets: &[Secret]| preset::query(parameter, secrets.to_vec());
            return builder.untimed("query.secrets", p.secrets.as_ref(), make);
        }
        let p = self.basic.as_ref()?;
        let user = p.user.as_deref()?;
        builder.untimed("basic.passwords", p.passwords.as_ref(), |secrets| preset::basic(user, secrets))
    }

    /// Every secret that is written, with its key below `path`.
    fn sources(&self, path: &str) -> Vec<(String, SecretSource)> {
        let untimed = [
            ("github.secrets", &self.github),
            ("gitea.secrets", &self.gitea),
            ("forgejo.secrets", &self.forgejo),
            ("shopify.secrets", &self.shopify),
            ("meta.secrets", &self.meta),
            ("bearer.secrets", &self.bearer),
        ];
        let timed = [
            ("standard.secrets", &self.standard),
            ("svix.secrets", &self.svix),
            ("stripe.secrets", &self.stripe),
            ("slack.secrets", &self.slack),
        ];
        let gitlab = self.gitlab.as_ref();
        let others = [
            ("gitlab.signed.secrets", gitlab.and_then(|p| p.signed.as_ref()?.secrets.as_ref())),
            ("gitlab.token.secrets", gitlab.and_then(|p| p.token.as_ref()?.secrets.as_ref())),
            ("twilio.secrets", self.twilio.as_ref().and_then(|p| p.secrets.as_ref())),
            ("discord.public_keys", self.discord.as_ref().and_then(|p| p.public_keys.as_ref())),
            ("websub.secrets", self.websub.as_ref().and_then(|p| p.secrets.as_ref())),
            ("grafana.secrets", self.grafana.as_ref().and_then(|p| p.secrets.as_ref())),
            ("hmac.secrets", self.hmac.as_ref().and_then(|p| p.secrets.as_ref())),
            ("basic.passwords", self.basic.as_ref().and_then(|p| p.passwords.as_ref())),
            ("header.secrets", self.header.as_ref().and_then(|p| p.secrets.as_ref())),
            ("query.secrets", self.query.as_ref().and_then(|p| p.secrets.as_ref())),
        ];
        let untimed = untimed.map(|(key, p)| (key, p.as_ref().and_then(|p| p.secrets.as_ref())));
        let timed = timed.map(|(key, p)| (key, p.as_ref().and_then(|p| p.secrets.as_ref())));
        let lists = untimed.into_iter().chain(timed).chain(others);
        let mut sources: Vec<_> = lists
            .filter_map(|(key, list)| Some((key, list?)))
            .flat_map(|(key, list)| {
                list.written()
                    .map(move |(index, source)| (item(&format!("{path}.{key}"), index), source.clone()))
            })
            .collect();
        sources.extend(self.jwt.iter().flat_map(|jwt| jwt.sources(&format!("{path}.jwt"))));
        for (name, settings) in &self.others.0 {
            sources.extend(plugin::sources(&member(path, name), settings));
        }
        sources
    }

    pub(super) fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        self.sources("").iter().filter_map(|(_, source)| source.path(environment)).collect()
    }

    pub(super) fn resolved(&self, path: &str, environment: &Environment<'_>) -> Vec<(String, Secret)> {
        let sources = self.sources(path);
        let mut secrets: Vec<_> = sources
            .iter()
            .filter_map(|(key, source)| Some((key.clone(), source.resolve(environment).ok()?)))
            .collect();
        for (name, settings) in &self.others.0 {
            secrets.push((member(path, name), Secret::new(settings.to_string().into_bytes())));
        }
        secrets
    }
}
