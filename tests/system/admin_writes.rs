//! Who may change a running server: every write asks for the operator's token, in the one form there is, and from no page of
//! another origin.

use serde_json::json;

use crate::support::{Answer, Diary, Gateway, Request, Sender, exchange, get};

const TOKEN: &str = "the operator's token";

/// Every write that there is, with its body and its answer.
fn writes(connection: &str) -> [(String, String, u16); 4] {
    [
        ("POST /api/reload".to_owned(), String::new(), 200),
        ("POST /api/revoke".to_owned(), json!({ "sub": "nobody" }).to_string(), 200),
        ("DELETE /api/topics/orders/history".to_owned(), String::new(), 200),
        (format!("DELETE /api/connections/{connection}"), String::new(), 204),
    ]
}

async fn write(address: &str, line: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    exchange(
        address,
        format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"),
    )
    .await
}

#[tokio::test]
async fn a_write_needs_the_token_and_a_page_of_its_own() {
    let diary = Diary::start().await;
    let gateway =
        Gateway::start(&format!("edge: {{ upstream: \"{}\" }}\nadmin: {{ token: \"{TOKEN}\" }}", diary.url))
            .await;
    let mut stream = Request::topic("orders").open(&gateway).await;
    stream.opening().await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish("orders", "1").await;
    assert_eq!(stream.event().await.data(), "1");
    let list = get(&gateway.admin, "/api/connections").await.json();
    let writes = writes(list["connections"][0]["id"].as_str().unwrap());

    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    let cut = TOKEN.len() - 1;
    let refused: [(String, u16); 19] = [
        (String::new(), 401),
        ("Authorization: \r\n".into(), 401),
        ("Authorization: Bearer\r\n".into(), 401),
        ("Authorization: Bearer \r\n".into(), 401),
        ("Authorization: Bearer wrong\r\n".into(), 401),
        (format!("Authorization: Bearer {}\r\n", &TOKEN[..cut]), 401),
        (format!("Authorization: Bearer {TOKEN}x\r\n"), 401),
        (format!("Authorization: Bearer x{TOKEN}\r\n"), 401),
        (format!("Authorization: Bearer {}\r\n", TOKEN.to_uppercase()), 401),
        (format!("Authorization: Bearer \"{TOKEN}\"\r\n"), 401),
        (format!("Authorization: Bearer{TOKEN}\r\n"), 401),
        (format!("Authorization: Basic {TOKEN}\r\n"), 401),
        (format!("Authorization: {TOKEN}\r\n"), 401),
        (format!("{good}{good}"), 401),
        (format!("X-Authorization: Bearer {TOKEN}\r\nCookie: token={TOKEN}\r\n"), 401),
        (format!("{good}Origin: https://evil.example\r\n"), 403),
        (format!("{good}Origin: null\r\n"), 403),
        (format!("{good}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{good}Sec-Fetch-Site: same-site\r\n"), 403),
    ];
    for (line, body, _) in &writes {
        for (headers, status) in &refused {
            let answer = write(&gateway.admin, line, headers, body).await;
            assert_eq!(answer.status, *status, "{line} {headers}");
            answer.assert_problem(*status);
            assert_eq!(answer.field("www-authenticate"), (*status == 401).then_some("Bearer"), "{headers}");
            assert!(!answer.text().contains(TOKEN) && !answer.head.contains(TOKEN), "{answer:?}");
        }
        // Nor in the target, which every log on the way keeps.
        let (method, path) = line.split_once(' ').unwrap();
        let escaped = TOKEN.replace(' ', "%20").replace('\'', "%27");
        let in_target = format!("{method} {path}?token={escaped}&access_token={escaped}");
        write(&gateway.admin, &in_target, "", body).await.assert_problem(401);
        // Through the public listener it is the app's, whoever asks.
        assert_eq!(write(&gateway.edge, line, &good, body).await.text(), *line);
    }
    assert_eq!(gateway.metrics().await.get("sidestream_config_reloads_total"), 0.0);
    sender.publish("orders", "2").await;
    assert_eq!(stream.event().await.data(), "2");
    let page = "GET /topics/orders?since=start HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";
    let page = exchange(&gateway.edge, page).await;
    assert_eq!(page.json()["events"].as_array().unwrap().len(), 2, "{}", page.text());

    for ((line, body, status), scheme) in writes.iter().zip(["Bearer", "bearer", "BEARER", "Bearer "]) {
        let headers = format!("Authorization: {scheme} {TOKEN}\r\nOrigin: http://localhost\r\n");
        let answer = write(&gateway.admin, line, &headers, body).await;
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
    }
    assert!(stream.farewell().await.is_empty());
    assert!(!gateway.stderr().contains(TOKEN), "{}", gateway.stderr());
}
