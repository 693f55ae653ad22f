//! What a reload changes, and what of it has to wait for a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::secret::Secret;

use super::Config;
use super::section::Root;

/// Keys that are only read at start: sockets are bound, the log is opened and shards are started once.
const RESTART: [&str; 7] = [
    "edge.listen",
    "edge.proxy_protocol",
    "ingress.listen",
    "ingress.proxy_protocol",
    "admin.listen",
    "fanout.shards",
    "log",
];

/// Every key of a configuration with its value as shown to people; lists are one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effective {
    keys: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

impl Effective {
    /// What `root` amounts to. `secrets` are those that were resolved, by key.
    pub fn of(root: &Root, secrets: BTreeMap<String, Secret>) -> Self {
        let mut keys = BTreeMap::new();
        flatten("", &serde_json::to_value(root).unwrap_or_default(), &mut keys);
        Self { keys, secrets }
    }

    fn shown(&self, key: &str) -> String {
        self.keys.get(key).map_or_else(|| "not set".to_owned(), Clone::clone)
    }
}

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, keys);
            }
        }
        // Each source by its name, so that a change says which.
        Value::Array(list) if path == "sources" && !list.is_empty() => {
            for (index, source) in list.iter().enumerate() {
                let name = source["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                flatten(&format!("{path}.{name}"), source, keys);
            }
        }
        Value::String(text) => {
            keys.insert(path.to_owned(), text.clone());
        }
        other => {
            keys.insert(path.to_owned(), other.to_string());
        }
    }
}

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's path; `topics` as a whole.
    pub key: String,
    /// Its value before, never a secret.
    pub old: String,
    /// Its value after, never a secret.
    pub new: String,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// With the reload.
    Now,
    /// After a restart; until then the old value stays.
    Restart,
}

/// `edge.heartbeat: 15s, now 5s`, or `edge.listen needs a restart; still 127.0.0.1:8080`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, old, new, effect } = self;
        match effect {
            Effect::Now if old == new => write!(f, "{key}: its content changed"),
            Effect::Now => write!(f, "{key}: {old}, now {new}"),
            Effect::Restart => write!(f, "{key} needs a restart; still {old}"),
        }
    }
}

/// Every key in which `new` differs from `old`, in the order of their names.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let (old, new) = (&old.effective, &new.effective);
    let keys: BTreeSet<&String> =
        [&old.keys, &new.keys].into_iter().flat_map(BTreeMap::keys).chain(old.secrets.keys()).collect();
    let differs = |key: &&String| {
        old.keys.get(*key) != new.keys.get(*key) || old.secrets.get(*key) != new.secrets.get(*key)
    };
    let change = |key: &String| Change {
        key: key.clone(),
        old: old.shown(key),
        new: new.shown(key),
        effect: if RESTART.contains(&key.as_str()) { Effect::Restart } else { Effect::Now },
    };
    keys.into_iter().filter(differs).map(change).collect()
}

impl Config {
    /// This configuration with the values that only a restart changes as they are in `running`: what a process that
    /// goes on amounts to after a reload. A later [`diff`] with it names those keys again.
    #[must_use]
    pub fn with_restart_keys_of(mut self, running: &Self) -> Self {
        self.listen = running.listen.clone();
        self.shards = running.shards;
        self.log = running.log;
        for key in RESTART {
            match running.effective.keys.get(key) {
                Some(value) => self.effective.keys.insert(key.to_owned(), value.clone()),
                None => self.effective.keys.remove(key),
            };
        }
        self
    }
}
