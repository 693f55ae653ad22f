//! Asks the app who may listen (`access: forward`; contract, section 5).
//!
//! A subscriber's request becomes a question (`request`): a `GET` of one URL that tells of it. If an equal one was admitted a
//! moment ago that still counts (`cache`); if an equal one is open its word is this one's too (`flight`); otherwise it is
//! carried to the app, and its answer's head read (`word`).
//!
//! What it keeps:
//! - only a 2xx that is understood whole admits; 401 and 403 are the app's no; all else is a failure, which is logged, told
//!   apart in a metric, and never kept;
//! - nobody gets the word that another got unless the app would have been told the very same of both;
//! - whoever asks has an answer within the configured time, whoever else comes and goes;
//! - questions, connections, what is read of an answer, and what is kept are bounded ([`limits`]).

mod cache;
mod error;
mod flight;
pub mod limits;
mod metrics;
mod request;
mod word;

use std::sync::Arc;

use pingora::http::RequestHeader;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use self::error::{AppRefusal, Failure};
use self::flight::{Board, Flight, Next};
use self::limits::BODY_BYTES;
pub use self::metrics::Metrics;
use self::request::Question;
use crate::auth::{AppWord, ForwardSettings};
use crate::event::{Millis, Selector};
use crate::net::client::{Begun, Client, Repeat, Request};
use crate::net::http::Way;
use crate::net::upstream::Resolver;
use crate::net::{Roots, UpstreamTimeouts};
use crate::throttle::Throttle;

/// What the app is asked with.
pub struct Parts {
    /// What is counted.
    pub metrics: Metrics,
    /// Who vouches for the app's certificate.
    pub roots: Roots,
    /// Connections at most, in use and idle ([`crate::net::Budget::forward`]).
    pub connections: usize,
    /// The wall clock, for the end of an admission.
    pub clock: fn() -> Millis,
}

/// A request that wants to listen.
pub struct Ask<'a> {
    /// Its head, as it came.
    pub head: &'a RequestHeader,
    /// How it came here, as far as that is believed.
    pub way: Way,
    /// What it asks for.
    pub wanted: &'a Selector,
}

/// What came of a question.
type Told = Result<AppWord, AppRefusal>;

/// See the module's documentation. Clones are one.
#[derive(Clone)]
pub struct Forward(Arc<Shared>);

struct Shared {
    client: Client,
    resolver: Resolver,
    /// Connections in use.
    turns: Semaphore,
    board: Arc<Board>,
    metrics: Metrics,
    lines: Throttle,
    clock: fn() -> Millis,
}

impl Forward {
    /// Nothing is connected to before there is somebody to ask about.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let half = (parts.connections / 2).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            client: Client::new(&parts.roots, half),
            resolver: Resolver::default(),
            turns: Semaphore::new(half),
            board: Arc::default(),
            metrics: parts.metrics,
            lines: Throttle::default(),
            clock: parts.clock,
        }))
    }

    /// Asks the app whether the request may listen. `settings` are those of the moment the request came. Takes no longer than
    /// they say, and may be dropped at any time. Must be called within a runtime.
    ///
    /// # Errors
    /// [`AppRefusal`]; a failure has been logged and counted.
    pub async fn ask(&self, settings: Option<&ForwardSettings>, ask: Ask<'_>) -> Result<AppWord, AppRefusal> {
        let Some(settings) = settings else { return self.0.failed(Failure::Unset) };
        let question = match Question::new(&ask, settings) {
            Ok(question) => question,
            Err(failure) => return self.0.failed(failure),
        };
        let next = self.0.board.take(question.key, question.size(), settings.cache, (self.0.clock)());
        match next {
            Next::Kept(word) => {
                self.0.metrics.kept.inc();
                Ok(word)
            }
            Next::Join(landing) => {
                self.0.metrics.joined.inc();
                flight::word(landing).await
            }
            Next::Carry(flight, landing) => {
                tokio::spawn(Arc::clone(&self.0).carry(flight, question, settings.clone()));
                flight::word(landing).await
            }
            Next::Full => self.0.failed(Failure::Busy),
        }
    }
}

impl Shared {
    /// Takes a question to the app and lands its word.
    async fn carry(self: Arc<Self>, flight: Flight, question: Question, settings: ForwardSettings) {
        let deadline = Instant::now() + settings.timeout;
        let turn = timeout_at(deadline, self.turns.acquire()).await;
        let asked = match &turn {
            Ok(Ok(_)) => {
                let asked = timeout_at(deadline, self.request(&question, &settings)).await;
                asked.unwrap_or(Err(Failure::TimedOut))
            }
            // They are never closed.
            Ok(Err(_)) | Err(_) => Err(Failure::Busy),
        };
        let told = match &asked {
            Ok(begun) => word::read(&begun.head, (self.clock)()),
            Err(failure) => Err(AppRefusal::Failed(*failure)),
        };
        self.count(&told);
        // What lets in is kept, and no refusal: one that is narrowed to something else comes to a 403.
        let lets_in = told.as_ref().is_ok_and(|word| word::covers(word, &question.wanted));
        flight.land(told, settings.cache.filter(|_| lets_in));
        if let Ok(begun) = asked {
            // Nobody waits for it any more, but for the turn.
            let _ = timeout_at(deadline, self.client.discard(begun, BODY_BYTES)).await;
        }
    }

    /// Sends the question and reads the answer's head.
    async fn request(&self, question: &Question, settings: &ForwardSettings) -> Result<Begun, Failure> {
        let server = settings.url.server().clone();
        let app = self.resolver.app(server, UpstreamTimeouts::all(settings.timeout)).await;
        let app = app.map_err(|_| Failure::Unreachable)?;
        let request = Request { head: &question.head, body: &[], repeat: Repeat::Safe };
        Ok(self.client.ask(app, &request).await?)
    }

    fn failed(&self, failure: Failure) -> Told {
        let told = Err(AppRefusal::Failed(failure));
        self.count(&told);
        told
    }

    fn count(&self, told: &Told) {
        self.metrics.told(told);
        if let Err(AppRefusal::Failed(failure)) = told
            && let Some(left_out) = self.lines.pass(std::time::Instant::now())
        {
            tracing::warn!(left_out, "who may listen is not known, so nobody is let in: {failure}");
        }
    }
}

#[cfg(test)]
mod tests;
