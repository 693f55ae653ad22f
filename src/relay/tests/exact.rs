//! What the app is sent: the sender's bytes, from wire to wire.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::support::{App, Bench, PATIENCE, SOURCE, Seen, head, say, status, sync, to, webhook};
use crate::lifecycle::Lifecycle;
use crate::net::http::testing::Served;
use crate::net::http::{BodyLimit, Exchange, Reuse};
use crate::net::{Roots, Upstream};
use crate::relay::{To, Url, Webhook};

/// A listener that hands on whatever is posted to it, and passes the app's answer on.
struct HandOn(Bench);

#[async_trait]
impl HttpServerApp for HandOn {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut exchange = Exchange::read(session).await.ok()??;
        let body = exchange.body(BodyLimit { bytes: 8 << 20, time: PATIENCE }).await.ok()?;
        let way = exchange.incoming().way();
        let plan = self.0.relay.plan(SOURCE)?;
        let webhook = Webhook { head: exchange.request(), way, body };
        let answer = match self.0.relay.send(SOURCE, &plan, webhook).await {
            Ok(reply) => reply.into_answer(),
            Err(error) => error.answer(),
        };
        exchange.answer(&answer, Reuse::Keep).await.finish().await
    }
}

/// What the app gets of a request's bytes, and what the sender gets of its answer.
async fn hand_on(plan: crate::relay::Plan, app: &mut App, request: &[u8]) -> (Seen, String) {
    let served = Served::tcp(&Arc::new(HandOn(Bench::new(plan))), Lifecycle::new().1);
    let mut peer = served.peer().await;
    peer.send(request).await;
    let seen = app.next().await;
    let answer = peer.receive().await;
    (seen, format!("{}{}", answer.head, answer.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_stay_as_they_were_written_and_hops_go() {
    let mut app = App::start(|_| status(200)).await;
    let request = b"POST /webhooks/github?a=%2e%2E&b=%20;/../c HTTP/1.1\r\n\
        User-AGENT: GitHub-Hookshot/1\r\n\
        Connection: keep-alive, X-Only-Here\r\n\
        X-Hub-Signature-256: sha256=00ff\r\n\
        hOST: hooks.example:8443\r\n\
        X-Only-Here: 1\r\n\
        Keep-Alive: timeout=5\r\n\
        X-Same: a\r\n\
        TE: trailers\r\n\
        Proxy-Authorization: Basic eDp5\r\n\
        Proxy-Connection: keep-alive\r\n\
        Upgrade: h2c\r\n\
        x-same: b, c\r\n\
        X-Forwarded-For: 6.6.6.6\r\n\
        X-Forwarded-Prefix: /evil\r\n\
        Forwarded: for=6.6.6.6\r\n\
        X-Real-IP: 6.6.6.6\r\n\
        X-Latin: caf\xe9 \x80\xff\r\n\
        X-Empty:\r\n\
        X-Spaces:   in  between  \r\n\
        Content-Type: application/json; x=\"\\\"\"\r\n\
        Content-Encoding: gzip\r\n\
        Authorization: Bearer abc\r\n\
        Cookie: a=b; c=d\r\n\
        Accept-Encoding: gzip\r\n\
        !#$%&'*+-.^_`|~: odd\r\n\
        Via: 1.1 other\r\n\
        Content-Length: 4\r\n\
        \r\n\
        \x1f\x8b\0\n";
    let (seen, answer) = hand_on(sync(to(&app)), &mut app, request).await;
    let expected = "POST /webhooks/github?a=%2e%2E&b=%20;/../c HTTP/1.1\n\
        User-AGENT: GitHub-Hookshot/1\n\
        X-Hub-Signature-256: sha256=00ff\n\
        hOST: hooks.example:8443\n\
        X-Same: a\n\
        x-same: b, c\n\
        X-Latin: caf\\xe9 \\x80\\xff\n\
        X-Empty: \n\
        X-Spaces: in  between\n\
        Content-Type: application/json; x=\\\"\\\\\\\"\\\"\n\
        Content-Encoding: gzip\n\
        Authorization: Bearer abc\n\
        Cookie: a=b; c=d\n\
        Accept-Encoding: gzip\n\
        !#$%&\\'*+-.^_`|~: odd\n\
        Via: 1.1 other\n\
        via: 1.1 sidestream\n\
        x-forwarded-for: 127.0.0.1\n\
        x-forwarded-proto: http\n\
        x-forwarded-host: hooks.example:8443\n\
        Content-Length: 4\n\n";
    assert_eq!(seen.head(), expected);
    assert_eq!(seen.body, b"\x1f\x8b\0\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_that_is_waited_for_is_one_of_known_length() {
    let mut app = App::start(|_| status(200)).await;
    let served = Served::tcp(&Arc::new(HandOn(Bench::new(sync(to(&app))))), Lifecycle::new().1);
    let mut peer = served.peer().await;
    peer.send("POST http://a/x?y HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n")
        .await;
    assert_eq!(peer.receive().await.status, 100);
    peer.send("3\r\nab\n\r\n1\r\n\0\r\n0\r\nx: y\r\n\r\n").await;
    let seen = app.next().await;
    assert_eq!(peer.receive().await.status, 200);
    let expected = "POST /x?y HTTP/1.1\nHost: a\nx-forwarded-for: 127.0.0.1\n\
        x-forwarded-proto: http\nx-forwarded-host: a\nvia: 1.1 sidestream\nContent-Length: 4\n\n";
    assert_eq!((seen.head().as_str(), &seen.body[..]), (expected, &b"ab\n\0"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_has_its_own_path_and_host_and_an_old_sender_gets_one() {
    let mut app = App::start(|_| status(200)).await;
    let url: Url = format!("http://127.0.0.1:{}/in?key=%20x", app.port).parse().unwrap();
    let request = b"POST /webhooks/github?a=b HTTP/1.1\r\nA: 1\r\nHost: hooks.example\r\nB: 2\r\nContent-Length: 0\r\n\r\n";
    let (seen, _) = hand_on(sync(To::Url(url)), &mut app, request).await;
    let expected = format!(
        "POST /in?key=%20x HTTP/1.1\nA: 1\nHost: 127.0.0.1:{}\nB: 2\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-proto: http\nx-forwarded-host: hooks.example\nvia: 1.1 sidestream\nContent-Length: 0\n\n",
        app.port
    );
    assert_eq!(seen.head(), expected);

    let old = b"POST /webhooks/github HTTP/1.0\r\nContent-Length: 1\r\n\r\nx";
    let (seen, _) = hand_on(sync(to(&app)), &mut app, old).await;
    assert!(seen.head().contains(&format!("\nHost: 127.0.0.1:{}\n", app.port)), "{}", seen.head());
    assert!(seen.head().contains("\nvia: 1.0 sidestream\n"), "{}", seen.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_an_app_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let mut app = App::start_unix(&path, |_| status(200));
    let bench = Bench::new(sync(To::Server(Upstream::Unix(path))));
    for body in ["one", "two"] {
        assert_eq!(bench.send(body).await.unwrap().status, 200);
        let seen = app.next().await;
        assert_eq!(seen.body, body.as_bytes());
        assert!(seen.head().starts_with("POST /webhooks/github?a=%20b HTTP/1.1\nHost: hooks.example\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bodies_of_all_sizes_arrive_as_they_are() {
    let mut app = App::start(|_| status(200)).await;
    let bench = Bench::new(sync(to(&app)));
    let mut random = fastrand::Rng::with_seed(7);
    for size in [0, 1, 2, 1459, 1460, 1461, 4096, 65_535, 65_536, 1 << 20, 3 << 20, 0, 7] {
        let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
        assert_eq!(bench.send(body.clone()).await.unwrap().status, 200);
        let seen = app.next().await;
        assert!(seen.body == body, "{size}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'x'; 100_000]).unwrap();
    let packed = packed.finish().unwrap();
    bench.send(packed.clone()).await.unwrap();
    assert!(app.next().await.body == packed);
    assert!(app.connections() < app.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_by_here_too_often_goes_no_further() {
    let app = App::start(|_| status(200)).await;
    let bench = Bench::new(sync(to(&app)));
    let plan = bench.relay.plan(SOURCE).unwrap();
    let via = "1.1 sidestream, 1.1 sidestream, 1.1 a, 1.0 sidestream, 1.1 sidestream";
    let often = head(&[("Via", via)]);
    assert!(bench.relay.send(SOURCE, &plan, webhook(&often, "x")).await.is_ok());
    let more = head(&[("Via", via), ("Via", "1.1 sidestream")]);
    let error = bench.relay.send(SOURCE, &plan, webhook(&more, "x")).await.unwrap_err();
    assert_eq!(error.answer().status(), 508);
    assert!(bench.relay.queue(SOURCE, &plan, webhook(&more, "x")).is_err());
    assert_eq!(app.asked(), 1);
    assert_eq!(bench.metric("relay_failed_total", &["reason=\"loop\"", "source=\"github\""]), 1);
    assert_eq!(bench.metric("relay_lost_total", &["reason=\"loop\"", "source=\"github\""]), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_apps_but_for_its_hops() {
    let answer = "HTTP/1.1 418 Odd Reason\r\nX-B: 2\r\nSet-Cookie: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/xml\r\nSet-Cookie: b\r\nKeep-Alive: timeout=5\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n4\r\n</a>\r\n0\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let mut app = App::start(move |_| say(&format!("{hints}{answer}"))).await;
    let request = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let (_, answer) = hand_on(sync(to(&app)), &mut app, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("Date: ")).collect();
    let expected = [
        "HTTP/1.1 418 I'm a teapot",
        "Content-Type: text/xml",
        "x-b: 2",
        "set-cookie: a",
        "set-cookie: b",
        "Content-Length: 7",
    ];
    assert_eq!((lines.as_slice(), body), (&expected[..], "<a></a>"));
    assert!(!head.contains("1994"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_place_than_the_plan_names() {
    let mut app =
        App::start(|_| say("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
            .await;
    let bench = Bench::with([(SOURCE, sync(to(&app)))], 4, Roots::System);
    let reply = bench.send("x").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.is_success()), (307, false));
    app.next().await;
    tokio::time::timeout(Duration::ZERO, async { app.no_more() }).await.unwrap();
}
