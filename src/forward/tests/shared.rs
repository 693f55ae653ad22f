//! One word for many: equal questions, in flight and kept; and different ones, which share nothing.

use std::time::Duration;

use super::{AppRefusal, Bench, cached, settings, to};
use crate::auth::ForwardSettings;
use crate::forward::Failure;
use crate::net::client::testing::{Act, App, say, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_equal_questions_is_one() {
    let app = App::start(|_| Act::Wait).await;
    let bench = Bench::new(to(&app));
    let asking: Vec<_> = (0..1000).map(|_| bench.asking("a")).collect();
    bench.joined(999).await;
    app.open_gate();
    for told in asking {
        assert!(told.await.unwrap().is_ok());
    }
    assert_eq!((app.asked(), bench.count("requests_total", "admitted")), (1, 1));
    // Nothing was kept.
    assert!(bench.ask("a").await.is_ok());
    assert_eq!(app.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_different_ones_is_asked_in_turns() {
    let app = App::start(|_| status(200)).await;
    let bench = Bench::with(to(&app), 8, crate::net::Roots::System);
    let asking: Vec<_> = (0..500).map(|n| bench.asking(&n.to_string())).collect();
    for told in asking {
        assert!(told.await.unwrap().is_ok());
    }
    assert_eq!(app.asked(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_first_may_leave() {
    let app = App::start(|_| Act::Wait).await;
    let bench = Bench::new(to(&app));
    let first = bench.asking("a");
    while app.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..10).map(|_| bench.asking("a")).collect();
    bench.joined(10).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    app.open_gate();
    for told in others {
        assert!(told.await.unwrap().is_ok());
    }
    assert_eq!(app.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_wait_are_told_of_a_failure_and_none_after_them() {
    let mut app = App::start(|n| if n == 1 { Act::Stall(Vec::new()) } else { status(200) }).await;
    let bench = Bench::new(super::quick(to(&app)));
    let asking: Vec<_> = (0..10).map(|_| bench.asking("a")).collect();
    bench.joined(9).await;
    for told in asking {
        assert_eq!(told.await.unwrap(), Err(AppRefusal::Failed(Failure::TimedOut)));
    }
    app.next().await;
    assert!(bench.ask("a").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_is_kept_for_who_brings_the_very_same() {
    let app = App::start(|n| {
        say(&format!("HTTP/1.1 200 OK\r\nSidestream-Topics: t{n}, orders\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let bench = Bench::new(cached(to(&app)));
    let topic = |told: super::Told| told.unwrap().allowed.unwrap()[0].to_string();
    let who = [
        &[("Cookie", "session=1")][..],
        &[("Cookie", "session=2")],
        &[("Cookie", "session=1"), ("Authorization", "Bearer x")],
        &[("Authorization", "Bearer x")],
        &[("Authorization", "session=1")],
        &[("X-Api-Key", "session=1")],
        &[("Cookie", "session=1"), ("Origin", "https://other.example")],
        // Nobody in particular is somebody else.
        &[],
    ];
    for _ in 0..3 {
        for (n, fields) in who.iter().enumerate() {
            assert_eq!(topic(bench.ask_with(fields).await), format!("t{}", n + 1), "{fields:?}");
        }
    }
    assert_eq!((app.asked(), bench.count("saved_total", "kept")), (who.len(), 2 * who.len() as u64));
    // A reconnect brings its last id along, and is the same subscriber.
    let again = [("Cookie", "session=1"), ("Last-Event-ID", "x-7"), ("Accept", "text/event-stream")];
    assert_eq!(topic(bench.ask_with(&again).await), "t1");
    assert_eq!(app.asked(), who.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_ends_what_was_kept_of_another_url_or_when_nothing_is_to_be() {
    let app = App::start(|_| status(200)).await;
    let bench = Bench::new(cached(to(&app)));
    assert!(bench.ask("a").await.is_ok() && bench.ask("a").await.is_ok());
    assert_eq!(app.asked(), 1);
    let other = settings(&format!("http://127.0.0.1:{}/other", app.port));
    assert!(bench.with_settings(cached(other)).ask("a").await.is_ok());
    assert_eq!(app.asked(), 2);
    let shorter = ForwardSettings { cache: Some(Duration::from_nanos(1)), ..to(&app) };
    assert!(bench.with_settings(shorter).ask("a").await.is_ok());
    assert_eq!(app.asked(), 3);
    assert!(bench.with_settings(to(&app)).ask("a").await.is_ok());
    assert!(bench.ask("a").await.is_ok());
    assert_eq!(app.asked(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_to_something_else_is_not_kept() {
    let app = App::start(|n| {
        let topics = if n == 1 { "news" } else { "news, *" };
        say(&format!("HTTP/1.1 200 OK\r\nSidestream-Topics: {topics}\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let bench = Bench::new(cached(to(&app)));
    for (asked, patterns) in [(1, 1), (2, 2), (2, 2)] {
        assert_eq!(bench.ask("a").await.unwrap().allowed.unwrap().len(), patterns);
        assert_eq!(app.asked(), asked);
    }
}
