//! Contract, section 5: the query's token is in no log, metric, error, answer of the admin API or request to the app; and
//! neither is any other.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::token::{SECRET, auth, bearer, but, claims, now, signed};
use crate::support::{App, Gateway, Request, Sender, exchange, get};

const RULES: &str = r#"topics: [ { name: news, match: "news.**", access: public }, { name: shut, match: "shut.**", access: deny } ]"#;

/// Parts by which a token would be found, however it is cut or escaped.
fn parts(token: &str) -> Vec<String> {
    token.split('.').filter(|part| part.len() > 20).map(|part| part[part.len() - 20..].to_owned()).collect()
}

fn assert_silent(what: &str, text: &str, tokens: &[&str]) {
    for part in tokens.iter().flat_map(|token| parts(token)) {
        assert!(!text.contains(&part), "{what} holds a token: {}", excerpt(text, &part));
    }
}

fn excerpt(text: &str, part: &str) -> String {
    let line = text.lines().find(|line| line.contains(part)).unwrap_or_default();
    line.chars().take(300).collect()
}

/// With every log there is.
#[tokio::test]
async fn a_token_is_nowhere_but_in_the_request() {
    let mut app = App::start().await;
    let yaml = format!("edge: {{ upstream: \"{}\" }}\n{RULES}\n{}", app.url, auth(", cookie: session"));
    let gateway = Gateway::start_with(&yaml, |mut command| {
        command.env("SIDESTREAM_LOG", "trace");
        command
    })
    .await;
    let good = bearer(&["orders.**"]);
    let expired = signed(
        &json!({ "alg": "HS256" }),
        &but(claims(&["orders"]), "exp", Some(json!(now() - 999))),
        SECRET.as_bytes(),
    );
    let forged = signed(&json!({ "alg": "HS256" }), &claims(&["**"]), b"guessed");
    let tokens = [&*good, &*expired, &*forged];

    let mut answers = String::new();
    for token in tokens {
        for (target, headers) in [
            (format!("/topics/orders.1?access_token={token}"), String::new()),
            (format!("/topics/shut.a?access_token={token}"), String::new()),
            (format!("/topics/news.a?access_token={token}&since=x"), String::new()),
            (format!("/topics/orders.1?access_token={token}&access_token={token}"), String::new()),
            (format!("/topics/orders.1?access_token={}", token.replace('.', "%2E")), String::new()),
            ("/topics/orders.1".to_owned(), format!("Authorization: Bearer {token}\r\n")),
            ("/topics/orders.1".to_owned(), format!("Cookie: session={token}\r\n")),
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}Accept: application/json\r\n\r\n");
            let answer = exchange(&gateway.edge, request).await;
            answers += &answer.head;
            answers += &answer.text();
        }
    }
    let mut stream = Request::to(format!("/topics/orders.1?access_token={good}")).open(&gateway).await;
    stream.opening().await;
    Sender::open(&gateway).await.publish("orders.1", "1").await;
    stream.event().await;
    for path in ["/metrics", "/api/connections", "/api/info", "/api/topics"] {
        answers += &get(&gateway.admin, path).await.text();
    }
    assert_silent("an answer", &answers, &tokens);

    // What is not under the prefix is the app's own, byte for byte.
    let target = format!("/page?access_token={good}");
    let answer_it = async {
        let (head, mut stream) = app.request().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        head
    };
    let (proxied, head) = tokio::join!(get(&gateway.edge, &target), answer_it);
    assert_eq!(proxied.status, 200);
    assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");

    gateway.terminate();
    let exit = gateway.exit().await;
    assert!(exit.status.success());
    assert_silent("the log", &exit.stderr, &tokens);
    assert!(!exit.stderr.contains(SECRET));
}
