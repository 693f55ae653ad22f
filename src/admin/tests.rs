//! The admin listener over raw bytes, on sockets where the peer's address decides and in memory elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use prometheus::{IntGauge, Registry};
use tokio::net::UnixStream;
use tokio::sync::watch;

use self::api::TestInspect;
use self::revoke::TestRevoke;
use self::sources::TestSources;
use super::{
    Admin, Inspect, Listening, Metrics, Parts, Readiness, Refresh, Reload, Reloaded, Revoke, Settings,
};
use crate::event::{Cursor, Delivery, Epoch, Position, Selector};
use crate::lifecycle::{Lifecycle, Phase};
use crate::live::Live;
use crate::log::{AppendError, Appended, Health, Log, Page, ReadError, ReadLimit, Tail, Usage};
use crate::net::Address;
use crate::net::http::testing::{Peer, Served, Wire};
use crate::secret::Secret;

mod api;
mod revoke;
mod sources;

/// A log with a health and counts.
struct TestLog {
    health: Health,
    evicted: AtomicU64,
}

#[async_trait]
impl Log for TestLog {
    fn kind(&self) -> &'static str {
        "test"
    }

    fn head(&self) -> Cursor {
        Cursor::new(Epoch::new(0xabc), Position::of(3))
    }

    fn health(&self) -> Health {
        self.health.clone()
    }

    fn usage(&self) -> Usage {
        Usage {
            topics: 2,
            events: 30,
            bytes: 4000,
            dedupe_evicted_early: self.evicted.load(Ordering::Relaxed),
        }
    }

    async fn append(&self, _: Delivery) -> Result<Appended, AppendError> {
        unimplemented!("the admin listener publishes nothing")
    }

    async fn tail(&self, _: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        unimplemented!("the admin listener reads no events")
    }

    async fn read(&self, _: &Selector, _: Position, _: ReadLimit) -> Result<Page, ReadError> {
        unimplemented!("the admin listener reads no events")
    }

    async fn close(&self) {}
}

/// Counts reloads and answers each with `result`.
struct TestReload {
    asked: AtomicU64,
    result: Result<Reloaded, Vec<String>>,
}

#[async_trait]
impl Reload for TestReload {
    async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.result.clone()
    }
}

struct Bench {
    app: Arc<Admin>,
    phase: watch::Sender<Phase>,
    lifecycle: Lifecycle,
    log: Arc<TestLog>,
    reload: Arc<TestReload>,
    inspect: Arc<TestInspect>,
    revoke: Arc<TestRevoke>,
}

/// What a test sets up otherwise than usual.
struct Setup {
    token: Option<Secret>,
    readiness: Readiness,
    health: Health,
    reload: Result<Reloaded, Vec<String>>,
    wedged: Vec<String>,
    inspect: TestInspect,
    revoke: TestRevoke,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            token: None,
            readiness: Readiness::Startup,
            health: Health::Up,
            reload: Ok(Reloaded::default()),
            wedged: Vec::new(),
            inspect: TestInspect::default(),
            revoke: TestRevoke::default(),
        }
    }
}

impl Setup {
    fn bench(self) -> Bench {
        let registry = Registry::new();
        let (phase, lifecycle) = Lifecycle::new();
        phase.send_replace(Phase::Serving);
        let log = Arc::new(TestLog { health: self.health, evicted: AtomicU64::new(5) });
        let reload = Arc::new(TestReload { asked: AtomicU64::new(0), result: self.reload });
        let scrapes =
            IntGauge::new("sidestream_connections", "Counted by the scrapes of this test.").unwrap();
        registry.register(Box::new(scrapes.clone())).unwrap();
        let refresh: Refresh = Box::new(move || scrapes.inc());
        let wedged = self.wedged;
        let inspect = Arc::new(self.inspect);
        let revoke = Arc::new(self.revoke);
        let parts = Parts {
            settings: Live::fixed(Settings { token: self.token, readiness: self.readiness }),
            lifecycle: lifecycle.clone(),
            log: Arc::clone(&log) as Arc<dyn Log>,
            sources: Arc::new(TestSources),
            inspect: Arc::clone(&inspect) as Arc<dyn Inspect>,
            metrics: Metrics::register(&registry).unwrap(),
            registry,
            refresh: vec![refresh],
            wedged: Arc::new(move || wedged.clone()),
            listeners: vec![Listening { name: "edge", address: "http://127.0.0.1:8080".into() }],
            reload: Arc::clone(&reload) as Arc<dyn Reload>,
            revoke: Arc::clone(&revoke) as Arc<dyn Revoke>,
            started: Instant::now(),
        };
        Bench { app: Arc::new(Admin::new(parts)), phase, lifecycle, log, reload, inspect, revoke }
    }
}

impl Bench {
    async fn get(&self, path: &str) -> Wire {
        Peer::connect(&self.app).ask(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await
    }

    /// Asks over a loopback socket.
    async fn tcp(&self, request: impl AsRef<[u8]>) -> Wire {
        let served = Served::tcp(&self.app, self.lifecycle.clone());
        served.peer().await.ask(request).await
    }

    fn reloads(&self) -> u64 {
        self.reload.asked.load(Ordering::Relaxed)
    }
}

const RELOAD: &str = "POST /api/reload HTTP/1.1\r\nHost: localhost:9090\r\nContent-Length: 0\r\n";

#[tokio::test]
async fn metrics_are_gathered_after_a_refresh() {
    let bench = Setup::default().bench();
    bench.get("/metrics").await;
    bench.log.evicted.store(7, Ordering::Relaxed);
    let answer = bench.get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    for line in [
        "sidestream_connections 2",
        "sidestream_log_up 1",
        "sidestream_topics 2",
        "sidestream_history_events 30",
        "sidestream_history_bytes 4000",
        "sidestream_dedupe_evicted_early_total 7",
        "sidestream_config_reloads_total 0",
        concat!("sidestream_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line} in\n{}", answer.body);
    }
    assert!(answer.body.contains("\nprocess_open_fds "));
}

#[tokio::test]
async fn health_and_readiness_follow_the_process() {
    let bench = Setup::default().bench();
    assert_eq!(bench.get("/healthz").await.json()["status"], "ok");
    assert_eq!(bench.get("/readyz").await.json()["status"], "ready");
    for phase in [Phase::Leaving, Phase::Draining] {
        bench.phase.send_replace(phase);
        let unready = bench.get("/readyz").await;
        assert_eq!((unready.status, &unready.json()["missing"]), (503, &serde_json::json!(["draining"])));
        assert_eq!(bench.get("/healthz").await.status, 200);
        assert_eq!(bench.get("/metrics").await.status, 200);
    }

    let wedged = Setup { wedged: vec!["shard 1".into()], ..Setup::default() }.bench().get("/healthz").await;
    assert_eq!((wedged.status, &wedged.json()["wedged"][0]), (503, &"shard 1".into()));
}

#[tokio::test]
async fn an_outage_of_the_log_degrades_or_unreadies_and_shows_in_the_metrics() {
    let down = || Health::Down("connection lost");
    let bench = Setup { health: down(), ..Setup::default() }.bench();
    let answer = bench.get("/readyz").await;
    assert_eq!((answer.status, &answer.json()["degraded"][0]), (200, &"log: connection lost".into()));
    assert!(bench.get("/metrics").await.body.contains("\nsidestream_log_up 0\n"));
    let strict = Setup { health: down(), readiness: Readiness::Always, ..Setup::default() }.bench();
    let answer = strict.get("/readyz").await;
    assert_eq!((answer.status, &answer.json()["missing"][0]), (503, &"log: connection lost".into()));
}

#[tokio::test]
async fn info_says_what_runs() {
    let info = Setup::default().bench().get("/api/info").await;
    assert_eq!(info.header("content-type"), Some("application/json"));
    assert_eq!(info.header("cache-control"), Some("no-store"));
    let mut info = info.json();
    assert!(info["uptime_seconds"].take().as_u64().is_some_and(|s| s < 60));
    assert_eq!(
        info,
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "listeners": {"edge": "http://127.0.0.1:8080"},
            "log": "test",
            "epoch": "000000000abc",
            "uptime_seconds": null,
        })
    );
}

#[tokio::test]
async fn head_is_get_without_a_body_and_other_methods_are_named() {
    let bench = Setup::default().bench();
    let mut peer = Peer::connect(&bench.app);
    for path in ["/metrics", "/healthz", "/readyz", "/api/info"] {
        peer.send(format!("HEAD {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        assert_eq!(peer.receive_head().await.status, 200, "{path}");
        let refused = peer.ask(format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    let refused = bench.get("/api/reload").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    for path in ["/", "/api", "/api/", "/metrics/", "/api/info/x", "/webhooks/orders"] {
        assert_eq!(bench.get(path).await.status, 404, "{path}");
    }
    assert_eq!(bench.get("/healthz?verbose").await.status, 200);
    assert_eq!(bench.reloads(), 0);
}

#[tokio::test]
async fn a_local_peer_reloads_and_hears_what_changed() {
    let reloaded =
        Reloaded { changed: vec!["edge.heartbeat".into()], needs_restart: vec!["fanout.shards".into()] };
    let bench = Setup { reload: Ok(reloaded), ..Setup::default() }.bench();
    let answer = bench.tcp(format!("{RELOAD}\r\n")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        serde_json::json!({"changed": ["edge.heartbeat"], "needs_restart": ["fanout.shards"]})
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let _served = Served::on(&Address::Unix(path.clone()), &bench.app, bench.lifecycle.clone());
    let ours = UnixStream::connect(&path).await.unwrap();
    assert_eq!(Peer::of(ours).ask(format!("{RELOAD}\r\n")).await.status, 200);
    assert_eq!(bench.reloads(), 2);
}

#[tokio::test]
async fn a_bad_configuration_is_422_with_every_problem() {
    let problems = vec!["a.yaml:1:2: x".to_owned(), "a.yaml:3:4: y".to_owned()];
    let bench = Setup { reload: Err(problems.clone()), ..Setup::default() }.bench();
    let answer = bench.tcp(format!("{RELOAD}\r\n")).await;
    assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/problem+json")));
    assert_eq!(answer.json()["problems"], serde_json::json!(problems));
}

#[tokio::test]
async fn writes_that_may_not_be_are_refused_and_do_nothing() {
    let bench = Setup::default().bench();
    for extra in
        ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "X-Forwarded-For: 10.0.0.9\r\n"]
    {
        let answer = bench.tcp(format!("{RELOAD}{extra}\r\n")).await;
        assert_eq!(answer.status, 403, "{extra}");
    }
    let rebound = "POST /api/reload HTTP/1.1\r\nHost: rebound.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(bench.tcp(rebound).await.status, 403);
    // A peer whose address is not known is not local.
    assert_eq!(Peer::connect(&bench.app).ask(format!("{RELOAD}\r\n")).await.status, 403);
    assert_eq!(bench.reloads(), 0);

    let bench = Setup { token: Some(Secret::new(*b"hush")), ..Setup::default() }.bench();
    let answer = bench.tcp(format!("{RELOAD}\r\n")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    assert!(!answer.body.contains("hush"));
    assert_eq!(bench.reloads(), 0);
    let mut peer = Peer::connect(&bench.app);
    assert_eq!(peer.ask(format!("{RELOAD}Authorization: Bearer hush\r\n\r\n")).await.status, 200);
    assert_eq!(bench.reloads(), 1);
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut() {
    let bench = Setup::default().bench();
    let answer =
        bench.tcp("POST /api/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(bench.reloads(), 0);
}
