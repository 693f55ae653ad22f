//! A relay towards an app that answers as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::access::Map;
use bytes::Bytes;
use pingora::http::RequestHeader;
use prometheus::{Registry, TextEncoder};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::event::Millis;
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
pub(super) use crate::net::client::testing::{Act, App, PATIENCE, Seen, free_port, say, status};
use crate::net::http::Way;
use crate::net::{Peer, Roots, Upstream, UpstreamScheme};
use crate::relay::{Backoff, Metrics, Mode, Parts, Plan, Plans, Queue, Relay, To, Webhook};

pub(super) fn to(app: &App) -> To {
    to_port(app.port)
}

pub(super) fn to_port(port: u16) -> To {
    To::Server(Upstream::Tcp { scheme: UpstreamScheme::Http, host: "127.0.0.1".into(), port })
}

/// A relay for sources whose plans can be replaced.
pub(super) struct Bench {
    pub(super) relay: Relay,
    pub(super) phase: watch::Sender<Phase>,
    plans: Arc<ArcSwap<Plans>>,
    registry: Registry,
}

/// The source of these tests.
pub(super) const SOURCE: &str = "github";

impl Bench {
    pub(super) fn new(plan: Plan) -> Self {
        Self::with([(SOURCE, plan)], 100, Roots::System)
    }

    pub(super) fn with<const N: usize>(plans: [(&str, Plan); N], connections: usize, roots: Roots) -> Self {
        let plans = plans.into_iter().map(|(source, plan)| (source.to_owned(), plan)).collect::<Plans>();
        let plans = Arc::new(ArcSwap::from_pointee(plans));
        let registry = Registry::new();
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let relay = Relay::new(Parts {
            plans: Live::new(Map::new(Arc::clone(&plans), |plans: &Plans| plans)),
            lifecycle,
            metrics: Metrics::register(&registry).unwrap(),
            roots,
            connections,
            clock: || Millis(1_700_000_000_000),
        });
        Self { relay, phase, plans, registry }
    }

    /// Replaces the source's plan.
    pub(super) fn reload(&self, plan: Plan) {
        self.plans.store(Arc::new([(SOURCE.to_owned(), plan)].into_iter().collect()));
    }

    pub(super) async fn send(
        &self,
        body: impl Into<Bytes>,
    ) -> Result<crate::relay::Reply, crate::relay::RelayError> {
        let head = head(&[]);
        let plan = self.relay.plan(SOURCE).unwrap();
        timeout(PATIENCE, self.relay.send(SOURCE, &plan, webhook(&head, body))).await.expect("a bounded time")
    }

    pub(super) fn queue(&self, body: impl Into<Bytes>) -> Result<(), crate::relay::Lost> {
        self.queue_for(SOURCE, body)
    }

    pub(super) fn queue_for(&self, source: &str, body: impl Into<Bytes>) -> Result<(), crate::relay::Lost> {
        let head = head(&[]);
        self.relay.queue(source, &self.relay.plan(source).unwrap(), webhook(&head, body))
    }

    pub(super) async fn flushed(&self) {
        timeout(PATIENCE, self.relay.flushed()).await.expect("flushed in time");
    }

    /// The sum of a metric's samples whose labels have all of `labels`.
    pub(super) fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("sidestream_{name}{{"))
                && labels.iter().all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until a metric has reached a value.
    pub(super) async fn reaches(&self, name: &str, value: u64) {
        let reached = async {
            while self.metric(name, &[]) < value {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} is {}", self.metric(name, &[])));
    }

    /// Asserts what was counted: taken, failed, lost.
    pub(super) fn counted(&self, relayed: u64, failed: u64, lost: u64) {
        let counted =
            ["relayed_total", "relay_failed_total", "relay_lost_total"].map(|name| self.metric(name, &[]));
        assert_eq!(counted, [relayed, failed, lost]);
    }
}

/// A plan whose queue tries again at once.
pub(super) fn queued(to: To) -> Plan {
    let backoff = Backoff { first: Duration::from_millis(2), most: Duration::from_millis(10) };
    Plan { mode: Mode::Queued(Queue { backoff, retries: 1000, ..Queue::default() }), ..Plan::to(to) }
}

/// With so few retries, and otherwise as it was.
pub(super) fn limited(mut plan: Plan, limit: impl FnOnce(&mut Queue)) -> Plan {
    if let Mode::Queued(queue) = &mut plan.mode {
        limit(queue);
    }
    plan
}

pub(super) fn sync(to: To) -> Plan {
    Plan { mode: Mode::After, timeout: PATIENCE / 2, ..Plan::to(to) }
}

/// A plan under which the app is not waited for.
pub(super) fn quick(to: To) -> Plan {
    Plan { timeout: Duration::from_secs(1), ..sync(to) }
}

/// A POST with these fields besides `Host`.
pub(super) fn head(fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut head = RequestHeader::build("POST", b"/webhooks/github?a=%20b", None).unwrap();
    head.append_header("Host", "hooks.example").unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    head
}

pub(super) fn webhook(head: &RequestHeader, body: impl Into<Bytes>) -> Webhook<'_> {
    let peer = Peer::Ip(SocketAddr::from(([192, 0, 2, 7], 51_000)));
    Webhook { head, way: Way::direct(Some(peer)), body: body.into() }
}
