//! What is handed on, where to, and what becomes of what fails: one [`Plan`] per source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::limits::{QUEUE_BYTES, QUEUE_DELIVERIES, RETRIES, TIMEOUT, WAITS};
use crate::net::{Upstream, Url};

/// The plans of all sources that have one, by the source's name. All of it is replaced by a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plans(BTreeMap<String, Arc<Plan>>);

impl Plans {
    /// A source's plan.
    #[must_use]
    pub fn of(&self, source: &str) -> Option<&Arc<Plan>> {
        self.0.get(source)
    }
}

impl FromIterator<(String, Plan)> for Plans {
    fn from_iter<I: IntoIterator<Item = (String, Plan)>>(plans: I) -> Self {
        Self(plans.into_iter().map(|(source, plan)| (source, Arc::new(plan))).collect())
    }
}

/// How one source's verified webhooks are handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where to.
    pub to: To,
    /// When, and who hears of the answer.
    pub mode: Mode,
    /// How long the app has for one attempt, from its beginning to the last byte of the answer.
    pub timeout: Duration,
}

impl Plan {
    /// The default: from a queue, once the log has the delivery.
    #[must_use]
    pub fn to(to: To) -> Self {
        Self { to, mode: Mode::Queued(Queue::default()), timeout: TIMEOUT }
    }
}

/// Where webhooks are handed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A server, such as the edge's `upstream`: path, query and `Host` are the webhook's own, as if the edge had passed it
    /// on.
    Server(Upstream),
    /// One URL: path, query and `Host` are the URL's.
    Url(Url),
}

impl To {
    pub(super) fn server(&self) -> &Upstream {
        match self {
            Self::Server(server) => server,
            Self::Url(url) => url.server(),
        }
    }
}

/// When a webhook is handed on, and what its answer is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Before the log. The app's answer is the sender's, and unless it is a 2xx nothing is published. What the app took and
    /// the log then did not, the sender sends again: the app gets it twice.
    Before,
    /// After the log, which has the delivery whatever the app says. The app's answer is the sender's; after another than a
    /// 2xx most senders send again, which publishes nothing new where the source has a dedupe key.
    After,
    /// After the log, from a queue in memory; the sender's answer does not wait for it. What is still in the queue when the
    /// process is killed, or the drain's time is over, is lost to the app; the log has it.
    Queued(Queue),
}

/// `when` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the log.
    Before,
    /// After it.
    After,
}

/// `mode` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The sender waits for the app.
    Sync,
    /// It does not.
    Async,
}

/// Why there is no such mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "before with async would hand on what may never be published, and refuse nothing; expected before with sync, or after"
)]
pub struct Useless;

impl Mode {
    /// The mode that a configuration names.
    ///
    /// # Errors
    /// [`Useless`].
    pub fn of(when: When, how: How, queue: Queue) -> Result<Self, Useless> {
        match (when, how) {
            (When::Before, How::Sync) => Ok(Self::Before),
            (When::After, How::Sync) => Ok(Self::After),
            (When::After, How::Async) => Ok(Self::Queued(queue)),
            (When::Before, How::Async) => Err(Useless),
        }
    }
}

/// Bounds on what waits to be handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How often one webhook is sent again; 0 for never.
    pub retries: u32,
    /// Webhooks at most; what comes to a full queue is lost to the app.
    pub deliveries: usize,
    /// Bytes of them at most.
    pub bytes: usize,
    /// How long is waited before one is sent again.
    pub backoff: Backoff,
}

impl Default for Queue {
    fn default() -> Self {
        let backoff = Backoff { first: WAITS.0, most: WAITS.1 };
        Self { retries: RETRIES, deliveries: QUEUE_DELIVERIES, bytes: QUEUE_BYTES, backoff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_a_mode_but_one() {
        let of = |when, how| Mode::of(when, how, Queue::default());
        assert_eq!(of(When::Before, How::Sync), Ok(Mode::Before));
        assert_eq!(of(When::After, How::Sync), Ok(Mode::After));
        assert_eq!(of(When::After, How::Async), Ok(Mode::Queued(Queue::default())));
        let refused = of(When::Before, How::Async).unwrap_err().to_string();
        assert!(refused.contains("expected before with sync, or after"), "{refused}");
    }
}
