//! Hands verified webhooks on to the app, byte for byte.
//!
//! A source that has a [`Plan`] has its webhooks handed on in one of three ways ([`Mode`]): while the sender waits, before the
//! log or after it ([`Relay::send`]), or after the log from a queue ([`Relay::queue`]). Whoever has verified the webhook calls
//! them, in this order:
//!
//! - `Before`: send; unless the answer is a 2xx it is the sender's and nothing is published; then the log; then the app's
//!   answer is the sender's.
//! - `After`: the log; then send, and the app's answer is the sender's. A duplicate is sent too: its sender has not had the
//!   answer, or not the one it wanted.
//! - `Queued`: the log; then queue, unless it was a duplicate, which is in the queue or through it already. What the log may
//!   have is queued too, as its retry may be a duplicate. The sender's answer does not change.
//!
//! What it keeps:
//! - the app gets the sender's bytes, so that it can verify the signature itself (`webhook`);
//! - no attempt is longer than its plan's time, no queue larger than its room (`room`), no answer larger in memory than
//!   [`limits::REPLY_BYTES`];
//! - while a sender waits its webhook is never sent twice, unless the app can't have taken the first (`connections`);
//!   from a queue it may be, and each is either taken or counted as lost;
//! - one source's failing app holds up no other source: each has its own turns and room (`lane`).
//!
//! The queue is memory: what is in it when the process is killed is lost to the app, uncounted. `docs/relay.md` says so.

mod backoff;
mod connections;
mod error;
mod lane;
pub mod limits;
mod metrics;
mod reply;
mod room;
mod settings;
mod webhook;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::timeout;

pub use self::backoff::Backoff;
use self::connections::{Asker, Connections};
pub use self::error::{Lost, RelayError};
use self::lane::{Lane, Queued};
use self::limits::{ALL_BYTES, DELIVERY_BYTES, LAST_COUNT};
pub use self::metrics::Metrics;
pub use self::reply::{Extent, Reply};
use self::room::{Held, Place, Room};
pub use self::settings::{How, Mode, Plan, Plans, Queue, To, Useless, When};
use self::webhook::Outgoing;
pub use self::webhook::Webhook;
use crate::event::Millis;
use crate::lifecycle::Lifecycle;
use crate::live::Live;
use crate::net::Roots;
pub use crate::net::{Url, UrlError};

/// What a relay is made of.
pub struct Parts {
    /// The sources' plans. A reload replaces them, also for what is queued.
    pub plans: Live<Plans>,
    /// During a drain what waits is tried again within a second.
    pub lifecycle: Lifecycle,
    /// What is counted.
    pub metrics: Metrics,
    /// Who vouches for an app's certificate.
    pub roots: Roots,
    /// Connections at most, in use and idle ([`crate::net::Budget::relay`]).
    pub connections: usize,
    /// The wall clock, for an app that says until when to wait.
    pub clock: fn() -> Millis,
}

/// See the module's documentation. Clones are one.
#[derive(Clone)]
pub struct Relay(Arc<Shared>);

struct Shared {
    plans: Live<Plans>,
    lifecycle: Lifecycle,
    metrics: Metrics,
    clock: fn() -> Millis,
    connections: Connections,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    /// What all queues hold.
    room: Room,
    /// Whether what waits is given up.
    over: watch::Sender<bool>,
}

impl Relay {
    /// Nothing is connected to before there is something to hand on.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            connections: Connections::new(&parts.roots, parts.connections),
            plans: parts.plans,
            lifecycle: parts.lifecycle,
            metrics: parts.metrics,
            clock: parts.clock,
            lanes: Mutex::default(),
            room: Room::default(),
            over: watch::Sender::new(false),
        }))
    }

    /// The source's plan now; none when its webhooks are not handed on. To be asked once per webhook.
    #[must_use]
    pub fn plan(&self, source: &str) -> Option<Arc<Plan>> {
        self.0.plans.load().of(source).cloned()
    }

    /// Hands a webhook on and waits for the app's answer, whatever its status.
    ///
    /// # Errors
    /// [`RelayError`], which has an answer for the sender.
    pub async fn send(&self, source: &str, plan: &Plan, webhook: Webhook<'_>) -> Result<Reply, RelayError> {
        let lane = self.0.lane(source);
        let asked = match Outgoing::new(webhook, &plan.to) {
            None => Err(RelayError::Loop),
            // What was read as a request is one.
            Some(Err(_)) => Err(RelayError::Broken),
            Some(Ok(outgoing)) => {
                self.0.connections.ask(&lane.resolver, plan, &outgoing, Asker::Sender).await
            }
        };
        match &asked {
            Ok(reply) if reply.is_success() => lane.metrics.relayed.inc(),
            Ok(_) => lane.metrics.refused(),
            Err(error) => lane.metrics.failed(*error),
        }
        if matches!(&asked, Ok(reply) if reply.extent == Extent::Cut) {
            lane.metrics.cut.inc();
        }
        asked
    }

    /// Takes a webhook to be handed on by and by. Must be called within a runtime that lasts until the drain.
    ///
    /// # Errors
    /// [`Lost`], which is counted and changes no answer.
    pub fn queue(&self, source: &str, plan: &Arc<Plan>, webhook: Webhook<'_>) -> Result<(), Lost> {
        let lane = self.0.lane(source);
        let queued = self.0.admit(&lane, plan, webhook).inspect_err(|lost| lane.lost(*lost))?;
        let run = queued.run(Arc::clone(&self.0));
        debug_assert!(size_of_val(&run) <= DELIVERY_BYTES / 2, "a task fits into what it is counted with");
        tokio::spawn(run);
        Ok(())
    }

    /// Waits until no queue holds anything. During a drain, to be awaited within its time once nothing is queued any more;
    /// then [`Relay::abandon`].
    pub async fn flushed(&self) {
        self.0.room.empty().await;
    }

    /// Gives up what waits: it is counted as lost, and so many are logged, by source, and returned.
    pub async fn abandon(&self) -> usize {
        let lanes: Vec<_> = self.0.lanes().values().cloned().collect();
        let mut total = 0;
        for lane in lanes {
            let lost = lane.room.held().deliveries;
            if lost > 0 {
                tracing::warn!(source = lane.source, lost, "webhooks are lost to the app: the process ends");
            }
            total += lost;
        }
        self.0.over.send_replace(true);
        let _ = timeout(LAST_COUNT, self.flushed()).await;
        total
    }
}

impl Shared {
    fn admit(&self, lane: &Arc<Lane>, plan: &Arc<Plan>, webhook: Webhook<'_>) -> Result<Queued, Lost> {
        let queue = match &plan.mode {
            Mode::Queued(queue) => queue.clone(),
            Mode::Before | Mode::After => Queue::default(),
        };
        if *self.over.borrow() {
            return Err(Lost::Ended);
        }
        let outgoing = match Outgoing::new(webhook, &plan.to) {
            None => return Err(Lost::Loop),
            Some(outgoing) => outgoing.map_err(|_| Lost::Refused)?,
        };
        let kept = outgoing.keep();
        let bytes = kept.size() + DELIVERY_BYTES;
        let own = Held { deliveries: queue.deliveries, bytes: queue.bytes };
        let all = Held { deliveries: usize::MAX, bytes: ALL_BYTES };
        let place = Place::take([(&lane.room, own), (&self.room, all)], bytes).ok_or(Lost::Full)?;
        Ok(Queued::new(lane, kept, plan, queue, place))
    }

    fn lane(&self, source: &str) -> Arc<Lane> {
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get(source) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane::new(source, self.metrics.source(source)));
        lanes.insert(source.to_owned(), Arc::clone(&lane));
        lane
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
