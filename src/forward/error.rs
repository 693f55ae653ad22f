//! Why the app does not let somebody listen, or has not said so.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::net::client::ClientError;

/// No admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppRefusal {
    /// 401: the app does not know who asks.
    Unauthorized {
        /// The app's `WWW-Authenticate`, line by line, to be passed on; may be none.
        challenges: Arc<[HeaderValue]>,
    },
    /// 403: it does, and says no.
    Forbidden,
    /// It has said nothing that counts: the overload answer. Already logged.
    Failed(Failure),
}

impl AppRefusal {
    /// For `auth_failures_total{reason}`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "app_401",
            Self::Forbidden => "app_403",
            Self::Failed(_) => "app_failed",
        }
    }
}

/// Why the app's word is not there. Quotes nothing of what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing says whom to ask.
    #[error("auth.forward is not configured")]
    Unset,
    /// No address, nobody listens, or TLS failed.
    #[error("the app could not be reached")]
    Unreachable,
    /// Its time was over.
    #[error("the app did not answer in time")]
    TimedOut,
    /// The connection ended, or what came is no HTTP.
    #[error("the app's answer was cut off or is not valid")]
    Broken,
    /// As many are being asked as may be.
    #[error("too many questions wait for the app")]
    Busy,
    /// The question has been here too often: `auth.forward.url` leads back to the edge's prefix.
    #[error("the question goes round in circles")]
    Loop,
    /// A redirect, which is not followed.
    #[error("the app answered {0}, a redirect, which is not followed; expected 2xx, 401 or 403")]
    Redirect(StatusCode),
    /// Neither 2xx nor 401 nor 403.
    #[error("the app answered {0}; expected 2xx, 401 or 403")]
    Status(StatusCode),
    /// The answer's head is longer than [`super::limits`] allows.
    #[error("the head of the app's answer is too long")]
    Head,
    /// `Sidestream-Topics` is no list of patterns.
    #[error(
        "Sidestream-Topics of the app's answer is not a list of at most 256 patterns, separated by commas"
    )]
    Topics,
    /// `Sidestream-Expires` is no time, or one that is over.
    #[error(
        "Sidestream-Expires of the app's answer is not one time to come: seconds from now, seconds since 1970, or a date"
    )]
    Expires,
}

impl Failure {
    /// The labels of the metric, in the order of their indices.
    pub(super) const LABELS: [&str; 8] =
        ["unset", "unreachable", "timed_out", "broken", "busy", "loop", "status", "malformed"];

    /// Which of them it is counted under.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Unset => 0,
            Self::Unreachable => 1,
            Self::TimedOut => 2,
            Self::Broken => 3,
            Self::Busy => 4,
            Self::Loop => 5,
            Self::Redirect(_) | Self::Status(_) => 6,
            Self::Head | Self::Topics | Self::Expires => 7,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable => Self::Unreachable,
            ClientError::Broken => Self::Broken,
        }
    }
}
