//! Reload: read the configuration again, and swap the snapshot if it is valid.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::key_sets;
use super::snapshot::Snapshots;
use crate::admin::{self, Reload, Reloaded};
use crate::config::{self, Effect, Loaded, Source, Watched};
use crate::fanout::Fanout;
use crate::ingress::Registry;
use crate::jwks;
use crate::log::memory::MemoryLog;

/// Reloads, whoever asks: a signal, a changed file, the API.
pub(super) struct Reloader {
    source: Source,
    brought: Arc<Registry>,
    changes: Changes,
    /// The files that the last attempt read. Held while reloading: one at a time.
    watched: Mutex<Watched>,
}

/// What a reload changes, or tells.
pub(super) struct Changes {
    pub snapshots: Arc<Snapshots>,
    pub log: MemoryLog,
    pub keys: Arc<jwks::Registry>,
    pub fanout: Arc<Fanout>,
    pub metrics: admin::Metrics,
}

impl Reloader {
    pub(super) fn new(source: Source, brought: Arc<Registry>, loaded: Loaded, changes: Changes) -> Self {
        Self { source, brought, changes, watched: Mutex::new(loaded.watched) }
    }

    /// The files whose change asks for a reload.
    pub(super) fn watched(&self) -> Watched {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As [`Reloader::reload_now`], for those who ask without waiting for an answer: everything is in the log.
    pub(super) fn reload_logged(&self) {
        let _ = self.reload_now();
    }

    /// Reloads if a file holds something else than what was loaded last, by whatever way that was.
    pub(super) fn reload_if_changed(&self) {
        let watched = self.watched();
        if watched.again() != watched {
            self.reload_logged();
        }
    }

    /// Reads and swaps. Blocks on small files.
    pub(super) fn reload_now(&self) -> Result<Reloaded, Vec<String>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match config::load_with(&self.source, &self.brought) {
            Ok(loaded) => {
                *watched = loaded.watched;
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                let running = self.changes.snapshots.current();
                let mut reloaded = Reloaded::default();
                for change in config::diff(&running, &loaded.config) {
                    tracing::info!("reload: {change}");
                    let list = match change.effect {
                        Effect::Now => &mut reloaded.changed,
                        Effect::Restart => &mut reloaded.needs_restart,
                    };
                    list.push(change.key);
                }
                self.changes.keys.adopt(key_sets(&loaded.config));
                self.changes.snapshots.swap(loaded.config.with_restart_keys_of(&running));
                self.changes.log.reconfigure();
                // By what holds now, whichever file it was: a rule, a secret or a key. The shards say how many it ended.
                drop(self.changes.fanout.judge_again());
                self.changes.metrics.config_reloads.inc();
                tracing::info!("configuration reloaded");
                Ok(reloaded)
            }
            Err(rejected) => {
                *watched = rejected.watched;
                self.changes.metrics.config_reload_failures.inc();
                let problems: Vec<String> = rejected.problems.iter().map(ToString::to_string).collect();
                for problem in &problems {
                    tracing::error!("reload: {problem}");
                }
                tracing::error!("the running configuration is unchanged");
                Err(problems)
            }
        }
    }
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        self.reload_now()
    }
}
