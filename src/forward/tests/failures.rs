//! An app that is down, slow, or says something else: nobody is let in, nobody is refused, and nothing of it is kept.

use super::{AppRefusal, Bench, cached, quick, settings, to};
use crate::forward::Failure;
use crate::net::client::testing::{Act, App, free_port, say, status};

/// What the app does, and what is made of it: the failure, and the label it is counted under.
async fn fails(act: Act, label: &str) -> Failure {
    let act2 = act.clone();
    // It fails twice, and then is well again.
    let app = App::start(move |n| if n <= 2 { act2.clone() } else { status(200) }).await;
    let bench = Bench::new(cached(quick(to(&app))));
    let mut last = None;
    for _ in 0..2 {
        let Err(AppRefusal::Failed(failure)) = bench.ask("a").await else { panic!("{act:?}") };
        last = Some(failure);
    }
    assert_eq!((bench.count("requests_total", label), app.asked()), (2, 2), "{act:?}");
    assert!(bench.ask("a").await.is_ok(), "{act:?}");
    last.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_word_is_a_failure_and_is_asked_again() {
    let answer = |line: &str| say(&format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
    for (act, label) in [
        (answer("500 X"), "status"),
        (answer("503 X\r\nRetry-After: 1"), "status"),
        (answer("404 X\r\nSidestream-Topics: orders"), "status"),
        (answer("302 X\r\nLocation: /login"), "status"),
        (answer("304 X"), "status"),
        (answer("200 X\r\nSidestream-Topics: orders, a b"), "malformed"),
        (answer("200 X\r\nSidestream-Expires: soon"), "malformed"),
        (answer("200 X\r\nSidestream-Expires: 0"), "malformed"),
        (answer("200 X\r\nSidestream-Expires: 9\r\nSidestream-Expires: 9"), "malformed"),
        (answer(&format!("200 X\r\nA: {0}\r\nB: {0}", "x".repeat(40_000))), "malformed"),
        (answer(&format!("200 X\r\nA: {}", "x".repeat(2 << 20))), "broken"),
        (answer("101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade"), "broken"),
        (say("what?\r\n\r\n"), "broken"),
        (Act::Close, "broken"),
        (Act::Stall(Vec::new()), "timed_out"),
        (Act::Stall(b"HTTP/1.1 200 OK\r\nSidestream-Topics: or".to_vec()), "timed_out"),
    ] {
        fails(act, label).await;
    }
    assert_eq!(
        fails(answer("307 X\r\nLocation: /"), "status").await,
        Failure::Redirect(307.try_into().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_down_is_asked_again_once_it_is_back() {
    let port = free_port().await;
    let bench = Bench::new(cached(settings(&format!("http://127.0.0.1:{port}/"))));
    for _ in 0..3 {
        assert_eq!(bench.ask("a").await, Err(AppRefusal::Failed(Failure::Unreachable)));
    }
    let _app = App::start_on(port, |_| status(200)).await;
    assert!(bench.ask("a").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_holds_up_nobody() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    let app = App::start(move |_| Act::Flood(head.to_vec())).await;
    // One connection at a time: the second waits for the first one's to end.
    let bench = Bench::with(to(&app), 2, crate::net::Roots::System);
    for n in 0..4 {
        assert!(bench.ask(&n.to_string()).await.is_ok());
    }
    app.ended(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_turn_in_time_is_told_so() {
    let app = App::start(|_| Act::Wait).await;
    // One connection at a time, which the first has for as long as the gate is shut.
    let bench = Bench::with(to(&app), 2, crate::net::Roots::System);
    let first = bench.asking("a");
    while app.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let hurried = bench.with_settings(quick(to(&app)));
    assert_eq!(hurried.ask("b").await, Err(AppRefusal::Failed(Failure::Busy)));
    assert_eq!(bench.count("requests_total", "busy"), 1);
    app.open_gate();
    assert!(first.await.unwrap().is_ok());
    assert!(hurried.ask("b").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_url_there_is_no_word() {
    let app = App::start(|_| status(200)).await;
    let bench = Bench::new(to(&app));
    let head = pingora::http::RequestHeader::build("GET", b"/", None).unwrap();
    let wanted = crate::event::Selector::of(vec![crate::event::Pattern::parse("a").unwrap()]);
    let ask = crate::forward::Ask { head: &head, way: crate::net::http::Way::default(), wanted: &wanted };
    assert_eq!(bench.forward.ask(None, ask).await, Err(AppRefusal::Failed(Failure::Unset)));
    assert_eq!((app.asked(), bench.count("requests_total", "unset")), (0, 1));
}
