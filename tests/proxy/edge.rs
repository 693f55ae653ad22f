//! The reverse proxy.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::access::Map;
use prometheus::Registry;
use sidestream::edge::{
    Edge, Metrics, Overload, Roots, Settings, TrustedProxies, Upstream, UpstreamScheme, UpstreamTimeouts,
    proxy,
};
use sidestream::lifecycle::{Lifecycle, Phase};
use sidestream::live::Live;
use sidestream::net::{Address, Limits};

use crate::app::{App, PAUSE};
use crate::harness::{PATIENCE, Running, field, status};

/// An edge in front of an app.
pub struct Front {
    pub running: Running,
    pub registry: Registry,
    settings: Arc<ArcSwap<Settings>>,
}

pub fn to_port(port: u16) -> Upstream {
    Upstream::Tcp { scheme: UpstreamScheme::Http, host: "localhost".into(), port }
}

impl Front {
    pub fn start(upstream: Option<Upstream>) -> Self {
        Self::start_trusting(upstream, Roots::System)
    }

    pub fn start_trusting(upstream: Option<Upstream>, roots: Roots) -> Self {
        Self::start_with(upstream, roots, |edge, _, _| edge)
    }

    /// With an edge that is made into more than a proxy.
    pub fn start_with(
        upstream: Option<Upstream>,
        roots: Roots,
        more: impl FnOnce(Edge, &Lifecycle, &Live<Settings>) -> Edge,
    ) -> Self {
        let timeouts = UpstreamTimeouts {
            connect: Duration::from_secs(2),
            first_byte: PAUSE / 2,
            idle: Duration::from_hours(1),
        };
        let prefix = "/topics".to_owned();
        let settings = Settings {
            prefix,
            upstream,
            timeouts,
            overload: Overload::Retry,
            cors: None,
            topics_per_connection: 64,
            trusted_proxies: TrustedProxies::default(),
            access: Arc::default(),
        };
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let live = Live::new(Map::new(Arc::clone(&settings), |settings: &Settings| settings));
        let registry = Registry::new();
        let (phase, lifecycle) = Lifecycle::new();
        phase.send(Phase::Serving).unwrap();
        let edge = Edge::new(live.clone(), lifecycle.clone(), Metrics::register(&registry).unwrap(), roots);
        let edge = more(edge, &lifecycle, &live);
        let running = Running::start_in(proxy(edge), 1000, Limits::default(), phase, lifecycle);
        Self { running, registry, settings }
    }

    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings.load().as_ref().clone();
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }

    fn count(&self, class: &str) -> f64 {
        let metrics = self.registry.gather();
        let requests = metrics.iter().find(|m| m.name() == "sidestream_upstream_requests_total").unwrap();
        let found = requests.get_metric().iter().find(|m| m.get_label()[0].value() == class).unwrap();
        found.get_counter().get_value()
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

fn get_last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
}

fn problem(answer: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(field(head, "content-type"), Some("application/problem+json"), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], status(answer));
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_is_told_who_asks_and_connections_are_kept() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    for _ in 0..20 {
        let forged =
            "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nTE: trailers\r\nKeep-Alive: 5\r\n";
        caller.send(format!("GET /a?b=%20 HTTP/1.1\r\nHost: a.example\r\n{forged}\r\n")).await;
        let (head, echo) = caller.answer().await;
        assert_eq!((status(&head), field(&head, "connection")), (200, Some("keep-alive")));
        assert!(echo.starts_with("GET /a?b=%20 HTTP/1.1\r\n"), "{echo}");
        for (name, value) in [
            ("host", Some("a.example")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-host", Some("a.example")),
            ("via", Some("1.1 sidestream")),
            ("forwarded", None),
            ("keep-alive", None),
            ("te", None),
        ] {
            assert_eq!(field(&echo, name), value, "{name} in {echo}");
        }
    }
    assert_eq!(app.connections.load(Ordering::SeqCst), 1);
    assert!((front.count("2xx") - 20.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_under_the_prefix_never_reach_the_app_and_others_do_as_they_are() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    for target in ["/topics", "/topics/a", "/topics?topic=a", "http://a.example/topics/a"] {
        let answer = front.running.exchange(get_last(target)).await;
        assert_eq!(status(&answer), 404, "{target}");
        assert!(answer.contains("nothing is served here"), "no subscribers are configured here: {answer}");
    }
    for target in ["/topicsx", "//topics/a", "/%74opics/a", "/a/../topics", "/\\topics", "/a%00?`|'"] {
        let answer = front.running.exchange(get_last(target)).await;
        assert!(answer.contains(&format!("\r\n\r\nGET {target} HTTP/1.1\r\n")), "{target}: {answer}");
    }
    let answer = front.running.exchange(get_last("http://a.example/b?c")).await;
    assert!(answer.contains("\r\n\r\nGET /b?c HTTP/1.1\r\n"), "{answer}");
    let options = "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(front.running.exchange(options).await.contains("\r\n\r\nOPTIONS * HTTP/1.1\r\n"));
    let elsewhere = "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(&front.running.exchange(elsewhere).await), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_app_there_is_404_and_a_reload_brings_one() {
    let front = Front::start(None);
    let mut caller = front.running.connect().await;
    caller.send(get("/a")).await;
    let (head, body) = caller.answer().await;
    assert_eq!(problem(&format!("{head}{body}"))["status"], 404);
    let app = App::start().await;
    front.change(|settings| settings.upstream = Some(to_port(app.port)));
    caller.send(get("/a")).await;
    assert_eq!(status(&caller.answer().await.0), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_down_is_502_and_found_again_without_a_restart() {
    // An address of its own: no other test's listener is given the port in between.
    let host = "127.0.83.1";
    let app = App::start_on(host, 0).await;
    let port = app.port;
    let upstream = Upstream::Tcp { scheme: UpstreamScheme::Http, host: host.into(), port };
    let front = Front::start(Some(upstream));
    assert_eq!(status(&front.running.exchange(get_last("/a")).await), 200);
    app.stop().await;
    for _ in 0..3 {
        let answer = front.running.exchange(get("/a")).await;
        assert_eq!((status(&answer), field(&answer, "connection")), (502, Some("close")), "{answer}");
        assert_eq!(problem(&answer)["detail"], "the app could not be reached");
        assert!(!answer.contains(host) && !answer.contains("localhost"), "{answer}");
    }
    let app = App::start_on(host, port).await;
    assert_eq!(status(&front.running.exchange(get_last("/a")).await), 200);
    assert!((front.count("none") - 3.0).abs() < f64::EPSILON);
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_hangs_up_is_502_and_one_that_is_slow_504() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    assert_eq!(problem(&front.running.exchange(get("/die")).await)["status"], 502);
    assert_eq!(problem(&front.running.exchange(get("/slow")).await)["status"], 504);
    let post = "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(problem(&front.running.exchange(post).await)["status"], 504);
    let nowhere =
        Upstream::Tcp { scheme: UpstreamScheme::Http, host: "no-such-host.invalid".into(), port: 80 };
    front.change(|settings| settings.upstream = Some(nowhere));
    assert_eq!(problem(&front.running.exchange(get("/a")).await)["status"], 502);
    front.change(|settings| settings.upstream = Some(Upstream::Unix(PathBuf::from("/no/such/socket"))));
    assert_eq!(problem(&front.running.exchange(get("/a")).await)["status"], 502);
    front.change(|settings| settings.upstream = Some(Upstream::Unix(PathBuf::from("/x".repeat(100)))));
    assert_eq!(status(&front.running.exchange(get("/a")).await), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_of_the_pool_is_retried_only_where_that_is_safe() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send(get("/a")).await;
    caller.answer().await;
    // The app takes the request on its kept connection and hangs up, then again on a new one.
    caller.send(get("/die")).await;
    assert_eq!(status(&caller.rest().await), 502);
    assert_eq!(app.connections.load(Ordering::SeqCst), 2);

    let mut caller = front.running.connect().await;
    caller.send(get("/a")).await;
    caller.answer().await;
    caller.send("POST /die HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(status(&caller.rest().await), 502);
    assert_eq!(app.connections.load(Ordering::SeqCst), 3, "a POST was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_an_app_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let app = App::start_unix(&path);
    let front = Front::start(Some(Upstream::Unix(path)));
    let mut caller = front.running.connect().await;
    for _ in 0..3 {
        caller.send(get("/a")).await;
        assert!(caller.answer().await.1.contains("x-forwarded-for: 127.0.0.1\r\n"));
    }
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_pass_as_they_come_and_are_not_cut_by_the_time_for_a_first_byte() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send(get("/sse")).await;
    let start = std::time::Instant::now();
    caller.until("data: 1\n\n\r\n").await;
    assert!(start.elapsed() < PAUSE, "the first event was held back");
    caller.until("data: 2\n\n\r\n").await;

    let mut caller = front.running.connect().await;
    caller.send(get("/trickle")).await;
    caller.until("\r\n\r\nhalf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_at_once() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send("POST /duplex HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(status(&caller.until("\r\n\r\n").await), 200);
    for n in 0..5 {
        caller.send(format!("3\r\n{n}a\n\r\n")).await;
        caller.until(&format!("{n}a\n\r\n")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_arrive_whole() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let size = 8 << 20;
    let mut caller = front.running.connect().await;
    caller.send(format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")).await;
    caller.send(vec![b'x'; size]).await;
    assert!(caller.answer().await.1.ends_with(&format!("\r\n\r\n{size} bytes")));
    caller.send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for _ in 0..64 {
        caller.send("10000\r\n").await;
        caller.send(vec![b'x'; 0x10000]).await;
        caller.send("\r\n").await;
    }
    caller.send("0\r\n\r\n").await;
    assert!(caller.answer().await.1.ends_with(&format!("\r\n\r\n{} bytes", 64 * 0x10000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_another_length_than_said_are_no_requests() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    // Longer: what follows is the next request, and this one is none.
    let longer = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nbody";
    let mut caller = front.running.connect().await;
    caller.send(longer).await;
    assert!(caller.answer().await.1.ends_with("2 bytes"));
    caller.send("\r\n\r\n").await;
    assert_eq!(status(&caller.rest().await), 400);
    // Shorter: the caller goes before its end.
    let mut caller = front.running.connect().await;
    caller.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody").await;
    drop(caller);
    front.running.open.none().await;
    let broken = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    assert_eq!(status(&front.running.exchange(broken).await), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_and_heads_and_old_callers() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send("PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert_eq!(status(&caller.until("\r\n\r\n").await), 100);
    caller.send("body").await;
    assert!(caller.answer().await.1.ends_with("4 bytes"));

    let mut caller = front.running.connect().await;
    caller.send(get("/hints")).await;
    assert_eq!(status(&caller.until("\r\n\r\n").await), 103);
    assert_eq!(status(&caller.answer().await.0), 200);

    caller.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&caller.until("\r\n\r\n").await), 200);
    caller.send(get("/old")).await;
    let answer = caller.until("0\r\n\r\n").await;
    assert!(answer.contains("to the end"), "{answer}");

    let answer = front.running.exchange("GET /chunked HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nabcde"), "{answer}");
    assert_eq!(field(&answer, "transfer-encoding"), None);
    let answer = front.running.exchange("GET /hints HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("via: 1.0 sidestream") || answer.contains("Via: 1.0 sidestream"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 2").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_its_own_app_does_not_go_round_for_ever() {
    let front = Front::start(None);
    let port = front.running.address.rsplit_once(':').unwrap().1.parse().unwrap();
    front.change(|settings| settings.upstream = Some(to_port(port)));
    assert_eq!(problem(&front.running.exchange(get_last("/a")).await)["status"], 508);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_answer_is_cut() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    front.change(|settings| settings.timeouts.idle = Duration::from_millis(100));
    let answer = front.running.exchange(get("/trickle")).await;
    assert!(answer.ends_with("\r\n\r\nhalf"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_sending_is_408_and_one_that_stops_reading_is_let_go() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    front.change(|settings| settings.timeouts.idle = Duration::from_millis(200));
    let half = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    assert_eq!(problem(&front.running.exchange(half).await)["status"], 408);
    let mut deaf = front.running.connect().await;
    deaf.send(get("/big")).await;
    front.running.open.none().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_neither_reads_nor_answers_does_not_keep_its_caller() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let size = 64 << 20;
    let mut caller = front.running.connect().await;
    caller.send(format!("PUT /deaf HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")).await;
    let body = vec![b'x'; size];
    let sent = tokio::io::AsyncWriteExt::write_all(&mut caller.0, &body);
    assert!(tokio::time::timeout(PATIENCE, sent).await.expect("the connection stays open").is_err());
    tokio::time::timeout(PATIENCE, front.running.open.none()).await.expect("the connection stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_over_a_unix_socket_has_no_address() {
    let app = App::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.sock");
    let (phase, lifecycle) = Lifecycle::new();
    let settings = Front::start(Some(to_port(app.port))).settings.load().as_ref().clone();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let edge = Edge::new(Live::fixed(settings), lifecycle.clone(), metrics, Roots::System);
    let address = Address::Unix(path.clone());
    let running = Running::start_at(&address, proxy(edge), 10, Limits::default(), phase, lifecycle);
    let mut caller = tokio::net::UnixStream::connect(&path).await.unwrap();
    let forged = get_last("/a").replace("\r\n\r\n", "\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut caller, forged.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut caller, &mut answer).await.unwrap();
    let (head, echo) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status(head), field(echo, "x-forwarded-for")), (200, None), "{answer}");
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_requests_finish_and_ends_streams() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut stream = front.running.connect().await;
    stream.send(get("/sse")).await;
    stream.until("data: 1\n\n\r\n").await;
    let mut trickle = front.running.connect().await;
    trickle.send(get("/trickle")).await;
    trickle.until("half").await;
    let mut upload = front.running.connect().await;
    upload.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo").await;

    front.running.phase.send(Phase::Draining).unwrap();
    upload.send("dy").await;
    let answer = upload.rest().await;
    assert_eq!((status(&answer), field(&answer, "connection")), (200, Some("close")), "{answer}");
    stream.until("data: 2\n\n\r\n").await;

    front.running.phase.send(Phase::Ending).unwrap();
    stream.rest().await;
    let open = tokio::time::timeout(Duration::from_millis(100), front.running.open.none()).await;
    assert!(open.is_err(), "a download was cut");
    let late = front.running.exchange(get("/sse")).await;
    assert!(!late.contains("data: "), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_takes_its_request_along() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    front.change(|settings| settings.timeouts.first_byte = Duration::from_hours(1));
    let mut caller = front.running.connect().await;
    caller.send(get("/slow")).await;
    drop(caller);
    front.running.open.none().await;
}
