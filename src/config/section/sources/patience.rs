//! How long a sender waits, and what of that the log and the app have.

use std::time::Duration;

use super::At;
use crate::config::written::show_duration;
use crate::ingress::{APPEND_TIME, Source};
use crate::relay::{Mode, Plan};

/// How long they may take where the configuration does not say: below the sender's own time-out together, so that what it is
/// told is an honest 503 and not nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// The log.
    pub log: Duration,
    /// The app, where the sender waits for it; none: as long as it usually has.
    pub app: Option<Duration>,
}

/// Whether the sender waits for the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// For the log alone.
    ForLog,
    /// For the app too.
    ForBoth,
}

impl Shares {
    /// Of a sender that waits so long. A sixth is for the way there and back.
    pub fn of(patience: Option<Duration>, waits: Waits) -> Self {
        let Some(usable) = patience.map(|patience| patience * 5 / 6) else {
            return Self { log: APPEND_TIME, app: None };
        };
        match waits {
            Waits::ForLog => Self { log: usable.min(APPEND_TIME), app: None },
            Waits::ForBoth => Self { log: (usable / 2).min(APPEND_TIME), app: Some(usable / 2) },
        }
    }
}

/// Warns where log and app may together take longer than the sender waits.
pub(super) fn check(source: &Source, plan: Option<&Plan>, at: &mut At<'_, '_, '_>) {
    let Some(patience) = source.scheme.facts().patience else { return };
    let app = plan.filter(|plan| matches!(plan.mode, Mode::Before | Mode::After)).map(|plan| plan.timeout);
    let most = source.respond.append_time() + app.unwrap_or_default();
    if most >= patience {
        let message = format!(
            "{} waits {} for its answer, and log and app may take {} together; expected less",
            source.scheme.name(),
            show_duration(patience),
            show_duration(most),
        );
        let (deadline, timeout) = (at.key("respond.deadline"), at.key("relay.timeout"));
        match app {
            Some(_) => at.check.warn(&[&timeout, &deadline], message),
            None => at.check.warn(&[&deadline], message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_and_app_have_less_together_than_the_sender_waits() {
        let secs = Duration::from_secs;
        for (patience, waits, log, app) in [
            (None, Waits::ForLog, APPEND_TIME, None),
            (None, Waits::ForBoth, APPEND_TIME, None),
            (Some(secs(3)), Waits::ForLog, Duration::from_millis(2500), None),
            (Some(secs(3)), Waits::ForBoth, Duration::from_millis(1250), Some(Duration::from_millis(1250))),
            (Some(secs(60)), Waits::ForLog, APPEND_TIME, None),
            (Some(secs(60)), Waits::ForBoth, APPEND_TIME, Some(secs(25))),
        ] {
            assert_eq!(Shares::of(patience, waits), Shares { log, app }, "{patience:?} {waits:?}");
        }
    }
}
