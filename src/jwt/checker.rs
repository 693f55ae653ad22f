//! A policy together with the keys that it goes with: what is configured, ready to check tokens.

use std::sync::Arc;

use super::claims::Claims;
use super::feed::Remote;
use super::keys::Keys;
use super::policy::{Policy, TokenError};
use crate::event::Millis;

/// Checks tokens. Clones share everything, and checking never waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    policy: Arc<Policy>,
    keys: Arc<Keys>,
    remote: Option<Arc<Remote>>,
}

impl Checker {
    /// With the keys that are configured, and where others are published.
    #[must_use]
    pub fn new(policy: Policy, keys: Keys, remote: Option<Arc<Remote>>) -> Self {
        Self { policy: Arc::new(policy), keys: Arc::new(keys), remote }
    }

    /// What is asked of a token.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The keys that are configured.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where others are published; to be bound to a feed.
    #[must_use]
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// Whether all keys that there should be have been seen once.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.keys().is_some())
    }

    /// Believes the token, or says why not. A token that newer keys could make good is refused now, and the keys are asked
    /// for: whoever sent it will find them when it tries again.
    ///
    /// # Errors
    /// [`TokenError`]; [`TokenError::NoKeys`] where the key may be among those that have never been fetched.
    pub fn check(&self, token: &str, now: Millis) -> Result<Claims, TokenError> {
        let Some(remote) = &self.remote else { return self.policy.check(&self.keys, token, now) };
        let Some(fetched) = remote.keys() else {
            return self.policy.check(&self.keys, token, now).map_err(|why| match why {
                TokenError::UnknownKey | TokenError::Signature => TokenError::NoKeys,
                other => other,
            });
        };
        let checked = self.policy.check_with(&[&self.keys, &fetched], token, now);
        if checked.as_ref().is_err_and(TokenError::doubts_keys) {
            remote.doubt();
        }
        checked
    }
}
