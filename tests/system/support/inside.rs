//! The fan-out in this process, over a log of the test's choice: for what can't be made to happen from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::services::Service as _;
use prometheus::Registry;
use sidestream::admin::{self, Admin, Readiness, Reload, Reloaded, Revoke};
use sidestream::auth::{RevokedFull, Whom};
use sidestream::event::{Begin, Delivery, Event, Pattern, Selector, Subscription, Topic};
use sidestream::fanout::{Admission, Fanout, Metrics, Refused, Settings, Slow};
use sidestream::lifecycle::{Lifecycle, Phase};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::{HistorySettings, Log, TopicLimits};
use sidestream::net::{self, Listener};
use sidestream::sse::Framing;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::{Connection, Subscriber};

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A fan-out and what it counts.
pub struct Inside {
    pub log: Arc<dyn Log>,
    pub fanout: Arc<Fanout>,
    registry: Registry,
}

/// There is no configuration to read again.
struct NoReload;

#[async_trait]
impl Reload for NoReload {
    async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        Err(Vec::new())
    }
}

/// Nobody is revoked.
struct NoRevoke;

#[async_trait]
impl Revoke for NoRevoke {
    async fn revoke(&self, _: Whom, _: Duration) -> Result<usize, RevokedFull> {
        Err(RevokedFull)
    }
}

/// Nothing is limited, nobody is disconnected, and no heartbeat comes.
pub fn quiet() -> Settings {
    Settings {
        heartbeat: Duration::from_hours(1),
        retry: (Duration::from_secs(2), Duration::from_secs(4)),
        max_connection_age: None,
        max_connections: 1000,
        per_ip: 0,
        per_subject: 0,
        admissions_per_second: 0,
        slow: Slow::Gap,
    }
}

/// A history that keeps so many events of a topic.
pub fn history(events: usize) -> HistorySettings {
    HistorySettings {
        default: TopicLimits { events, bytes: 64 << 20, age: Duration::from_hours(1) },
        rules: Vec::new(),
        total: 64 << 20,
        dedupe_keys: 1000,
        dedupe_of: std::collections::BTreeMap::new(),
    }
}

/// All of these topics and patterns.
pub fn to(patterns: &[&str]) -> Subscription {
    Subscription::to(Selector::of(patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect()))
}

impl Inside {
    /// Over `log`, with so many shards.
    pub fn over(log: Arc<dyn Log>, settings: Settings, shards: usize) -> Self {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let fanout =
            Fanout::start(log, Live::fixed(settings), metrics, shards, 1000, Box::new(|_| None)).unwrap();
        Self { log: fanout.log(), fanout, registry }
    }

    /// Opens a stream on whichever shard has fewer: the first on shard 0, the second on shard 1, and so on.
    pub async fn subscribe(&self, subscription: Subscription, begin: Begin) -> Subscriber {
        self.try_subscribe(subscription, begin, None).await.unwrap()
    }

    /// As [`Inside::subscribe`], unless it is refused; with a small receive buffer, if so many bytes are given.
    pub async fn try_subscribe(
        &self,
        subscription: Subscription,
        begin: Begin,
        receive_buffer: Option<u32>,
    ) -> Result<Subscriber, Refused> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            ours.set_recv_buffer_size(bytes).unwrap();
        }
        let ours = ours.connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, remote) = listener.accept().await.unwrap();
        let socket: socket2::Socket = theirs.into_std().unwrap().into();
        if receive_buffer.is_some() {
            socket.set_send_buffer_size(16 << 10).unwrap();
        }
        let admission = Admission {
            socket,
            remote: Some(remote),
            framing: Framing::Chunked,
            head: HEAD.into(),
            rule: "default".into(),
            grant: None,
            judged: self.fanout.round(),
        };
        let reservation = self.fanout.reserve(Some(remote.ip()), None, &begin)?;
        reservation.begin(Arc::new(subscription), &begin).await.unwrap().admit(admission);
        Ok(Subscriber::over(Connection::over(ours)).await)
    }

    /// Publishes one event, and says under which sequence number.
    pub async fn publish(&self, topic: &str, data: impl Into<String>) -> u64 {
        let topic = Topic::parse(topic).unwrap();
        let event = Event { topic, kind: None, time: Clock::system().now(), data: data.into().into() };
        let appended = self.log.append(Delivery { events: vec![event], dedupe: None }).await.unwrap();
        appended.placement().sequence
    }

    /// An admin listener over it, on the runtime of the test; its address.
    pub fn admin(&self) -> String {
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let fanout = Arc::clone(&self.fanout);
        let admin = Admin::new(admin::Parts {
            sources: Arc::new(NoSources),
            settings: Live::fixed(admin::Settings { token: None, readiness: Readiness::Startup }),
            lifecycle: lifecycle.clone(),
            log: Arc::clone(&self.log),
            inspect: Arc::clone(&self.fanout) as Arc<dyn admin::Inspect>,
            registry: self.registry.clone(),
            metrics: admin::Metrics::register(&self.registry).unwrap(),
            refresh: Vec::new(),
            wedged: Arc::new(move || fanout.wedged()),
            lacking: Arc::new(Vec::new),
            listeners: Vec::new(),
            reload: Arc::new(NoReload),
            revoke: Arc::new(NoRevoke),
            started: Instant::now(),
        });
        let listener = Listener::bind("admin.listen", &"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local().to_string();
        let settings =
            net::Settings { name: "admin", threads: 1, connections: 100, limits: net::Limits::default() };
        let mut service = net::Service::new(settings, listener, Arc::new(admin), lifecycle);
        let (shutdown, watching) = watch::channel(false);
        tokio::spawn(async move {
            // Dropped, they would end what listens to them.
            let _kept = (shutdown, phase);
            service.start_service(None, watching, 1).await;
        });
        address
    }

    /// A counter or gauge, summed over its labels; with `label`, of that value alone.
    pub fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let of = |metric: &&prometheus::proto::Metric| {
            label.is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label))
        };
        let metrics = family.get_metric().iter().filter(of);
        metrics.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
    }
}

/// Nobody sends webhooks here.
struct NoSources;

impl admin::Sources for NoSources {
    fn list(&self, _: Option<&str>, _: usize) -> Option<Vec<admin::SourceRow>> {
        Some(Vec::new())
    }
}
