//! What the application that answers on a connection tells it: by when something must happen, and how it ends.
//!
//! HTTP code that proxies has one reader and one writer per connection and always polls at least one of them. So the
//! connection itself can keep the time: an armed deadline that passes makes its next read or write fail with
//! [`std::io::ErrorKind::TimedOut`]. That covers what no time-out of the HTTP library does, such as the time to the first
//! byte of an answer apart from the time between two bytes. A deadline fires once and is then off, so that a last answer
//! can still be written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// A handle on a connection; all clones are one. What it says holds until the request is answered.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<State>>);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The answer's first byte. Bytes on the connection change nothing.
    Answer,
    /// Any byte in either direction, each of which starts the time anew.
    Progress,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<Armed>,
    expired: Option<Wait>,
    stream: bool,
    keep_last_chunk: bool,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    wait: Wait,
    limit: Duration,
    since: Instant,
}

impl Control {
    /// Waits from now on, for at most `limit`. Replaces what was armed.
    pub fn arm(&self, wait: Wait, limit: Duration) {
        self.state().armed = Some(Armed { wait, limit, since: Instant::now() });
    }

    /// What expired, since the request began.
    #[must_use]
    pub fn expired(&self) -> Option<Wait> {
        self.state().expired
    }

    /// The answer has no end of its own: the connection is closed when the drain's window is over
    /// ([`crate::lifecycle::Phase::Ending`]). One that says so later than that must look at the phase itself.
    pub fn end_with_drain(&self) {
        self.state().stream = true;
    }

    /// The answer's body goes on after whoever writes it now has ended it: its last chunk stays in the connection until
    /// [`super::Conn::take_back_last_chunk`]. A connection that is closed before that has not said that the body is whole.
    pub fn keep_last_chunk(&self) {
        self.state().keep_last_chunk = true;
    }

    /// The next last chunk is the body's.
    pub(super) fn let_last_chunk_go(&self) {
        self.state().keep_last_chunk = false;
    }

    pub(super) fn keeps_last_chunk(&self) -> bool {
        self.state().keep_last_chunk
    }

    pub(super) fn ends_with_drain(&self) -> bool {
        self.state().stream
    }

    /// Waits until a deadline has passed that the connection did not notice, because nothing read or wrote: an app that
    /// neither takes a body nor answers makes the HTTP library wait for it alone.
    pub(super) async fn overdue(&self) {
        loop {
            let Some(at) = self.at() else {
                sleep(LOOK).await;
                continue;
            };
            sleep_until(at + GRACE).await;
            if self.at().is_some_and(|now| now <= at) {
                return;
            }
        }
    }

    /// As new, for the next request.
    pub(super) fn reset(&self) {
        *self.state() = State::default();
    }

    /// Bytes went over the connection.
    pub(super) fn touch(&self) {
        if let Some(armed) = &mut self.state().armed
            && armed.wait == Wait::Progress
        {
            armed.since = Instant::now();
        }
    }

    /// When it would fire.
    pub(super) fn at(&self) -> Option<Instant> {
        self.state().armed.map(Armed::at)
    }

    /// Fires if its time has come; then it is off.
    pub(super) fn fire(&self, now: Instant) -> Option<Wait> {
        let mut state = self.state();
        let armed = state.armed.filter(|armed| armed.at() <= now)?;
        (state.armed, state.expired) = (None, Some(armed.wait));
        Some(armed.wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn at(self) -> Instant {
        // A limit too large to add never comes.
        self.since.checked_add(self.limit).unwrap_or(self.since + FAR)
    }
}

/// How long a connection is given to notice its deadline by itself, and answer.
const GRACE: Duration = Duration::from_secs(1);
/// How often a request without a deadline is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// As good as never, and small enough to add to any instant.
const FAR: Duration = Duration::from_hours(365 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_due_whatever_else_moves_and_progress_starts_anew() {
        let control = Control::default();
        control.arm(Wait::Answer, SECOND);
        let due = control.at().unwrap();
        tokio::time::advance(SECOND / 2).await;
        control.touch();
        assert_eq!(control.at(), Some(due));

        control.arm(Wait::Progress, SECOND);
        tokio::time::advance(SECOND / 2).await;
        control.touch();
        assert_eq!(control.at(), Some(Instant::now() + SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn it_fires_once_and_remembers() {
        let control = Control::default();
        control.arm(Wait::Progress, SECOND);
        assert_eq!(control.fire(Instant::now()), None);
        tokio::time::advance(SECOND).await;
        assert_eq!(control.fire(Instant::now()), Some(Wait::Progress));
        assert_eq!(control.fire(Instant::now()), None);
        assert_eq!(control.expired(), Some(Wait::Progress));
        control.reset();
        assert_eq!(control.expired(), None);
    }
}
