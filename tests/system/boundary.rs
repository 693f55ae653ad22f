//! What is behind the public listener stays behind it, however a target or a name is written: the listeners for webhooks and
//! for the operator, and the topics that a rule keeps from somebody.

use crate::support::token::{auth, bearer};
use crate::support::{Answer, Connection, Diary, Gateway, Sender, exchange};

const OPENED: &str = "sidestream_connections_opened_total";

async fn ask(address: &str, method: &str, target: &str, headers: &str) -> Answer {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{headers}Content-Length: 0\r\n\r\n");
    exchange(address, request).await
}

/// Of all listeners, nothing was published, reloaded or opened.
async fn assert_untouched(gateway: &Gateway, published: f64) {
    let metrics = gateway.metrics().await;
    for (name, wanted) in [
        ("sidestream_events_total{source=\"default\"}", published),
        ("sidestream_config_reloads_total", 0.0),
        ("sidestream_config_reload_failures_total", 0.0),
        (OPENED, 0.0),
    ] {
        assert_eq!(metrics.get(name), wanted, "{name}");
    }
}

#[tokio::test]
async fn a_target_that_is_not_below_the_prefix_is_the_apps_as_it_was_written() {
    let diary = Diary::start().await;
    let gateway = Gateway::start(&format!("edge: {{ upstream: \"{}\" }}", diary.url)).await;
    let mut wanted = Vec::new();
    for target in [
        "/webhooks/orders",
        "/webhooks/%6frders",
        "/api/reload",
        "/api/revoke",
        "/metrics",
        "/readyz",
        "//topics/orders",
        "///topics/orders",
        "/./topics/orders",
        "/x/../topics/orders",
        "/x/%2e%2e/topics/orders",
        "/%74opics/orders",
        "/topics%2Forders",
        "/topics%2F..%2Fwebhooks%2Forders",
        "/topics;a=b/orders",
        "/TOPICS/orders",
        "/topics%00/orders",
        "/\\topics/orders",
        "/..;/api/reload",
        "//127.0.0.1:9090/api/reload",
        "/http://127.0.0.1:9090/api/reload",
        "/?/topics/orders",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = ask(&gateway.edge, method, target, "").await;
            assert_eq!((answer.status, &*answer.text()), (200, &*format!("{method} {target}")));
            wanted.push(format!("{method} {target}"));
        }
    }
    // In absolute form, what is behind the host counts: the host's name names no listener.
    for (target, origin) in [
        ("http://a.example/api/reload", "/api/reload"),
        ("https://a.example/webhooks/orders", "/webhooks/orders"),
        ("http://a.example//topics/orders", "//topics/orders"),
        ("http://a.example/x/../topics/orders", "/x/../topics/orders"),
        ("HTTP://a.example?/topics", "/?/topics"),
    ] {
        assert_eq!(ask(&gateway.edge, "POST", target, "").await.text(), format!("POST {origin}"));
        wanted.push(format!("POST {origin}"));
    }
    assert_eq!(diary.asked(), wanted);
    assert_untouched(&gateway, 0.0).await;
}

#[tokio::test]
async fn a_target_below_the_prefix_names_a_topic_or_nothing_and_never_comes_to_the_app() {
    let diary = Diary::start().await;
    let gateway = Gateway::start(&format!("edge: {{ upstream: \"{}\" }}", diary.url)).await;
    for target in [
        "/topics/../admin",
        "/topics/../api/reload",
        "/topics/../webhooks/orders",
        "/topics/%2e%2e/webhooks/orders",
        "/topics/%2E%2E%2Fapi%2Freload",
        "/topics/..%2f..%2fwebhooks%2forders",
        "/topics/%252e%252e/api/reload",
        "/topics/..;/api/reload",
        "/topics//webhooks/orders",
        "/topics//127.0.0.1:9090/api/reload",
        "/topics/..\\api\\reload",
        "/topics/.%00./api/reload",
        "/topics/%c0%ae%c0%ae/api/reload",
        "/topics/\u{ff0e}\u{ff0e}/api/reload",
        "/topics/orders/../../webhooks/orders",
        "/topics/orders;/../webhooks/orders",
        "/topics?topic=../webhooks/orders",
        "http://a.example/topics/../api/reload",
    ] {
        ask(&gateway.edge, "GET", target, "").await.assert_problem(400);
        ask(&gateway.edge, "POST", target, "").await.assert_problem(405);
    }
    assert!(diary.asked().is_empty(), "{:?}", diary.asked());
    assert_untouched(&gateway, 0.0).await;
}

/// The two listeners behind know their own paths, and no other way of writing them.
#[tokio::test]
async fn the_other_listeners_serve_exact_paths() {
    let gateway = Gateway::start("").await;
    for target in [
        "/api/reload",
        "/topics/orders",
        "//webhooks/orders",
        "/Webhooks/orders",
        "/webhooks/../api/reload",
        "/webhooks/x/../orders",
        "/x/../webhooks/orders",
        "/webhooks/orders/",
        "/webhooks//orders",
        "/%77ebhooks/orders",
        "http://a.example/api/reload",
    ] {
        ask(&gateway.ingress, "POST", target, "").await.assert_problem(404);
    }
    for target in [
        "/webhooks/orders",
        "/topics/orders",
        "//api/reload",
        "/API/reload",
        "/api/reload/",
        "/api/../api/reload",
        "/api/%72eload",
        "/api%2Freload",
        "/api/reload;x",
        "http://a.example/webhooks/orders",
    ] {
        ask(&gateway.admin, "POST", target, "").await.assert_problem(404);
    }
    assert_untouched(&gateway, 0.0).await;
}

const RULES: &str = r#"topics: [ { name: news, match: "news.**", access: public }, { name: shut, match: "shut.**", access: deny } ]"#;

/// Whoever may have `news.**`, and with a token `orders.7`, gets nothing else by writing it in another way.
#[tokio::test]
async fn no_way_of_writing_a_name_gets_around_a_rule() {
    let gateway = Gateway::start(&format!("{RULES}\n{}", auth(""))).await;
    let mut sender = Sender::open(&gateway).await;
    for topic in ["shut.a", "orders.8", "SHUT.a", "shut"] {
        sender.publish(topic, "kept from you").await;
    }
    for topic in ["news.a", "orders.7"] {
        sender.publish(topic, "for you").await;
    }
    let known = format!("Authorization: Bearer {}\r\n", bearer(&["orders.7"]));
    // Of a stranger, and of one with a token.
    for (target, stranger, bearer) in [
        ("/shut.a", 403, 403),
        ("/%73hut.a", 403, 403),
        ("/%73%68%75%74%2e%61", 403, 403),
        ("/shut%2Ea", 403, 403),
        ("/shut.*", 403, 403),
        ("/shut.**", 403, 403),
        ("/%73hut.%2A", 403, 403),
        ("/*.a", 403, 403),
        ("/**", 403, 403),
        ("/%2A%2A", 403, 403),
        ("?topic=shut.a", 403, 403),
        ("?topic=%73hut.a", 403, 403),
        ("?topic=news.a&topic=shut.a", 403, 403),
        ("?topic=news.a&topic=**", 403, 403),
        ("/news.a?topic=shut.a", 403, 403),
        ("/news.a?topic=orders.7&topic=shut.*", 403, 403),
        // Others' names: case tells them apart, and an escape stands for itself.
        ("/SHUT.a", 401, 403),
        ("/shut", 401, 403),
        ("/s~68ut.a", 401, 403),
        ("/orders.8", 401, 403),
        ("/%6frders.8", 401, 403),
        ("/Orders.7", 401, 403),
        ("/orders.*", 401, 403),
        ("/*.7", 403, 403),
        ("/orders.7?topic=orders.8", 401, 403),
        ("?topic=orders.7&topic=news.a&topic=orders.8", 401, 403),
        // No names at all.
        ("/%2573hut.a", 400, 400),
        ("/shut.a/", 400, 400),
        ("//shut.a", 400, 400),
        ("/./shut.a", 400, 400),
        ("/../shut.a", 400, 400),
        ("/news.a/../shut.a", 400, 400),
        ("/news.a%2F..%2Fshut.a", 400, 400),
        ("/news.a/%2e%2e/shut.a", 400, 400),
        ("/shut.a;v=1", 400, 400),
        ("/shut.a%3Bv", 400, 400),
        ("/news.a,shut.a", 400, 400),
        ("/news.a%2Cshut.a", 400, 400),
        ("/news.a%26topic=shut.a", 400, 400),
        ("/news.a%3Ftopic=shut.a", 400, 400),
        ("/shut.a%00", 400, 400),
        ("/news.a%00shut.a", 400, 400),
        ("/shut.a%20", 400, 400),
        ("/shut.a%0D%0A", 400, 400),
        ("/%c1%b3hut.a", 400, 400),
        ("/shut%E2%80%A4a", 400, 400),
        ("/%uFF53hut.a", 400, 400),
        ("/shut.a.", 400, 400),
        ("/shut..a", 400, 400),
        ("/s*.a", 400, 400),
        ("/**.a", 400, 400),
        ("/news.**.a", 400, 400),
        ("?topic=news.a;topic=shut.a", 400, 400),
        ("?topic=shut.a+", 400, 400),
        ("?topic=news.a%26topic=shut.a", 400, 400),
        // What is theirs, in whichever way it is written.
        ("/news.a", 200, 200),
        ("/%6eews%2ea", 200, 200),
        ("/news.*", 200, 200),
        ("?topic=%6eews.a", 200, 200),
        ("/orders.7", 401, 200),
        ("/%6frders.7", 401, 200),
        ("/orders.7?topic=news.**", 401, 200),
    ] {
        for (headers, status) in [("", stranger), (&*known, bearer)] {
            let page = format!("{headers}Accept: application/json\r\n");
            let (mark, all) = (if target.contains('?') { '&' } else { '?' }, "since=start");
            let written = format!("/topics{target}{mark}{all}");
            let answer = ask(&gateway.edge, "GET", &written, &page).await;
            assert_eq!(answer.status, status, "{target} {headers}: {}", answer.text());
            assert!(!answer.text().contains("kept from you"), "{target} {headers}: {}", answer.text());
            assert_eq!(answer.text().contains("for you"), status == 200, "{target} {headers}");
            if status != 200 {
                ask(&gateway.edge, "GET", &written, headers).await.assert_problem(status);
            }
            let mut connection = Connection::open(&gateway.edge).await;
            connection.send(format!("HEAD {written} HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n")).await;
            let head = connection.head().await.unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "HEAD {target} {headers}: {head}");
        }
    }
    assert_untouched(&gateway, 6.0).await;
}
