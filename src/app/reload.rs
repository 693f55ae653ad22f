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
    snapshots: Arc<Snapshots>,
    log: MemoryLog,
    keys: Arc<jwks::Registry>,
    fanout: Arc<Fanout>,
    metrics: admin::Metrics,
    /// The files that the last attempt read. Held while reloading: one at a time.
    watched: Mutex<Watched>,
}

impl Reloader {
    pub(super) fn new(
        source: Source,
        brought: Arc<Registry>,
        loaded: Loaded,
        snapshots: Arc<Snapshots>,
        log: MemoryLog,
        keys: Arc<jwks::Registry>,
        fanout: Arc<Fanout>,
        metrics: admin::Metrics,
    ) -> Self {
        Self { source, brought, snapshots, log, keys, fanout, metrics, watched: Mutex::new(loaded.watched) }
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
                let running = self.snapshots.current();
                let mut reloaded = Reloaded::default();
                for change in config::diff(&running, &loaded.config) {
                    tracing::info!("reload: {change}");
                    let list = match change.effect {
                        Effect::Now => &mut reloaded.changed,
                        Effect::Restart => &mut reloaded.needs_restart,
                    };
                    list.push(change.key);
                }
                self.keys.adopt(key_sets(&loaded.config));
                self.snapshots.swap(loaded.config.with_restart_keys_of(&running));
                self.log.reconfigure();
                // By what holds now, whichever file it was: a rule, a secret or a key. The shards say how many it ended.
                drop(self.fanout.judge_again());
                self.metrics.config_reloads.inc();
                tracing::info!("configuration reloaded");
                Ok(reloaded)
            }
            Err(rejected) => {
                *watched = rejected.watched;
                self.metrics.config_reload_failures.inc();
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
