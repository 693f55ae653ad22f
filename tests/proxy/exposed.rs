//! Webhooks on the edge: the exact paths that are exposed, answered as on the listener for webhooks, and no others.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use prometheus::{Registry, TextEncoder};
use sidestream::edge::{Exposed, Roots};
use sidestream::event::{Epoch, Millis};
use sidestream::ingress::{self, Ingress, Rate};
use sidestream::lifecycle::{Lifecycle, Phase};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;
use sidestream::log::{HistorySettings, TopicLimits};
use sidestream::net::Limits;
use sidestream::net::http::{Answer, Incoming};

use crate::app::App;
use crate::edge::{Front, get, to_port};
use crate::harness::{Running, field, status};

/// An ingress of which some paths are exposed.
struct Webhooks {
    ingress: Ingress,
    exposed: ArcSwap<BTreeSet<&'static str>>,
    registry: Registry,
}

#[async_trait]
impl Exposed for Webhooks {
    fn serves(&self, path: &[u8]) -> bool {
        std::str::from_utf8(path).is_ok_and(|path| self.exposed.load().contains(path))
    }

    async fn serve(&self, request: &mut Incoming<'_>) -> Option<Answer> {
        Some(self.ingress.serve(request).await)
    }
}

const MAX_BODY: usize = 1000;

fn settings() -> ingress::Settings {
    ingress::Settings {
        max_body: MAX_BODY,
        body_timeout: Duration::from_millis(500),
        dedupe_window: Duration::from_hours(1),
        rate: None,
        rate_per_ip: None,
        sources: ingress::Sources::default(),
    }
}

impl Webhooks {
    fn new(settings: ingress::Settings, lifecycle: &Lifecycle) -> Arc<Self> {
        let hour = Duration::from_hours(1);
        let history = HistorySettings {
            default: TopicLimits { events: 100, bytes: 1 << 20, age: hour },
            rules: Vec::new(),
            total: 1 << 20,
            dedupe_keys: 1000,
        };
        let registry = Registry::new();
        let parts = ingress::Parts {
            log: Arc::new(MemoryLog::new(Live::fixed(history), Clock::system(), Epoch::new(7))),
            subscribers: Arc::new(|_| 0),
            settings: Live::fixed(settings),
            lifecycle: lifecycle.clone(),
            metrics: ingress::Metrics::register(&registry).unwrap(),
            clock: || Millis(1_700_000_000_000),
        };
        let exposed = ArcSwap::from_pointee(BTreeSet::from(["/webhooks/github"]));
        Arc::new(Self { ingress: Ingress::new(parts), exposed, registry })
    }

    /// Requests that it answered.
    fn answered(&self) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("sidestream_webhooks_total"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// An edge in front of an app, with one exposed path.
struct Public {
    app: App,
    front: Front,
    webhooks: Arc<Webhooks>,
}

impl Public {
    async fn start(settings: ingress::Settings) -> Self {
        let app = App::start().await;
        let mut webhooks = None;
        let front = Front::start_with(Some(to_port(app.port)), Roots::System, |edge, lifecycle, _| {
            let made = webhooks.insert(Webhooks::new(settings, lifecycle));
            edge.with_exposed(Arc::clone(made) as Arc<dyn Exposed>)
        });
        Self { app, front, webhooks: webhooks.unwrap() }
    }
}

fn post(target: &str, fields: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: a.example\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_exact_path_is_served_and_all_else_is_the_apps_as_it_came() {
    let public = Public::start(settings()).await;
    for target in [
        "/webhooks/orders",
        "/webhooks",
        "/webhooks/",
        "/webhooks/github/",
        "/webhooks/github//",
        "/webhooks/github/.",
        "/webhooks/github/..",
        "/webhooks/github/x",
        "/webhooks/github;a=b",
        "/webhooks/github%2F",
        "/webhooks/github%3Fa",
        "/webhooks/github%20",
        "/webhooks/github%00",
        "/webhooks/githu%62",
        "/webhooks%2Fgithub",
        "/%77ebhooks/github",
        "/%2577ebhooks/github",
        "/webhooks/../webhooks/github",
        "/webhooks/../x",
        "/x/../webhooks/github",
        "/x/%2e%2e/webhooks/github",
        "/webhooks/%2e%2e/webhooks/github",
        "/webhooks/./github",
        "//webhooks/github",
        "///webhooks/github",
        "/webhooks//github",
        "/Webhooks/github",
        "/webhooks/GitHub",
        "/webhooks\\github",
        "/?/webhooks/github",
        "/x?a=/webhooks/github",
    ] {
        let mut caller = public.front.running.connect().await;
        caller.send(post(target, "", "body")).await;
        let (head, echo) = caller.answer().await;
        assert_eq!(status(&head), 200, "{target}: {head}");
        assert!(echo.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{target}: {echo}");
        assert!(echo.ends_with("\r\n\r\n4 bytes"), "{target}: {echo}");
    }
    for target in
        ["http://a.example/webhooks/orders", "http://a.example//webhooks/github", "http://a.example"]
    {
        let mut caller = public.front.running.connect().await;
        caller.send(post(target, "", "body")).await;
        let origin = target.strip_prefix("http://a.example").unwrap();
        let origin = if origin.is_empty() { "/" } else { origin };
        assert!(caller.answer().await.1.starts_with(&format!("POST {origin} HTTP/1.1\r\n")), "{target}");
    }
    assert_eq!(public.webhooks.answered(), 0);

    let targets = [
        "/webhooks/github",
        "/webhooks/github?",
        "/webhooks/github?a=/../b",
        "http://a.example/webhooks/github?x",
    ];
    for target in targets {
        let mut caller = public.front.running.connect().await;
        caller.send(post(target, "", "body")).await;
        let (head, body) = caller.answer().await;
        assert_eq!(status(&head), 202, "{target}: {head}");
        assert!(body.contains(r#""topic":"github""#), "{body}");
    }
    assert_eq!(public.webhooks.answered(), targets.len() as u64);
}

/// The parts of an answer that do not depend on the time and the place.
fn essence(answer: &str) -> (u16, BTreeSet<String>, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").skip(1).map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}: {}", name.to_lowercase(), value.trim())
    });
    let lines = lines.filter(|line| !line.starts_with("date: ")).collect();
    (status(answer), lines, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_on_both_listeners() {
    let public = Public::start(settings()).await;
    let (phase, lifecycle) = Lifecycle::new();
    phase.send_replace(Phase::Serving);
    let own = Webhooks::new(settings(), &lifecycle);
    let own = Running::start_in(Arc::new(Own(own)), 100, Limits::default(), phase, lifecycle);
    let close = "Connection: close\r\n";
    let large = "x".repeat(MAX_BODY + 1);
    let chunked =
        "POST /webhooks/github HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n";
    let requests = [
        post("/webhooks/github", close, "body"),
        post("/webhooks/github", &format!("{close}Sidestream-Id: 1\r\n"), "one"),
        post("/webhooks/github", &format!("{close}Sidestream-Id: 1\r\n"), "two"),
        post("/webhooks/github", &format!("{close}Sidestream-Event: a,b\r\n"), "x"),
        post("/webhooks/github", &format!("{close}Sidestream-Event: \r\n"), "x"),
        post("/webhooks/github", close, &large),
        post("/webhooks/github", "", &large),
        post("/webhooks/github", &format!("{close}Expect: 100-continue\r\n"), &large),
        "POST /webhooks/github HTTP/1.0\r\nContent-Length: 1\r\n\r\nx".into(),
        "GET /webhooks/github HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(),
        "HEAD /webhooks/github HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(),
        "OPTIONS /webhooks/github HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(),
        format!("{chunked}\r\n3\r\nabc\r\n0\r\n\r\n"),
        format!("{chunked}\r\n1001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x1001)),
        format!("{chunked}\r\nnonsense\r\n"),
        // Not finished in time.
        "POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf".into(),
    ];
    for request in requests {
        let (edge, ingress) = (public.front.running.exchange(&request).await, own.exchange(&request).await);
        assert_eq!(essence(&edge), essence(&ingress), "{request}");
    }
    let not_text = [post("/webhooks/github", close, "xx").as_bytes(), &[]].concat();
    let not_text: Vec<u8> = not_text.iter().map(|&b| if b == b'x' { 0xff } else { b }).collect();
    let (edge, ingress) = (public.front.running.exchange(&not_text).await, own.exchange(&not_text).await);
    assert_eq!((status(&edge), essence(&edge)), (415, essence(&ingress)), "{edge}");
}

/// The ingress's listener.
struct Own(Arc<Webhooks>);

#[async_trait]
impl pingora::apps::HttpServerApp for Own {
    async fn process_new_http(
        self: &Arc<Self>,
        session: pingora::protocols::http::ServerSession,
        _: &pingora::server::ShutdownWatch,
    ) -> Option<pingora::apps::ReusedHttpStream> {
        use sidestream::net::http::{Exchange, Reuse};
        let mut exchange = Exchange::read(session).await.ok()??;
        let answer = self.0.ingress.serve(&mut exchange.incoming()).await;
        exchange.answer(&answer, Reuse::Keep).await.finish().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_webhooks_topics_and_the_app() {
    let public = Public::start(settings()).await;
    let mut caller = public.front.running.connect().await;
    for _ in 0..3 {
        caller.send(post("/webhooks/github", "", "body")).await;
        assert_eq!(status(&caller.answer().await.0), 202);
        caller.send(post("/webhooks/orders", "", "body")).await;
        assert!(caller.answer().await.1.ends_with("4 bytes"));
        caller.send(get("/topics")).await;
        assert_eq!(status(&caller.answer().await.0), 404);
        // One that is asked to wait, and is told to go on.
        caller.send("POST /webhooks/github HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
        assert_eq!(status(&caller.until("\r\n\r\n").await), 100);
        caller.send("body").await;
        assert_eq!(status(&caller.answer().await.0), 202);
        // Three at once.
        caller
            .send(
                [post("/webhooks/github", "", "a"), post("/x", "", "b"), post("/webhooks/github", "", "c")]
                    .concat(),
            )
            .await;
        for expected in [202, 200, 202] {
            assert_eq!(status(&caller.answer().await.0), expected);
        }
    }
    assert_eq!(public.webhooks.answered(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_count_the_client_behind_trusted_proxies() {
    let one = Rate::per_second(NonZeroU32::MIN, NonZeroU32::MIN);
    let public = Public::start(ingress::Settings { rate_per_ip: Some(one), ..settings() }).await;
    let send = async |address: String| {
        let from = format!("X-Forwarded-For: {address}\r\nConnection: close\r\n");
        let answer = public.front.running.exchange(post("/webhooks/github", &from, "x")).await;
        let limited = status(&answer) == 429 && field(&answer, "retry-after").is_some();
        assert!(limited || status(&answer) == 202, "{answer}");
        limited
    };
    // Nobody is trusted: all are the connection's peer, and soon too many.
    let mut n = 0;
    while !send(format!("192.0.2.{n}")).await {
        n += 1;
        assert!(n < 250);
    }
    public.front.change(|settings| {
        settings.trusted_proxies = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    });
    for n in 0..20 {
        assert!(!send(format!("6.6.6.6, 192.0.2.{n}")).await);
    }
    let mut n = 0;
    while !send(format!("7.7.7.{n}, 192.0.2.1")).await {
        n += 1;
        assert!(n < 250);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_refuses_and_a_path_that_is_taken_back_is_the_apps() {
    let public = Public::start(settings()).await;
    public.webhooks.exposed.store(Arc::new(BTreeSet::new()));
    let answer =
        public.front.running.exchange(post("/webhooks/github", "Connection: close\r\n", "body")).await;
    assert!(answer.ends_with("\r\n\r\n4 bytes"), "{answer}");
    public.webhooks.exposed.store(Arc::new(BTreeSet::from(["/webhooks/other"])));
    public.front.running.phase.send_replace(Phase::Draining);
    let answer = public.front.running.exchange(post("/webhooks/other", "", "x")).await;
    assert_eq!((status(&answer), field(&answer, "connection")), (503, Some("close")), "{answer}");
    assert!(field(&answer, "retry-after").is_some());
}

/// Takes its path back just when it is asked.
struct Fickle;

#[async_trait]
impl Exposed for Fickle {
    fn serves(&self, _: &[u8]) -> bool {
        true
    }

    async fn serve(&self, _: &mut Incoming<'_>) -> Option<Answer> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_taken_back_meanwhile_is_the_apps_with_its_body() {
    let app = App::start().await;
    let upstream = Some(to_port(app.port));
    let front = Front::start_with(upstream, Roots::System, |edge, _, _| edge.with_exposed(Arc::new(Fickle)));
    let answer = front.running.exchange(post("/webhooks/github", "Connection: close\r\n", "body")).await;
    assert!(answer.ends_with("\r\n\r\n4 bytes"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_down_changes_nothing_for_webhooks() {
    let Public { app, front, .. } = Public::start(settings()).await;
    app.stop().await;
    let answer = front.running.exchange(post("/webhooks/github", "Connection: close\r\n", "x")).await;
    assert_eq!(status(&answer), 202);
    front.change(|settings| settings.upstream = None);
    let answer = front.running.exchange(post("/webhooks/github", "Connection: close\r\n", "x")).await;
    assert_eq!(status(&answer), 202);
    let answer = front.running.exchange(post("/webhooks/orders", "Connection: close\r\n", "x")).await;
    assert_eq!(status(&answer), 404);
}
