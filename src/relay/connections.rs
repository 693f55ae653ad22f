//! One attempt: a connection to the app, the request, the answer.
//!
//! A request that the app can't have taken goes out again at once ([`Repeat::Unsent`]). When it was handed over whole, the app
//! may have taken it and have ended before its answer: that is the caller's to decide (a sender that waits is told, a queue
//! tries again).

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::error::RelayError;
use super::reply::{Extent, Reply};
use super::settings::Plan;
use super::webhook::Outgoing;
use crate::net::client::{Begun, Client, ClientError, Repeat, Request};
use crate::net::upstream::Resolver;
use crate::net::{Roots, UpstreamTimeouts};

/// The connections to all apps.
pub(super) struct Connections {
    client: Client,
    all: Semaphore,
    /// Those that queues may have of them: half, so that no queue keeps senders that wait from theirs.
    queues: Semaphore,
}

/// Who asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A sender waits for the answer.
    Sender,
    /// Nobody does.
    Queue,
}

impl Connections {
    /// `total`: in use and idle together.
    pub(super) fn new(roots: &Roots, total: usize) -> Self {
        let in_use = (total / 2).clamp(2, Semaphore::MAX_PERMITS);
        Self {
            client: Client::new(roots, (total / 2).max(1)),
            all: Semaphore::new(in_use),
            queues: Semaphore::new(in_use / 2),
        }
    }

    /// Asks the app once, within the plan's time.
    pub(super) async fn ask(
        &self,
        resolver: &Resolver,
        plan: &Plan,
        outgoing: &Outgoing,
        asker: Asker,
    ) -> Result<Reply, RelayError> {
        let _turn = match asker {
            Asker::Sender => None,
            // A queue waits for its turn outside of the time that the app has.
            Asker::Queue => Some(permit(&self.queues).await?),
        };
        let deadline = Instant::now() + plan.timeout;
        let _connection = timeout_at(deadline, permit(&self.all)).await.map_err(|_| RelayError::Busy)??;
        let begun = timeout_at(deadline, self.request(resolver, plan, outgoing)).await;
        let mut begun = begun.map_err(|_| RelayError::TimedOut)??;
        let reply = Reply::read(&mut begun.session, &begun.head, deadline).await;
        // What is cut off has more to come: its connection ends here.
        if reply.extent == Extent::Whole {
            let _ = timeout_at(deadline, self.client.keep(begun)).await;
        }
        Ok(reply)
    }

    /// Sends the request and reads the answer's head.
    async fn request(
        &self,
        resolver: &Resolver,
        plan: &Plan,
        outgoing: &Outgoing,
    ) -> Result<Begun, RelayError> {
        let timeouts = UpstreamTimeouts::all(plan.timeout);
        let app = resolver.app(plan.to.server().clone(), timeouts).await;
        let app = app.map_err(|_| RelayError::Unreachable)?;
        let head = outgoing.head(&plan.to).map_err(|_| RelayError::Broken)?;
        let request = Request { head: &head, body: &outgoing.body, repeat: Repeat::Unsent };
        Ok(self.client.ask(app, &request).await?)
    }
}

impl From<ClientError> for RelayError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable => Self::Unreachable,
            ClientError::Broken => Self::Broken,
        }
    }
}

async fn permit(semaphore: &Semaphore) -> Result<SemaphorePermit<'_>, RelayError> {
    // They are never closed.
    semaphore.acquire().await.map_err(|_| RelayError::Busy)
}
