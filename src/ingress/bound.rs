//! What lives on under a source's name while its settings are replaced: limits, counts and the last error.
//!
//! The sources come with the settings, as a value that a reload replaces. The first request that sees another value binds
//! its sources to what is known by their names; all others find that done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::metrics::{Metrics, SourceMetrics};
use super::outcome::Refusal;
use super::rate::{AddressLimit, SourceLimit};
use super::route::Routed;
use super::source::{Source, Sources};
use crate::event::Millis;

/// Names that are kept though no source has them any more: one that comes back goes on where it was. A configuration that
/// is written by a program could invent names for ever.
const RETIRED: usize = 256;

/// What is kept by name.
pub(super) struct State {
    /// What is counted under the name.
    pub(super) metrics: SourceMetrics,
    /// How often all of its senders together may send.
    pub(super) limit: SourceLimit,
    /// How often each of them may.
    pub(super) per_address: AddressLimit,
    /// How often its handshakes by GET and OPTIONS are answered.
    pub(super) questions: SourceLimit,
    last_error: Mutex<Option<LastError>>,
}

/// The newest refusal of a source that is no fault of the log's: what an operator looks for when a provider complains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// When its request was received.
    pub time: Millis,
    /// Why, in words that hold no secret, signature or data.
    pub text: String,
}

/// A source and what is kept under its name.
pub(super) struct Bound {
    pub(super) source: Arc<Source>,
    pub(super) state: Arc<State>,
}

/// The sources of one settings value, bound.
pub(super) struct Table {
    sources: Sources,
    bound: Vec<Arc<Bound>>,
}

/// The table of the sources that are configured now.
pub(super) struct Bindings {
    metrics: Metrics,
    current: ArcSwap<Table>,
    /// By name, also of those that are gone. Held while a table is made: one at a time.
    states: Mutex<HashMap<std::sync::Arc<str>, Arc<State>>>,
}

impl Bindings {
    pub(super) fn new(metrics: Metrics, sources: &Sources) -> Self {
        let mut states = HashMap::new();
        let table = bind(&metrics, sources, &mut states);
        Self { metrics, current: ArcSwap::from_pointee(table), states: Mutex::new(states) }
    }

    /// The table of `sources`.
    pub(super) fn table(&self, sources: &Sources) -> impl std::ops::Deref<Target = Arc<Table>> + use<> {
        let current = self.current.load();
        if current.sources == *sources {
            return current;
        }
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if self.current.load().sources != *sources {
            self.current.store(Arc::new(bind(&self.metrics, sources, &mut states)));
        }
        self.current.load()
    }
}

/// Binds each source to the state of its name, and forgets names beyond measure.
fn bind(
    metrics: &Metrics,
    sources: &Sources,
    states: &mut HashMap<std::sync::Arc<str>, Arc<State>>,
) -> Table {
    let mut bound = Vec::with_capacity(sources.all().len());
    for source in sources.all() {
        let state = states.entry(source.name.clone()).or_insert_with(|| {
            if source.scheme.is_none() {
                tracing::warn!(
                    source = &*source.name,
                    path = %source.path,
                    "it verifies nothing: whoever reaches the ingress listener may publish"
                );
            }
            Arc::new(State::new(metrics.source(&source.name)))
        });
        bound.push(Arc::new(Bound { source: Arc::clone(source), state: Arc::clone(state) }));
    }
    let retired: Vec<_> = states.keys().filter(|name| sources.named(name).is_none()).cloned().collect();
    for name in retired.iter().skip(RETIRED) {
        states.remove(name);
        metrics.forget(name);
    }
    Table { sources: sources.clone(), bound }
}

impl Table {
    /// The source that a request was routed to.
    pub(super) fn at(&self, routed: Routed) -> Option<&Arc<Bound>> {
        self.bound.get(routed.source)
    }

    pub(super) fn all(&self) -> &[Arc<Bound>] {
        &self.bound
    }
}

impl State {
    fn new(metrics: SourceMetrics) -> Self {
        let (limit, per_address) = (SourceLimit::default(), AddressLimit::default());
        let questions = SourceLimit::default();
        Self { metrics, limit, per_address, questions, last_error: Mutex::new(None) }
    }

    /// Counts a refusal and remembers it.
    pub(super) fn refused(&self, refusal: &Refusal, time: Millis) {
        self.metrics.count(refusal.outcome());
        let error = LastError { time, text: refusal.reason() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn last_error(&self) -> Option<LastError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
