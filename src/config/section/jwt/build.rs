//! From what is written to what checks tokens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::config::check::Check;
use crate::config::marks::{item, member};
use crate::config::section::between;
use crate::config::written::{Environment, Item, SecretSource, Text, TokenAlgorithm};
use crate::jwt::{Algorithm, Checker, Expiry, Jwks, KeyError, Keys, Origin, Policy, Remote, Required};

use super::{Key, Raw, Texts};

/// Bounds on the leeway. Clocks that are further apart are to be set, not excused.
const LEEWAY: (Duration, Duration) = (Duration::ZERO, Duration::from_mins(10));

/// Values that a claim may be one of. More are a rule for the issuer.
const VALUES: usize = 64;

/// Where keys are read.
struct Reader<'a, 'b, 'c> {
    check: &'a mut Check<'b>,
    environment: &'a Environment<'c>,
    algorithms: &'a [Algorithm],
}

impl Raw {
    /// What checks tokens. None when something of it is wrong, which has been reported. `path` is the section's own, such
    /// as `sources[0].verify.jwt`.
    pub fn build(&self, path: &str, check: &mut Check<'_>, environment: &Environment<'_>) -> Option<Checker> {
        let algorithms = self.algorithms();
        let why = "tokens would be good for that long after their end";
        let leeway = between(check, &format!("{path}.leeway"), self.leeway.0.0, LEEWAY, why);
        let required = self.required(path, check);
        let mut reader = Reader { check, environment, algorithms: &algorithms };
        let keys = self.read_keys(path, &mut reader);
        // Without an algorithm nothing can be said of keys; that there is none has been reported.
        if algorithms.is_empty() || algorithms.len() < self.algorithms.iter().flatten().count() {
            return None;
        }
        self.relate(path, &algorithms, keys.as_ref(), check);
        let (issuers, audiences) = (Texts::all(self.issuer.as_ref()), Texts::all(self.audience.as_ref()));
        let expiry = if self.require_exp { Expiry::Required } else { Expiry::Optional };
        let policy = Policy { algorithms, issuers, audiences, leeway, expiry, required: required? };
        let remote = self.jwks_url.as_ref().map(|url| Arc::new(Remote::new(url.0.0.clone())));
        let keys = keys?;
        (remote.is_some() || !keys.is_empty()).then(|| Checker::new(policy, keys, remote))
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        self.algorithms
            .iter()
            .flatten()
            .filter_map(Item::get)
            .map(|TokenAlgorithm(algorithm)| *algorithm)
            .collect()
    }

    /// All keys, or none when one is wrong.
    fn read_keys(&self, path: &str, reader: &mut Reader<'_, '_, '_>) -> Option<Keys> {
        let mut keys = Some(Keys::default());
        for (index, key) in self.keys.iter().enumerate() {
            match (reader.key(&item(&format!("{path}.keys"), index), key), &mut keys) {
                (Some(read), Some(keys)) => keys.append(read),
                _ => keys = None,
            }
        }
        keys
    }

    /// What must go together.
    fn relate(&self, path: &str, algorithms: &[Algorithm], keys: Option<&Keys>, check: &mut Check<'_>) {
        let [list, url, known] = ["algorithms", "jwks_url", "keys"].map(|key| format!("{path}.{key}"));
        if self.keys.is_empty() && self.jwks_url.is_none() {
            check.refuse_together(&[path, &url, &known], "no keys; expected keys, or a jwks_url");
            return;
        }
        if let Some(keys) = keys {
            for (index, algorithm) in algorithms.iter().enumerate() {
                let published = self.jwks_url.is_some() && algorithm.secret_bytes().is_none();
                if !published && !keys.suit(*algorithm) {
                    let message = format!("no key is for {algorithm}, so no token that is signed so is good");
                    check.warn(&[&item(&list, index)], message);
                }
            }
        }
        let Some(Text(written)) = &self.jwks_url else { return };
        if !written.0.is_tls() && !written.0.is_loopback() {
            let message =
                "without TLS, whoever is on the way can put keys of their own there; expected https://";
            check.warn(&[&url], message);
        }
        if self.issuer.is_none() && self.audience.is_none() && self.claims.is_empty() {
            let message = "neither issuer nor audience nor claims: every token that is signed with these keys and \
                           names no audience is good";
            check.warn(&[path], message);
        }
    }

    /// The claims with their values, or none when one is wrong.
    fn required(&self, path: &str, check: &mut Check<'_>) -> Option<Vec<Required>> {
        let mut required = Vec::new();
        for (claim, value) in &self.claims {
            let values = match value {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            if values.iter().all(scalar) && (1..=VALUES).contains(&values.len()) {
                required.push(Required { claim: claim.clone(), values });
            } else {
                let message =
                    format!("expected a text, a number, true or false, or a list of 1 to {VALUES} of these");
                check.refuse(&member(&format!("{path}.claims"), claim), message);
            }
        }
        (required.len() == self.claims.len()).then_some(required)
    }
}

impl Reader<'_, '_, '_> {
    fn key(&mut self, path: &str, key: &Key) -> Option<Keys> {
        match (&key.pem, &key.jwks, &key.secret) {
            (Some(source), None, None) => self.pem(&format!("{path}.pem"), source, key.kid.as_ref()),
            (None, Some(source), None) => {
                if key.kid.is_some() {
                    let message = "the keys of a set have names of their own; expected no kid";
                    self.check.refuse(&format!("{path}.kid"), message);
                }
                self.jwks(&format!("{path}.jwks"), source)
            }
            (None, None, Some(source)) => self.secret(&format!("{path}.secret"), source, key.kid.as_ref()),
            _ => {
                self.check.refuse_together(&[path], "expected exactly one of pem, jwks and secret");
                None
            }
        }
    }

    fn pem(&mut self, path: &str, source: &SecretSource, kid: Option<&String>) -> Option<Keys> {
        let text = source.resolve(self.environment);
        let keys =
            text.and_then(|text| Keys::pem(text.expose(), kid.cloned()).map_err(|why| why.to_string()));
        let keys = keys.map_err(|why| self.check.refuse(path, why)).ok()?;
        self.useful(path, keys)
    }

    fn jwks(&mut self, path: &str, source: &SecretSource) -> Option<Keys> {
        let text = source.resolve(self.environment);
        let set =
            text.and_then(|text| Jwks::parse(text.expose(), Origin::File).map_err(|why| why.to_string()));
        let set = set.map_err(|why| self.check.refuse(path, why)).ok()?;
        for (index, why) in &set.skipped {
            self.check.warn(&[path], format!("keys[{index}] of the set is passed over: {why}"));
        }
        self.useful(path, set.keys)
    }

    fn secret(&mut self, path: &str, source: &SecretSource, kid: Option<&String>) -> Option<Keys> {
        let secret = source.fetch(path, self.check, self.environment)?;
        let least =
            self.algorithms.iter().filter_map(|a| Some((a.secret_bytes()?, *a))).min_by_key(|(b, _)| *b);
        let got = secret.expose().len();
        if let Some((needed, algorithm)) = least.filter(|(needed, _)| got < *needed) {
            self.check.refuse(path, KeyError::Short { got, algorithm, needed }.to_string());
            return None;
        }
        self.useful(path, Keys::secret(&secret, kid.cloned()))
    }

    /// Keys of which none could ever be used are a mistake.
    fn useful(&mut self, path: &str, keys: Keys) -> Option<Keys> {
        if self.algorithms.is_empty() || self.algorithms.iter().any(|algorithm| keys.suit(*algorithm)) {
            return Some(keys);
        }
        let names: Vec<&str> = self.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        self.check.refuse(path, format!("no key in it is for any of the algorithms ({})", names.join(", ")));
        None
    }
}
