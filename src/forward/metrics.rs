//! What is counted of what the app is asked.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::error::{AppRefusal, Failure};
use crate::auth::AppWord;

/// The metrics. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    admitted: IntCounter,
    unauthorized: IntCounter,
    forbidden: IntCounter,
    failed: [IntCounter; Failure::LABELS.len()],
    /// Answered from what was kept.
    pub(super) kept: IntCounter,
    /// Answered along with an equal question.
    pub(super) joined: IntCounter,
}

impl Metrics {
    /// Makes and registers `sidestream_forward_requests_total{outcome}`, questions by what came of them (`admitted`,
    /// `app_401`, `app_403`, and why there was no word: `unset`, `unreachable`, `timed_out`, `broken`, `busy`, `loop`,
    /// `status`, `malformed`), and `sidestream_forward_saved_total{reason}`, subscribers for whom the app was not asked
    /// again: `kept`, `joined`.
    ///
    /// # Errors
    /// When one of their names is taken.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "sidestream_forward_requests_total",
                "Questions to the app who may listen, by what came of them.",
            ),
            &["outcome"],
        )?;
        let saved = IntCounterVec::new(
            Opts::new(
                "sidestream_forward_saved_total",
                "Subscribers for whom the app was not asked again, by why.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(saved.clone()))?;
        let outcome = |outcome: &str| requests.with_label_values(&[outcome]);
        Ok(Self {
            admitted: outcome("admitted"),
            unauthorized: outcome("app_401"),
            forbidden: outcome("app_403"),
            failed: Failure::LABELS.map(outcome),
            kept: saved.with_label_values(&["kept"]),
            joined: saved.with_label_values(&["joined"]),
        })
    }

    /// One question is over.
    pub(super) fn told(&self, told: &Result<AppWord, AppRefusal>) {
        match told {
            Ok(_) => &self.admitted,
            Err(AppRefusal::Unauthorized { .. }) => &self.unauthorized,
            Err(AppRefusal::Forbidden) => &self.forbidden,
            Err(AppRefusal::Failed(failure)) => &self.failed[failure.index()],
        }
        .inc();
    }
}
