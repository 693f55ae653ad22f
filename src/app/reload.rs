//! Reload: read the configuration again, and swap the snapshot if it is valid.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::key_sets;
use super::snapshot::Snapshots;
use crate::admin::{self, Reload, Reloaded};
use crate::config::{self, Effect, Source, Watched};
use crate::fanout::Fanout;
use crate::ingress::Registry;
use crate::jwks;
use crate::log::memory::MemoryLog;

/// What a reload reads, and what it changes.
pub(super) struct Parts {
    pub source: Source,
    pub brought: Arc<Registry>,
    pub snapshots: Arc<Snapshots>,
    pub log: MemoryLog,
    pub keys: Arc<jwks::Registry>,
    pub fanout: Arc<Fanout>,
    pub metrics: admin::Metrics,
}

/// Reloads, whoever asks: a signal, a changed file, the API.
pub(super) struct Reloader {
    parts: Parts,
    /// The files that the last attempt read. Held while reloading: one at a time.
    watched: Mutex<Watched>,
}

impl Reloader {
    /// One that has read the files `watched`.
    pub(super) fn new(parts: Parts, watched: Watched) -> Self {
        Self { parts, watched: Mutex::new(watched) }
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
        let Parts { source, brought, snapshots, log, keys, fanout, metrics } = &self.parts;
        match config::load_with(source, brought) {
            Ok(loaded) => {
                *watched = loaded.watched;
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                let running = snapshots.current();
                let mut reloaded = Reloaded::default();
                for change in config::diff(&running, &loaded.config) {
                    tracing::info!("reload: {change}");
                    let list = match change.effect {
                        Effect::Now => &mut reloaded.changed,
                        Effect::Restart => &mut reloaded.needs_restart,
                    };
                    list.push(change.key);
                }
                keys.adopt(key_sets(&loaded.config));
                snapshots.swap(loaded.config.with_restart_keys_of(&running));
                log.reconfigure();
                // By what holds now, whichever file it was: a rule, a secret or a key. The shards say how many it ended.
                drop(fanout.judge_again());
                metrics.config_reloads.inc();
                tracing::info!("configuration reloaded");
                Ok(reloaded)
            }
            Err(rejected) => {
                *watched = rejected.watched;
                metrics.config_reload_failures.inc();
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
