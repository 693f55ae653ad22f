//! What is kept of one source, across reloads: its queue's room, its turns with the app, its counters.
//!
//! A queued webhook is a task. It waits for its turn, is sent, and either is done with or waits aside, so that one that
//! fails holds up no other: turns begin about in the order in which webhooks came, and that is all that is promised. Senders
//! promise no more, since they send side by side and send again. Who needs an order has it in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Shared;
use super::connections::Asker;
use super::error::{Lost, RelayError};
use super::limits::{DRAIN_WAIT, IN_FLIGHT};
use super::metrics::SourceMetrics;
use super::reply::Verdict;
use super::room::{Place, Room};
use super::settings::{Mode, Plan, Queue};
use super::webhook::Kept;
use crate::lifecycle::Phase;
use crate::net::upstream::Resolver;
use crate::throttle::Throttle;

/// See the module's documentation.
pub(super) struct Lane {
    pub source: String,
    pub resolver: Resolver,
    pub room: Room,
    pub metrics: SourceMetrics,
    turns: Semaphore,
    said: Throttle,
}

/// A webhook that waits to be handed on. Dropped before its end is known, it is lost.
pub(super) struct Queued {
    lane: Arc<Lane>,
    kept: Kept,
    /// As it was when the webhook came. The current one is used while the source has one.
    plan: Arc<Plan>,
    /// As it was then.
    queue: Queue,
    place: Option<Place>,
}

impl Lane {
    pub(super) fn new(source: &str, metrics: SourceMetrics) -> Self {
        Self {
            source: source.to_owned(),
            resolver: Resolver::default(),
            room: Room::default(),
            metrics,
            turns: Semaphore::new(IN_FLIGHT),
            said: Throttle::default(),
        }
    }

    /// Counts what the app will not get, and says so, once in a while.
    pub(super) fn lost(&self, lost: Lost) {
        self.metrics.lost(lost);
        // What the process's end loses is said in one line by who ends it.
        if lost != Lost::Ended
            && let Some(left_out) = self.said.pass(Instant::now())
        {
            tracing::warn!(
                source = self.source,
                reason = lost.as_str(),
                left_out,
                "a webhook is lost to the app: {lost}"
            );
        }
    }
}

impl Queued {
    pub(super) fn new(lane: &Arc<Lane>, kept: Kept, plan: &Arc<Plan>, queue: Queue, place: Place) -> Self {
        lane.metrics.queued.inc();
        lane.metrics.queued_bytes.add(gauged(place.bytes()));
        Self { lane: Arc::clone(lane), kept, plan: Arc::clone(plan), queue, place: Some(place) }
    }

    /// Hands it on, or loses it.
    pub(super) async fn run(mut self, shared: Arc<Shared>) {
        let mut over = shared.over.subscribe();
        let end = tokio::select! {
            biased;
            end = self.deliver(&shared) => end,
            _ = over.wait_for(|over| *over) => Err(Lost::Ended),
        };
        self.settle(end);
    }

    async fn deliver(&self, shared: &Shared) -> Result<(), Lost> {
        let mut failures = 0;
        loop {
            let plan = shared.plans.load().of(&self.lane.source).cloned();
            let plan = plan.unwrap_or_else(|| Arc::clone(&self.plan));
            let told = match self.attempt(shared, &plan).await? {
                Verdict::Taken => return Ok(()),
                Verdict::Refused => return Err(Lost::Refused),
                Verdict::Later(told) => told,
            };
            // A reload may have made the source's mode one without a queue: what waits already keeps to the old one.
            let queue = if let Mode::Queued(queue) = &plan.mode { queue } else { &self.queue };
            failures += 1;
            if failures > queue.retries {
                return Err(Lost::Exhausted);
            }
            shared.wait(queue.backoff.wait(failures, told, fastrand::f64())).await;
            self.lane.metrics.retries.inc();
        }
    }

    /// Once, in its turn.
    async fn attempt(&self, shared: &Shared, plan: &Plan) -> Result<Verdict, Lost> {
        let _turn = self.lane.turns.acquire().await;
        let asked = async {
            let outgoing = self.kept.outgoing().map_err(|_| RelayError::Broken)?;
            shared.connections.ask(&self.lane.resolver, plan, &outgoing, Asker::Queue).await
        };
        // Most wait for their turn: those do not hold the room that an attempt takes.
        match Box::pin(asked).await {
            Ok(reply) => Ok(reply.verdict((shared.clock)())),
            Err(RelayError::Loop) => Err(Lost::Loop),
            Err(error) => {
                tracing::debug!(
                    source = self.lane.source,
                    reason = error.as_str(),
                    "a webhook was not taken"
                );
                Ok(Verdict::Later(None))
            }
        }
    }

    fn settle(&mut self, end: Result<(), Lost>) {
        let Some(place) = self.place.take() else { return };
        self.lane.metrics.queued.dec();
        self.lane.metrics.queued_bytes.sub(gauged(place.bytes()));
        match end {
            Ok(()) => self.lane.metrics.relayed.inc(),
            Err(lost) => self.lane.lost(lost),
        }
        // Given back once it is counted, so that who waits for an empty room finds all counted.
        drop(place);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.settle(Err(Lost::Ended));
    }
}

/// Bytes as a gauge takes them. A room has far fewer.
fn gauged(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Shared {
    /// Waits, and not for long once a drain has begun.
    async fn wait(&self, wait: Duration) {
        let draining = async {
            self.lifecycle.reached(Phase::Draining).await;
            tokio::time::sleep(wait.min(DRAIN_WAIT)).await;
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = draining => {}
        }
    }
}
