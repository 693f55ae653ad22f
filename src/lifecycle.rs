//! Where the process stands between start and exit. One writer (the application), many readers.

use tokio::sync::watch;

/// The phases, in order; the process never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Listeners are bound, the log is recovering.
    Starting,
    /// Everything is served.
    Serving,
    /// Told to end: not ready, but all is still served, so that load balancers can look away first (`drain.delay`).
    Leaving,
    /// Ingress answers 503, new subscribers get the overload answer, streams close over the window, keep-alive ends.
    Draining,
    /// The window is over: proxied streams and `WebSocket`s end too.
    Ending,
}

/// The reading side: clone freely.
#[derive(Clone, Debug)]
pub struct Lifecycle(watch::Receiver<Phase>);

impl Lifecycle {
    /// The pair of writer and reader, at [`Phase::Starting`].
    #[must_use]
    pub fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Starting);
        (sender, Self(receiver))
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until `phase` or a later one. Pends for ever when the writer is gone before that.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| *now >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
