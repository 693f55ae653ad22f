//! All URLs that the configuration names, across reloads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep;

use super::fetch::{Fetch, Network, Roots};
use super::keeper::Keeper;
use super::metrics::Metrics;
use crate::jwt::{Feed, JwksUrl, Remote};

/// Before a task that panicked is started again: a mistake that is met every time must not take a core.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Keeps a feed for each URL that is in use. A URL that is still named after a reload keeps its feed, and so its keys.
pub struct Registry {
    feeds: Mutex<BTreeMap<JwksUrl, Arc<Feed>>>,
    changed: Notify,
    fetch: Arc<dyn Fetch>,
    metrics: Metrics,
}

impl Registry {
    /// Knows no URL, and fetches nothing before [`Registry::run`].
    #[must_use]
    pub fn new(roots: Roots, metrics: Metrics) -> Self {
        Self::with(Arc::new(Network::new(roots)), metrics)
    }

    pub(super) fn with(fetch: Arc<dyn Fetch>, metrics: Metrics) -> Self {
        Self { feeds: Mutex::default(), changed: Notify::new(), fetch, metrics }
    }

    /// Binds what a configuration names to feeds, and forgets all other URLs. To be called before that configuration is
    /// put to use, so that it does not begin without keys that are there.
    pub fn adopt<'a>(&self, remotes: impl IntoIterator<Item = &'a Arc<Remote>>) {
        let mut feeds = self.feeds();
        let mut named = BTreeMap::new();
        for remote in remotes {
            let known = feeds.get(remote.url()).cloned().unwrap_or_default();
            let feed = named.entry(remote.url().clone()).or_insert(known);
            remote.bind(Arc::clone(feed));
        }
        *feeds = named;
        self.changed.notify_one();
    }

    /// The URLs whose keys have never been seen.
    #[must_use]
    pub fn missing(&self) -> Vec<JwksUrl> {
        let feeds = self.feeds();
        feeds.iter().filter(|(_, feed)| feed.keys().is_none()).map(|(url, _)| url.clone()).collect()
    }

    /// Fetches, for as long as it is polled: to be run once, on a runtime that lives as long as the process serves.
    pub async fn run(&self) {
        let mut tasks = Tasks::default();
        loop {
            tasks.follow(&self.feeds(), |url, feed| {
                let (fetch, metrics) = (Arc::clone(&self.fetch), self.metrics.clone());
                Keeper { url: url.clone(), feed: Arc::clone(feed), fetch, metrics }
            });
            tokio::select! {
                () = self.changed.notified() => {}
                Some(ended) = tasks.set.join_next_with_id() => {
                    if tasks.ended(ended) {
                        tracing::error!("fetching a key set panicked; it is started again");
                        sleep(AFTER_PANIC).await;
                    }
                }
            }
        }
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<JwksUrl, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task for each URL. All of them end with this.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    running: BTreeMap<JwksUrl, AbortHandle>,
}

impl Tasks {
    /// Starts and ends tasks until they are those of `feeds`.
    fn follow(
        &mut self,
        feeds: &BTreeMap<JwksUrl, Arc<Feed>>,
        keeper: impl Fn(&JwksUrl, &Arc<Feed>) -> Keeper,
    ) {
        self.running.retain(|url, task| {
            let named = feeds.contains_key(url);
            if !named {
                task.abort();
            }
            named
        });
        for (url, feed) in feeds {
            if !self.running.contains_key(url) {
                let task = self.set.spawn(keeper(url, feed).run());
                self.running.insert(url.clone(), task);
            }
        }
    }

    /// One has ended: as it was told to, or, and then this is true, by a panic. The next [`Tasks::follow`] starts it again.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) -> bool {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.running.retain(|_, task| task.id() != id);
        ended.is_err_and(|error| error.is_panic())
    }
}
