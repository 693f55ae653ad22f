//! What the app is asked, and what its answers come to.

use super::{AppRefusal, Bench, settings, to};
use crate::auth::AppWord;
use crate::event::{Millis, Pattern};
use crate::net::Roots;
use crate::net::client::testing::{Act, App, say, start_tls, status, tls_file};

#[tokio::test(flavor = "multi_thread")]
async fn the_app_is_asked_as_documented() {
    let mut app = App::start(|_| status(204)).await;
    let bench = Bench::new(to(&app));
    let fields = [("Cookie", "session=1"), ("Authorization", "Bearer t"), ("X-Original-URI", "/forged")];
    assert_eq!(bench.ask_with(&fields).await, Ok(AppWord::default()));
    let asked = app.next().await.head().to_lowercase();
    assert!(asked.starts_with("get /may-listen http/1.1\n"), "{asked}");
    for line in [
        format!("host: 127.0.0.1:{}", app.port),
        "cookie: session=1".into(),
        "authorization: bearer t".into(),
        "x-forwarded-for: 192.0.2.7".into(),
        "x-forwarded-proto: http".into(),
        "x-forwarded-host: shop.example".into(),
        "x-forwarded-method: get".into(),
        "x-forwarded-uri: /topics/orders".into(),
        "x-original-method: get".into(),
        "x-original-uri: /topics/orders".into(),
        "x-original-url: http://shop.example/topics/orders".into(),
        "x-real-ip: 192.0.2.7".into(),
        "sidestream-topics: orders".into(),
    ] {
        assert!(asked.contains(&format!("\n{line}\n")), "{line} in {asked}");
    }
    assert!(!asked.contains("s3cret") && !asked.contains("forged"), "{asked}");
    assert_eq!(bench.count("requests_total", "admitted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_narrows_and_ends() {
    let app = App::start(|_| {
        say("HTTP/1.1 200 OK\r\nSidestream-Topics: orders.*, a\r\nSidestream-Expires: 60\r\nContent-Length: 5\r\n\r\nhello")
    })
    .await;
    let word = Bench::new(to(&app)).ask("a").await.unwrap();
    let patterns = ["orders.*", "a"].map(|text| Pattern::parse(text).unwrap());
    assert_eq!(word, AppWord { allowed: Some(patterns.into()), expires: Some(Millis(1_700_000_060_000)) });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_no_is_told_as_it_is_and_not_kept() {
    let app = App::start(|n| {
        if n % 2 == 1 {
            say("HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer realm=\"shop\"\r\nContent-Length: 2\r\n\r\nno")
        } else {
            status(403)
        }
    })
    .await;
    let bench = Bench::new(super::cached(to(&app)));
    for _ in 0..2 {
        let Err(AppRefusal::Unauthorized { challenges }) = bench.ask("a").await else { panic!("no 401") };
        assert_eq!(challenges.as_ref(), ["Bearer realm=\"shop\""]);
        assert_eq!(bench.ask("a").await, Err(AppRefusal::Forbidden));
    }
    assert_eq!((bench.count("requests_total", "app_401"), bench.count("requests_total", "app_403")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again_whatever_the_body_says() {
    let bodies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ];
    let mut app = App::start(move |n| say(bodies[n % 3])).await;
    let bench = Bench::new(to(&app));
    let mut last = 0;
    for n in 0..30 {
        let _ = bench.ask(&n.to_string()).await;
        last = app.next().await.connection;
    }
    // The body is dropped behind the word's back, so the next may be too quick for it.
    assert!(last < 15, "{last} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_app_closes_while_it_is_asked_is_no_failure() {
    // Each connection is good for one question, whatever it says.
    let app = App::start(|_| Act::InterruptLater).await;
    let bench = Bench::new(to(&app));
    for n in 0..20 {
        assert!(bench.ask(&n.to_string()).await.is_ok(), "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_asked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let mut app = App::start_unix(&path, |_| status(200));
    let bench = Bench::new(settings(&format!("unix:{}:/may", path.display())));
    assert!(bench.ask("a").await.is_ok());
    let head = app.next().await.head().to_lowercase();
    assert!(head.starts_with("get /may http/1.1\n") && head.contains("\nhost: localhost\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_app_that_is_vouched_for_is_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = start_tls(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let bench = |host: &str, roots| Bench::with(settings(&format!("https://{host}:{port}/may")), 64, roots);
    assert!(bench("localhost", Roots::File(tls_file("ca.pem"))).ask("a").await.is_ok());
    for (host, roots) in [("localhost", Roots::System), ("127.0.0.1", Roots::File(tls_file("ca.pem")))] {
        let bench = bench(host, roots);
        assert!(matches!(bench.ask("a").await, Err(AppRefusal::Failed(_))), "{host}");
        assert_eq!(bench.count("requests_total", "unreachable"), 1);
    }
}
