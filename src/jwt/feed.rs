//! Keys that change while the process runs: one fills a feed, many read it.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::keys::Keys;
use super::url::JwksUrl;

/// The keys of one URL as they are known now.
#[derive(Debug, Default)]
pub struct Feed {
    keys: ArcSwapOption<Keys>,
    doubts: Notify,
}

impl Feed {
    /// The newest keys. None when there never were any.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.load_full()
    }

    /// Puts newer keys in the place of those before.
    pub fn store(&self, keys: Keys) {
        self.keys.store(Some(Arc::new(keys)));
    }

    /// Says that the keys may be too old, as a token names one that is not among them. Costs next to nothing, and any
    /// number of times before the next [`Feed::doubted`] is once.
    pub fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Waits until somebody doubts the keys, or has done so since the last time.
    pub async fn doubted(&self) {
        self.doubts.notified().await;
    }
}

/// A URL in a configuration, and the feed that it is bound to. The configuration says where keys are and fetches nothing;
/// who runs it binds a feed that outlives it, so that a reload does not begin without keys.
#[derive(Debug)]
pub struct Remote {
    url: JwksUrl,
    feed: OnceLock<Arc<Feed>>,
}

impl Remote {
    /// Not bound yet: there are no keys.
    #[must_use]
    pub fn new(url: JwksUrl) -> Self {
        Self { url, feed: OnceLock::new() }
    }

    /// Where the keys are published.
    #[must_use]
    pub fn url(&self) -> &JwksUrl {
        &self.url
    }

    /// Binds it. The first feed stays.
    pub fn bind(&self, feed: Arc<Feed>) {
        let _ = self.feed.set(feed);
    }

    /// The newest keys. None when there never were any.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.feed.get()?.keys()
    }

    /// As [`Feed::doubt`].
    pub fn doubt(&self) {
        if let Some(feed) = self.feed.get() {
            feed.doubt();
        }
    }
}

/// By the URL: which feed it is bound to is no part of a configuration.
impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Remote {}
