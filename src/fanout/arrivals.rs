//! Tells those who wait for a page of history that something has come.
//!
//! They are few and patient, and look into the log themselves; all they need is a reason to. While nobody waits, the feeder
//! pays one load of a counter for each batch.
//!
//! Nothing is overlooked: whoever begins to wait is counted first and looks into the log second, and the feeder counts those
//! who wait after the log has shown what came. So one of the two sees the other.

use tokio::sync::watch;

/// The feeder's end.
#[derive(Debug)]
pub(super) struct Arrivals(watch::Sender<()>);

impl Default for Arrivals {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Arrivals {
    /// Something has come, and the log shows it.
    pub(super) fn tell(&self) {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(());
        }
    }

    /// Begins to wait.
    pub(super) fn listen(&self) -> Arrival {
        Arrival(self.0.subscribe())
    }
}

/// Waits for what comes, of whatever topic.
#[derive(Debug)]
pub struct Arrival(watch::Receiver<()>);

impl Arrival {
    /// Waits until something has come since this was made, or since it last answered. Pends for ever when nothing can come
    /// any more. Cancel-safe.
    pub async fn come(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_before_is_not_told_and_what_comes_after_is_told_once() {
        async fn has_come(arrival: &mut Arrival) -> bool {
            tokio::time::timeout(std::time::Duration::from_secs(1), arrival.come()).await.is_ok()
        }
        let arrivals = Arrivals::default();
        arrivals.tell();
        let mut one = arrivals.listen();
        assert!(!has_come(&mut one).await);
        arrivals.tell();
        arrivals.tell();
        assert!(has_come(&mut one).await && !has_come(&mut one).await);
        let mut other = arrivals.listen();
        arrivals.tell();
        assert!(has_come(&mut one).await && has_come(&mut other).await);
        drop(arrivals);
        assert!(!has_come(&mut one).await);
    }
}
