//! What becomes of a webhook that the app does not take: what its sender is told, or that it is lost.

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::net::http::Answer;

/// Why there is no answer of the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// No connection: no address, nobody listens, or TLS failed. The app has seen nothing of the webhook.
    #[error("the app could not be reached")]
    Unreachable,
    /// Its time was over. It may have taken the webhook.
    #[error("the app did not answer in time")]
    TimedOut,
    /// The connection ended, or what came is no HTTP. It may have taken the webhook.
    #[error("the app's answer was cut off or is not valid")]
    Broken,
    /// The webhook has been here too often.
    #[error("the webhook goes round in circles")]
    Loop,
    /// As many are with the app as may be. It has seen nothing of the webhook.
    #[error("too many webhooks are being handed on")]
    Busy,
}

/// Why the app will not get a queued webhook, or may not have got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The app answered with a status that says not to try again: all but 2xx, 408, 425, 429 and 5xx.
    #[error("the app refused it")]
    Refused,
    /// Every retry failed.
    #[error("every retry failed")]
    Exhausted,
    /// There was no room in the queue.
    #[error("the queue is full")]
    Full,
    /// The process ended first. The app may have taken it just then.
    #[error("the process ends")]
    Ended,
    /// As [`RelayError::Loop`].
    #[error("the webhook goes round in circles")]
    Loop,
}

/// Seconds after which a sender may try again: connections become free with every answer.
const BUSY_SECONDS: u16 = 1;

impl RelayError {
    /// All of them, in the order of their indices.
    pub(super) const ALL: [Self; 5] =
        [Self::Unreachable, Self::TimedOut, Self::Broken, Self::Loop, Self::Busy];

    /// The label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::Loop => "loop",
            Self::Busy => "busy",
        }
    }

    /// What the sender is told, as the edge tells its callers: 502, 503, 504 or 508.
    #[must_use]
    pub fn answer(self) -> Answer {
        let status = match self {
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        let answer = Answer::problem(status, &self.to_string());
        match self {
            Self::Busy => answer.with(RETRY_AFTER, HeaderValue::from(BUSY_SECONDS)),
            _ => answer,
        }
    }
}

impl Lost {
    /// All of them, in the order of their indices.
    pub(super) const ALL: [Self; 5] = [Self::Refused, Self::Exhausted, Self::Full, Self::Ended, Self::Loop];

    /// The label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Full => "queue_full",
            Self::Ended => "ended",
            Self::Loop => "loop",
        }
    }
}
