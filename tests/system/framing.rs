//! What could be read in two ways is read by nobody. The app behind the edge sees the requests that it should, whole, over
//! the connection that it had before; and nobody gets an answer that is somebody else's.

use crate::support::{Answer, Connection, Diary, Gateway, exchange, field};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

async fn gateway(diary: &Diary) -> Gateway {
    Gateway::start(&format!("edge: {{ upstream: \"{}\" }}", diary.url)).await
}

/// The last request of its connection.
fn last(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
}

async fn ask(gateway: &Gateway, target: &str) -> Answer {
    exchange(&gateway.edge, format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await
}

/// Sends `request` on a connection of its own, which must have one answer and an end.
async fn refused(address: &str, request: &str, status: u16) {
    let mut caller = Connection::open(address).await;
    caller.send_what_is_taken(request).await;
    let answer = caller.answer().await;
    assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    assert_eq!(answer.field("connection"), Some("close"), "{request:?}: {answer:?}");
    let rest = caller.rest().await.unwrap_or_default();
    assert!(rest.is_empty(), "{request:?}: {}", rest.escape_ascii());
}

/// Heads with these lines behind `Host: a.example`.
const FIELDS: [(&str, u16); 29] = [
    ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 4", 400),
    ("transfer-encoding: CHUNKED\r\ncontent-length: 0", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", 501),
    ("Transfer-Encoding: gzip, chunked", 501),
    ("Transfer-Encoding: chunked, identity", 501),
    ("Transfer-Encoding: xchunked", 501),
    ("Transfer-Encoding: \"chunked\"", 501),
    ("Transfer-Encoding: chunked;q=1", 501),
    ("Transfer-Encoding:\x0bchunked", 400),
    ("Transfer-Encoding : chunked", 400),
    ("Content-Length : 4", 400),
    ("Content-Length: 4\r\nContent-Length: 4", 400),
    ("Content-Length: 4\r\nContent-Length: 0", 400),
    ("Content-Length: 4, 4", 400),
    ("Content-Length: +4", 400),
    ("Content-Length: 0x4", 400),
    ("Content-Length: 4_", 400),
    ("Content-Length: 99999999999999999999", 400),
    ("Content-Length:", 400),
    ("X: a\r\n folded", 400),
    ("X: a\r\n\tContent-Length: 4", 400),
    ("Transfer-Encoding:\r\n chunked", 501),
    ("Host: a.example", 400),
    ("Host: b.example", 400),
    ("X: a\rContent-Length: 4", 400),
    ("X: a\nTransfer-Encoding: chunked", 400),
    ("X: a\0b", 400),
];

/// Heads that are wrong in their first lines.
const HEADS: [(&str, u16); 16] = [
    ("GET /a HTTP/1.1\r\n", 400),
    ("GET http://b.example/a HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET http://b.example/topics/orders HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET http://a.example\\@b.example/ HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET file:///etc/passwd HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET a.example HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET /a HTTP/1.1\r\nHost: a.example/topics\r\n", 400),
    ("GET /a HTTP/1.1\r\nHost: a.example, b.example\r\n", 400),
    ("GET /a HTTP/1.1\r\nHost: a.example@b.example\r\n", 400),
    ("GET /a HTTP/1.1 HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET\t/a HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: a.example\r\n", 400),
    (" GET /a HTTP/1.1\r\nHost: a.example\r\n", 400),
    ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n", 501),
    ("PRI * HTTP/2.0\r\nHost: a.example\r\n", 505),
];

#[tokio::test]
async fn heads_that_could_be_read_in_two_ways_are_refused_by_every_listener() {
    let diary = Diary::start().await;
    let gateway = gateway(&diary).await;
    assert_eq!(ask(&gateway, "/before").await.status, 200);
    for (fields, status) in FIELDS {
        let body = format!("0\r\n\r\n{SMUGGLED}");
        for (address, target) in [
            (&gateway.edge, "/a"),
            (&gateway.edge, "/topics/orders"),
            (&gateway.ingress, "/webhooks/orders"),
            (&gateway.admin, "/api/reload"),
        ] {
            let request = format!("POST {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n\r\n{body}");
            refused(address, &request, status).await;
        }
    }
    for (head, status) in HEADS {
        for address in [&gateway.edge, &gateway.ingress, &gateway.admin] {
            refused(address, &format!("{head}\r\n{SMUGGLED}"), status).await;
        }
    }
    assert_eq!(ask(&gateway, "/after").await.text(), "GET /after");
    let seen: Vec<_> = diary.entries().into_iter().map(|entry| (entry.connection, entry.asked)).collect();
    assert_eq!(seen, [(0, "GET /before".to_owned()), (0, "GET /after".to_owned())]);
    let metrics = gateway.metrics().await;
    for name in ["sidestream_events_total{source=\"default\"}", "sidestream_config_reloads_total"] {
        assert_eq!(metrics.get(name), 0.0, "{name}");
    }
}

/// The app is sent chunks of the edge's own making, or none.
#[tokio::test]
async fn chunks_that_are_none_end_the_request_and_both_connections() {
    let diary = Diary::start().await;
    let gateway = gateway(&diary).await;
    for body in [
        "\r\n\r\n",
        "\r\n4\r\nbody\r\n0\r\n\r\n",
        ";a\r\n\r\n",
        " \r\n\r\n",
        "4 \r\nbody\r\n0\r\n\r\n",
        "4;\nx\r\nbody\r\n0\r\n\r\n",
        "0\r\nnonsense\r\n\r\n",
        "4\r\nbody0\r\n\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "5\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "+4\r\nbody\r\n0\r\n\r\n",
        "0x4\r\nbody\r\n0\r\n\r\n",
        "4_\r\nbody\r\n0\r\n\r\n",
        "10000000000000004\r\nbody\r\n0\r\n\r\n",
        "g\r\nbody\r\n0\r\n\r\n",
    ] {
        let head = "POST /chunks HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
        refused(&gateway.edge, &format!("{head}{body}{SMUGGLED}"), 400).await;
        let webhook = head.replace("/chunks", "/webhooks/orders");
        refused(&gateway.ingress, &format!("{webhook}{body}{SMUGGLED}"), 400).await;
        let wanted = format!("/after?{}", body.len());
        assert_eq!(ask(&gateway, &wanted).await.text(), format!("GET {wanted}"), "{body:?}");
    }
    assert!(diary.asked().iter().all(|asked| asked.starts_with("GET /after?")), "{:?}", diary.asked());
    assert_eq!(gateway.metrics().await.get("sidestream_events_total{source=\"default\"}"), 0.0);
}

/// Extensions, trailers and leading zeros are a matter of this connection: none reaches the app.
#[tokio::test]
async fn chunks_arrive_as_the_bytes_that_they_hold() {
    let diary = Diary::start().await;
    let gateway = gateway(&diary).await;
    let head = "POST /chunks HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    let inner = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let mut caller = Connection::open(&gateway.edge).await;
    let bodies = [
        "4\r\nbody\r\n0\r\n\r\n",
        "0004\r\nbody\r\n000\r\n\r\n",
        "2;a=b\r\nbo\r\n2;c=\"d\"\r\ndy\r\n0;e\r\n\r\n",
        &inner,
    ];
    for body in bodies {
        caller.send(format!("{head}{body}")).await;
        assert_eq!(caller.answer().await.text(), "POST /chunks");
    }
    let entries = diary.entries();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.connection, &*entry.body)).collect();
    let wanted = [b"body", b"body", b"body", SMUGGLED.as_bytes()];
    assert_eq!(seen, wanted.map(|body| (0, body)));
    for entry in &entries {
        assert_eq!(field(&entry.head, "content-length"), None, "{}", entry.head);
    }
}

/// A body that nobody has read is no request.
#[tokio::test]
async fn a_body_behind_what_the_edge_answers_itself_is_never_taken_for_a_request() {
    let diary = Diary::start().await;
    let gateway = gateway(&diary).await;
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let framings = [
        (format!("Content-Length: {}\r\n", SMUGGLED.len()), SMUGGLED),
        ("Transfer-Encoding: chunked\r\n".to_owned(), &chunk),
    ];
    for (fields, body) in &framings {
        for (method, target, status) in [
            ("POST", "/topics/orders", 405),
            ("OPTIONS", "/topics/orders", 204),
            ("HEAD", "/topics/orders", 200),
            ("GET", "/topics/a..b", 400),
            ("GET", "/topics", 404),
        ] {
            let mut caller = Connection::open(&gateway.edge).await;
            let head = format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
            caller.send_what_is_taken(format!("{head}{body}{}", last("/next"))).await;
            let head = caller.head().await.unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {head}");
            // The next one is answered by the app, or the connection was over before it.
            let rest = String::from_utf8(caller.rest().await.unwrap_or_default()).unwrap();
            assert!(!rest.contains("/smuggled"), "{method} {target}: {rest}");
            assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{method} {target}: {rest}");
        }
        // A stream is the last that comes over its connection.
        let mut caller = Connection::open(&gateway.edge).await;
        caller.send(format!("GET /topics/orders HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{body}")).await;
        assert!(caller.head().await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    assert!(diary.asked().iter().all(|asked| asked == "GET /next"), "{:?}", diary.asked());
}

/// What an app sends behind its answer belongs to no one.
#[tokio::test]
async fn bytes_behind_an_answer_of_the_app_are_nobodys_answer() {
    let diary = Diary::start().await;
    let gateway = gateway(&diary).await;
    for target in ["/surplus", "/empty-surplus", "/same-surplus", "/both"] {
        for round in 0..20 {
            let mut first = Connection::open(&gateway.edge).await;
            first.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
            first.head().await.unwrap();
            let own = format!("/own?{round}");
            let answer = ask(&gateway, &own).await;
            assert_eq!((answer.status, &*answer.text()), (200, &*format!("GET {own}")), "after {target}");
            first.send_what_is_taken(last("/next")).await;
            let rest = String::from_utf8(first.rest().await.unwrap_or_default()).unwrap();
            assert!(!rest.contains("planted"), "{target}: {rest}");
        }
    }
}
