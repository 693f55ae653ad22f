//! Contract, section 5, `forward`: the app says who may listen, and what it does not say lets nobody in.

use tokio::io::AsyncWriteExt as _;

use crate::support::token::{auth, bearer};
use crate::support::{Answer, App, Connection, Gateway, Request, Sender, exchange, field};

const RULES: &str = r#"topics: [ { name: news, match: "news.**", access: public }, { name: mine, match: "mine.**", access: forward }, { name: both, match: "both.a", access: forward } ]"#;

async fn start(app: &App, more: &str) -> Gateway {
    let forward = format!(", forward: {{ url: \"{}/may-listen?a=b\", timeout: 2s }}{more}", app.url);
    Gateway::start(&format!("{RULES}\n{}", auth(&forward))).await
}

fn ask(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n{headers}\r\n")
}

/// Sends a request; the app is asked about it, and says `head`.
async fn told(gateway: &Gateway, app: &mut App, request: &str, head: &str) -> (Answer, String) {
    let say = async {
        let (question, mut stream) = app.request().await;
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        question
    };
    tokio::join!(exchange(&gateway.edge, request), say)
}

#[tokio::test]
async fn the_app_is_told_all_but_the_querys_token_and_its_word_counts() {
    let mut app = App::start().await;
    let gateway = start(&app, ", cookie: session").await;
    let token = bearer(&["none"]);
    let (target, headers) =
        (format!("/topics/mine.a?limit=5&access_token={token}&x=y"), "Cookie: theirs=1\r\nX-Own: z\r\n");
    let (answer, question) = told(&gateway, &mut app, &ask(&target, headers), "200 OK").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("vary"), Some("Accept, Origin, Cookie"));
    assert!(question.starts_with("GET /may-listen?a=b HTTP/1.1\r\n"), "{question}");
    assert_eq!(field(&question, "cookie"), Some("theirs=1"));
    assert_eq!(field(&question, "x-original-uri"), Some("/topics/mine.a?limit=5&x=y"));
    assert!(!question.contains(&token[40..]), "{question}");

    for (said, status, challenge) in [
        ("204 No Content", 200, None),
        ("200 OK\r\nSidestream-Topics: mine.*", 200, None),
        ("200 OK\r\nSidestream-Topics: mine.b, yours.**", 403, None),
        ("403 Forbidden", 403, None),
        ("401 Unauthorized", 401, Some("Bearer realm=\"sidestream\"")),
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"app\"", 401, Some("Basic realm=\"app\"")),
        ("500 Oops", 503, None),
        ("302 Found\r\nLocation: /login", 503, None),
        ("200 OK\r\nSidestream-Topics: a..b", 503, None),
    ] {
        let (answer, _) = told(&gateway, &mut app, &ask("/topics/mine.a", ""), said).await;
        assert_eq!(answer.status, status, "{said}");
        if status != 200 {
            answer.assert_problem(status);
            assert_eq!(answer.field("www-authenticate"), challenge, "{said}");
        }
    }
    let metrics = gateway.metrics().await;
    for (reason, count) in [("app", 1.0), ("app_403", 1.0), ("app_401", 2.0), ("app_failed", 3.0)] {
        let name = format!("sidestream_auth_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(metrics.get(&name), count, "{reason}");
    }
}

/// Where the app judges what is shown it is let to, but for what it is never shown.
#[tokio::test]
async fn tokens_of_the_apps_own_are_its_to_judge() {
    let mut app = App::start().await;
    let gateway = start(&app, ", cookie: session").await;
    for headers in
        ["Authorization: Bearer opaque\r\n", "Cookie: session=opaque\r\n", "Authorization: Basic eDp5\r\n"]
    {
        let (answer, question) = told(&gateway, &mut app, &ask("/topics/mine.a", headers), "200 OK").await;
        assert_eq!(answer.status, 200, "{headers}");
        assert!(question.to_ascii_lowercase().contains(&headers.to_ascii_lowercase()), "{question}");
    }
    // None of these is asked about: what is refused anyway is no question.
    let (bad, none) = ("Authorization: Bearer opaque\r\n", "");
    for (target, headers, status) in [
        ("/topics/mine.a?access_token=opaque", none, 401),
        ("/topics?topic=mine.a&topic=orders", none, 401),
        ("/topics?topic=mine.a&topic=orders", bad, 401),
        ("/topics?topic=mine.a&topic=news.a&access_token=opaque", none, 401),
        ("/topics/both.*", none, 401),
        ("/topics/news.a", bad, 401),
    ] {
        exchange(&gateway.edge, ask(target, headers)).await.assert_problem(status);
    }
    let (both, known) =
        ("/topics?topic=mine.a&topic=orders", format!("Authorization: Bearer {}\r\n", bearer(&["orders"])));
    let (answer, _) = told(&gateway, &mut app, &ask(both, &known), "200 OK").await;
    assert_eq!(answer.status, 200);
}

/// A stream by the app's word ends when the app said; and where the app is gone a browser is asked to come back.
#[tokio::test]
async fn a_stream_by_the_apps_word() {
    let mut app = App::start().await;
    let gateway = start(&app, "").await;
    let mut connection: Connection = Request::topic("mine.a").connect(&gateway.edge).await;
    let (_, mut stream) = app.request().await;
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\nSidestream-Expires: 4\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let head = connection.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut sender = Sender::open(&gateway).await;
    gateway.connections(1).await;
    assert_eq!(sender.publish("mine.a", "1").await.subscribers, 1);
    let body = String::from_utf8(connection.rest().await.unwrap()).unwrap();
    assert!(body.contains("data: 1\n") && body.ends_with("\r\n0\r\n\r\n"), "{body}");
    gateway.connections(0).await;

    drop(app);
    let answer = exchange(&gateway.edge, "GET /topics/mine.a HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("text/event-stream")));
    assert!(answer.text().starts_with("retry: "), "{}", answer.text());
}
