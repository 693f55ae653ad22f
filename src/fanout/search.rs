//! Reads that may take long: of all that patterns match, however many topics there are.
//!
//! What one topic holds is found at once, by whoever asks. What patterns match is looked for: on the fetcher's thread and
//! not on those that accept, proxy and answer, few at one time, and in slices between which pages of history have their
//! turn. So many of them only wait for each other.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::limits::{SEARCH_WAIT, SEARCHES};
use super::panic::EndOnPanic;
use super::{Fanout, Refused};
use crate::event::Selector;
use crate::log::ReadError;

/// Where searches run, and how many may.
pub(super) struct Searches {
    runtime: Handle,
    room: Arc<Semaphore>,
}

impl Searches {
    /// They run on `runtime`, a thread that nobody waits for who is at the live end.
    pub fn on(runtime: Handle) -> Self {
        Self { runtime, room: Arc::new(Semaphore::new(SEARCHES)) }
    }
}

impl Fanout {
    /// Does `work`, which reads from the log what `selector` matches.
    ///
    /// # Errors
    /// [`Refused::Searches`] when others took all the room for [`SEARCH_WAIT`], [`Refused::Log`] when it could not be read.
    /// Both are counted.
    pub async fn search<T: Send + 'static>(
        &self,
        selector: &Selector,
        work: impl Future<Output = Result<T, ReadError>> + Send + 'static,
    ) -> Result<T, Refused> {
        let done = match selector {
            Selector::Topic(_) => work.await,
            Selector::Patterns(_) => self.search_in_turn(work).await?,
        };
        done.map_err(|error| {
            tracing::debug!(%error, "history could not be read");
            self.turned_away(Refused::Log)
        })
    }

    async fn search_in_turn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ReadError>> + Send + 'static,
    ) -> Result<Result<T, ReadError>, Refused> {
        let Searches { runtime, room } = &self.searches;
        let Ok(Ok(room)) = timeout(SEARCH_WAIT, Arc::clone(room).acquire_owned()).await else {
            return Err(self.turned_away(Refused::Searches));
        };
        let searching = runtime.spawn(async move {
            // Whoever waits for it would get no answer.
            let _guard = EndOnPanic("a search");
            let done = work.await;
            drop(room);
            done
        });
        // It is not aborted, and its thread ends with the process.
        Ok(searching.await.unwrap_or(Err(ReadError::Unavailable("the server is ending"))))
    }

    pub(super) fn turned_away(&self, refused: Refused) -> Refused {
        self.refused(refused);
        refused
    }
}
