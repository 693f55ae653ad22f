//! Who asks, when proxies stand in front: what the app is told, by the PROXY protocol and by headers.

use rustix::process::Signal;

use crate::support::{App, Connection, Gateway, answer_as_app, field, post, until};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";

/// From `2001:db8::7` port 51000 to `2001:db8::1` port 443.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    for last in [7, 1] {
        header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    header.extend([0xc7, 0x38, 1, 0xbb]);
    header
}

/// A request to the app with these header lines behind what comes first; the head that the app got.
async fn told(gateway: &Gateway, app: &mut App, before: &[u8], lines: &str) -> String {
    let mut caller = Connection::open(&gateway.edge).await;
    caller
        .send([before, format!("GET /a HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n").as_bytes()].concat())
        .await;
    let (head, mut stream) = app.request().await;
    answer_as_app(&mut stream, "ok").await;
    assert_eq!(caller.answer().await.status, 200);
    head
}

const FORGED: &str = "X-Forwarded-For: 6.6.6.6, 10.0.0.1\r\nForwarded: for=6.6.6.6;proto=https;host=evil.example\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Real-IP: 6.6.6.6\r\n";

/// What an app reads off a head: for, proto, host.
fn who(head: &str) -> [Option<&str>; 3] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| field(head, name))
}

#[tokio::test]
async fn the_address_in_a_proxy_header_is_what_the_app_is_told() {
    let mut app = App::start().await;
    let upstream = &app.url;
    let gateway =
        Gateway::start(&format!("edge: {{ proxy_protocol: required, upstream: \"{upstream}\" }}")).await;
    for (header, address) in [(V1.to_vec(), "192.0.2.7"), (v2(), "2001:db8::7")] {
        for lines in ["", FORGED] {
            let head = told(&gateway, &mut app, &header, lines).await;
            assert_eq!(who(&head), [Some(address), Some("http"), Some("shop.example")], "{head}");
            assert_eq!((field(&head, "forwarded"), field(&head, "x-real-ip")), (None, None), "{head}");
        }
    }
    let head = told(&gateway, &mut app, b"PROXY UNKNOWN\r\n", "").await;
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_subscriber_behind_a_proxy_header_gets_its_stream() {
    let gateway = Gateway::start("edge: { proxy_protocol: required }").await;
    let mut subscriber = Connection::open(&gateway.edge).await;
    subscriber.send([&v2()[..], b"GET /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n"].concat()).await;
    let head = subscriber.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    gateway.connections(1).await;
    assert_eq!(post(&gateway.ingress, "/webhooks/orders", "x").await.json()["subscribers"], 1);
}

#[tokio::test]
async fn connections_without_a_header_are_closed_and_counted_and_the_other_listeners_are_as_ever() {
    let gateway =
        Gateway::start("edge: { proxy_protocol: required }\ningress: { proxy_protocol: required }").await;
    for (listener, address) in [("edge", &gateway.edge), ("ingress", &gateway.ingress)] {
        let errors = format!("sidestream_proxy_protocol_errors_total{{listener=\"{listener}\"}}");
        assert_eq!(gateway.metrics().await.get(&errors), 0.0);
        for request in [&b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[..], b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"] {
            let mut caller = Connection::open(address).await;
            caller.send(request).await;
            assert_eq!(caller.rest().await.unwrap_or_default(), b"", "{listener}");
        }
        gateway.wait_for_metric(&errors, |count| count == 2.0).await;
    }
    gateway.says("does not begin with a PROXY header").await;
    let mut sender = Connection::open(&gateway.ingress).await;
    sender
        .send([V1, b"POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx"].concat())
        .await;
    assert_eq!(sender.answer().await.status, 202);
}

#[tokio::test]
async fn a_strangers_headers_change_nothing() {
    let mut app = App::start().await;
    let upstream = app.url.clone();
    let section = |trusted: &str| format!("edge: {{ upstream: \"{upstream}\", trusted_proxies: {trusted} }}");
    for trusted in ["[]", "[10.0.0.0/8, \"fd00::/8\", 127.0.0.2, unix]"] {
        let gateway = Gateway::start(&section(trusted)).await;
        let head = told(&gateway, &mut app, b"", FORGED).await;
        assert_eq!(who(&head), [Some("127.0.0.1"), Some("http"), Some("shop.example")], "{head}");
        assert_eq!((field(&head, "forwarded"), field(&head, "x-real-ip")), (None, None), "{head}");
    }
}

#[tokio::test]
async fn a_trusted_proxys_headers_are_kept_and_added_to_from_the_reload_that_names_it() {
    let mut app = App::start().await;
    let section =
        format!("edge: {{ upstream: \"{}\", trusted_proxies: [127.0.0.0/8, 10.0.0.0/8] }}", app.url);
    let gateway = Gateway::start(&section.replace("127.0.0.0/8, ", "")).await;
    let lines = "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n";
    let head = told(&gateway, &mut app, b"", lines).await;
    assert_eq!(who(&head), [Some("127.0.0.1"), Some("http"), Some("shop.example")], "{head}");

    gateway.rewrite(&section);
    gateway.signal(Signal::HUP);
    // The changes are named before they are made.
    gateway.says("configuration reloaded").await;
    let head = told(&gateway, &mut app, b"", lines).await;
    // What the client said of itself is gone; the app sees it first.
    let path = "192.0.2.7, 10.0.0.1, 127.0.0.1";
    assert_eq!(who(&head), [Some(path), Some("https"), Some("shop.example:8443")], "{head}");
    let head = told(&gateway, &mut app, b"", "Forwarded: for=\"[2001:db8::7]:4711\";proto=https\r\n").await;
    assert_eq!(who(&head), [Some("2001:db8::7, 127.0.0.1"), Some("https"), Some("shop.example")], "{head}");
}

#[tokio::test]
async fn whether_headers_are_expected_needs_a_restart() {
    let gateway = Gateway::start("edge: { prefix: /a }").await;
    gateway.rewrite("edge: { prefix: /b, proxy_protocol: required }");
    gateway.signal(Signal::HUP);
    gateway.says("edge.proxy_protocol needs a restart; still off").await;
    until("the rest is taken over", async || {
        let answer = crate::support::exchange(&gateway.edge, "HEAD /b/x HTTP/1.0\r\n\r\n").await;
        (answer.status == 200).then_some(())
    })
    .await;
}
