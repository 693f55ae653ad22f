//! A log that answers as it is told, and an ingress around it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use prometheus::{Registry, TextEncoder};
use tokio::sync::{Semaphore, watch};

use crate::event::{Cursor, DedupeKey, Delivery, Epoch, Event, Millis, Position, Selector};
use crate::ingress::{Ingress, Metrics, Parts, Settings, Source, Sources};
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::log::{AppendError, Appended, Health, Log, Page, Placement, ReadError, ReadLimit, Tail, Usage};
use crate::net::http::BodyBudget;
use crate::net::http::testing::{Peer, Wire};

/// One append's outcome.
pub(super) enum Script {
    /// Not taken.
    Refuse(AppendError),
    /// Kept, and then no answer ([`AppendError::Unknown`]).
    KeepAndForget,
    /// Never answers; nothing is kept.
    Hang,
    /// Kept once there is a permit.
    Until(Arc<Semaphore>),
}

/// Keeps deliveries in memory; each append follows the next script, or succeeds when there is none.
#[derive(Default)]
pub(super) struct FakeLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scripts: VecDeque<Script>,
    events: Vec<Event>,
    keys: HashMap<DedupeKey, Placement>,
    windows: Vec<Duration>,
    sequence: u64,
}

impl State {
    fn keep(&mut self, delivery: Delivery) -> Appended {
        if let Some(&placement) = delivery.dedupe.as_ref().and_then(|dedupe| self.keys.get(&dedupe.key)) {
            return Appended::Duplicate(placement);
        }
        self.sequence += 1;
        let placement =
            Placement { epoch: Epoch::new(7), sequence: self.sequence, events: delivery.events.len() as u32 };
        if let Some(dedupe) = delivery.dedupe {
            self.keys.insert(dedupe.key, placement);
            self.windows.push(dedupe.window);
        }
        self.events.extend(delivery.events);
        Appended::Accepted(placement)
    }
}

#[async_trait]
impl Log for FakeLog {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn head(&self) -> Cursor {
        Cursor::new(Epoch::new(7), Position::of(self.state.lock().unwrap().sequence))
    }

    fn health(&self) -> Health {
        Health::Up
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        let script = self.state.lock().unwrap().scripts.pop_front();
        match script {
            None => Ok(self.state.lock().unwrap().keep(delivery)),
            Some(Script::Refuse(error)) => Err(error),
            Some(Script::KeepAndForget) => {
                self.state.lock().unwrap().keep(delivery);
                Err(AppendError::Unknown)
            }
            Some(Script::Hang) => std::future::pending().await,
            Some(Script::Until(permits)) => {
                permits.acquire().await.unwrap().forget();
                Ok(self.state.lock().unwrap().keep(delivery))
            }
        }
    }

    async fn tail(&self, _after: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        unimplemented!("the ingress reads nothing")
    }

    async fn read(&self, _: &Selector, _: Position, _: ReadLimit) -> Result<Page, ReadError> {
        unimplemented!("the ingress reads nothing")
    }

    async fn close(&self) {}
}

/// An ingress, its log and its metrics.
pub(super) struct Bench {
    pub(super) app: Arc<Ingress>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) lifecycle: Lifecycle,
    log: Arc<FakeLog>,
    registry: Registry,
}

/// Bodies in these tests are small, and so is their limit.
pub(super) const MAX_BODY: usize = 100;

/// Bytes of bodies on their way in: one and a half of the largest.
pub(super) const BODIES: usize = MAX_BODY * 3 / 2;

/// Without rate limits.
pub(super) fn settings() -> Settings {
    Settings {
        max_body: MAX_BODY,
        body_timeout: Duration::from_secs(10),
        dedupe_window: Duration::from_hours(1),
        rate: None,
        rate_per_ip: None,
        sources: Sources::default(),
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(settings(), Duration::from_secs(10))
    }

    pub(super) fn with(settings: Settings, append_time: Duration) -> Self {
        Self::with_live(Live::fixed(settings), append_time)
    }

    /// With these sources.
    pub(super) fn of(sources: Vec<Source>) -> Self {
        let sources = Sources::new(sources);
        Self::with(Settings { sources, max_body: 1 << 20, ..settings() }, Duration::from_secs(10))
    }

    /// With these sources, and a budget for bodies that one of the largest fills.
    pub(super) fn narrow(sources: Vec<Source>) -> Self {
        let settings = Settings { sources: Sources::new(sources), ..settings() };
        Self::made(Live::fixed(settings), Duration::from_secs(10), BODIES, |ingress| ingress)
    }

    pub(super) fn with_live(settings: Live<Settings>, append_time: Duration) -> Self {
        // With the small bodies of most tests, the small budget of those that fill it.
        let budget = if settings.load().max_body == 1 << 20 { 64 << 20 } else { BODIES };
        Self::made(settings, append_time, budget, |ingress| ingress)
    }

    pub(super) fn made(
        settings: Live<Settings>,
        append_time: Duration,
        budget: usize,
        change: impl FnOnce(Ingress) -> Ingress,
    ) -> Self {
        let log = Arc::new(FakeLog::default());
        let registry = Registry::new();
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let parts = Parts {
            log: Arc::clone(&log) as Arc<dyn Log>,
            subscribers: Arc::new(|topic| topic.as_str().len() as u64),
            settings,
            lifecycle: lifecycle.clone(),
            metrics: Metrics::register(&registry).unwrap(),
            clock: || Millis(1_700_000_000_000),
        };
        let ingress = Ingress::new(parts).with_append_time(append_time);
        let app = Arc::new(change(ingress.with_bodies(BodyBudget::new(budget))));
        Self { app, phase, lifecycle, log, registry }
    }

    pub(super) fn script(&self, script: Script) {
        self.log.state.lock().unwrap().scripts.push_back(script);
    }

    /// Bytes of bodies on their way in.
    pub(super) fn held(&self) -> usize {
        self.app.bodies_held()
    }

    pub(super) fn peer(&self) -> Peer {
        Peer::connect(&self.app)
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Wire {
        self.peer().ask(request).await
    }

    /// What was published: topic, type, data.
    pub(super) fn published(&self) -> Vec<(String, Option<String>, String)> {
        let of = |e: &Event| {
            let data = String::from_utf8(e.data.to_vec()).unwrap();
            (e.topic.to_string(), e.kind.as_ref().map(ToString::to_string), data)
        };
        self.log.state.lock().unwrap().events.iter().map(of).collect()
    }

    /// The sum of `webhooks_total` over all sources with this outcome.
    pub(super) fn outcomes(&self, outcome: &str) -> u64 {
        self.metric("sidestream_webhooks_total", &format!("outcome=\"{outcome}\""))
    }

    pub(super) fn metric(&self, name: &str, label: &str) -> u64 {
        let text = self.exposition();
        let lines = text.lines().filter(|l| l.starts_with(name) && l.contains(label));
        lines.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub(super) fn exposition(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    /// How long the keys of what was published are remembered.
    pub(super) fn windows(&self) -> Vec<Duration> {
        self.log.state.lock().unwrap().windows.clone()
    }

    /// Asserts that nothing was published and that exactly one request was counted, under `outcome`.
    pub(super) fn refused(&self, outcome: &str) {
        assert_eq!(self.published(), []);
        assert_eq!(self.outcomes(outcome), 1, "{outcome}: {}", self.exposition());
        assert_eq!(self.metric("sidestream_webhooks_total", ""), 1, "{}", self.exposition());
        assert_eq!(self.metric("sidestream_events_total", ""), 0);
    }
}

/// A POST with a body of known length. `extra` is header lines, each with its CRLF.
pub(super) fn post(path: &str, extra: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: t\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len())
}
