//! Contract, section 5: streams that the app makes, and streams by a token, end when what let them in is taken away: by a
//! reload whichever way it is asked for, by a file of a key, by a revocation.

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;

use crate::support::token::{SECRET, auth, bearer, signed};
use crate::support::{Answer, App, Gateway, Request, Sender, Subscriber, exchange, get, until};

/// Rules that let the app decide, and take nothing away.
const OPEN: &str = "topics: [ { name: orders, match: orders, access: jwt } ]";

fn yaml(app: &App, rules: &str) -> String {
    format!("edge: {{ upstream: \"{}\" }}\n{rules}\n{}", app.url, auth(""))
}

/// The app is asked for a stream and says `fields`; the stream, with its opening block read.
async fn held(gateway: &Gateway, app: &mut App, fields: &str) -> Subscriber {
    let say = async {
        let (_, mut stream) = app.request().await;
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n{fields}");
        stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    };
    let request = Request::to("/welcome");
    let (mut stream, ()) = tokio::join!(request.open(gateway), say);
    stream.opening().await;
    stream
}

async fn revoke(gateway: &Gateway, body: &str) -> Answer {
    let head = "POST /api/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let length = body.len();
    exchange(&gateway.admin, format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn a_reload_that_denies_ends_what_the_app_made_and_nothing_else() {
    let mut app = App::start().await;
    let gateway = Gateway::start(&yaml(&app, OPEN)).await;
    let mut lost = held(&gateway, &mut app, "Sidestream-Hold: orders, news\r\n").await;
    let mut kept = held(&gateway, &mut app, "Sidestream-Hold: news\r\n").await;
    gateway.rewrite(&yaml(&app, "topics: [ { name: orders, match: orders, access: deny } ]"));
    gateway.signal(Signal::HUP);
    assert!(lost.farewell().await.is_empty());
    Sender::open(&gateway).await.publish("news", "1").await;
    assert_eq!(kept.event().await.data(), "1");
    gateway.connections(1).await;
}

#[tokio::test]
async fn a_revoked_subject_loses_its_streams_however_they_came() {
    let mut app = App::start().await;
    let gateway = Gateway::start(&yaml(&app, OPEN)).await;
    let named = |subject: &str| format!("Sidestream-Hold: orders\r\nSidestream-Hold-Subject: {subject}\r\n");
    let mut hers = held(&gateway, &mut app, &named("42")).await;
    let mut his = held(&gateway, &mut app, &named("43")).await;
    let authorization = format!("Bearer {}", bearer(&["orders"]));
    let mut token = Request::topic("orders").header("Authorization", &authorization).open(&gateway).await;
    token.opening().await;
    let listed = get(&gateway.admin, "/api/connections?subject=42").await.json();
    assert_eq!(listed["connections"].as_array().unwrap().len(), 2, "{listed}");

    let answer = revoke(&gateway, r#"{"sub":"42"}"#).await;
    assert_eq!((answer.status, answer.json()["ended"].as_u64()), (200, Some(2)));
    assert!(hers.farewell().await.is_empty());
    assert!(token.farewell().await.is_empty());
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(his.event().await.data(), "1");
    // Her token is refused from now on; the app is asked anew, and it is the one to know.
    let again = Request::topic("orders").header("Authorization", &authorization);
    assert_eq!(again.connect(&gateway.edge).await.answer().await.status, 401);
    let mut again = held(&gateway, &mut app, &named("42")).await;
    Sender::open(&gateway).await.publish("orders", "2").await;
    assert_eq!(again.event().await.data(), "2");
    gateway.connections(2).await;
    // Nobody's name is in the log.
    let said = gateway.stderr();
    assert!(said.contains("revoked") && !said.contains("\"42\""), "{said}");
}

#[tokio::test]
async fn a_subject_that_is_none_is_not_followed() {
    let mut app = App::start().await;
    let gateway = Gateway::start(&yaml(&app, OPEN)).await;
    let say = async {
        let (_, mut stream) = app.request().await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nContent-Length: 0\r\n";
        let fields = "Sidestream-Hold: orders\r\nSidestream-Hold-Subject: an\tna\r\n\r\n";
        stream.write_all(format!("{head}{fields}").as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(get(&gateway.edge, "/welcome"), say);
    answer.assert_problem(502);
    gateway.says("sidestream-hold-subject: expected 1 to 256 bytes of UTF-8").await;
    gateway.connections(0).await;
}

/// No signal and no request: the file is noticed.
#[tokio::test]
async fn a_changed_file_of_a_secret_ends_the_streams_of_the_old_one() {
    const NEW: &str = "another secret of the tests, long enough";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let said = format!("{{ file: {} }}", file.display());
    let gateway = Gateway::start(&auth("").replace(&format!("\"{SECRET}\""), &said)).await;
    let [old, new] = [SECRET, NEW].map(|secret| {
        let claims = crate::support::token::claims(&["orders"]);
        signed(&serde_json::json!({ "alg": "HS256" }), &claims, secret.as_bytes())
    });
    let by = |token: &str| Request::topic("orders").header("Authorization", format!("Bearer {token}"));
    let mut stream = by(&old).open(&gateway).await;
    stream.opening().await;
    std::fs::write(&file, NEW).unwrap();
    assert!(stream.farewell().await.is_empty());
    assert_eq!(by(&old).connect(&gateway.edge).await.answer().await.status, 401);
    let mut stream = by(&new).open(&gateway).await;
    stream.opening().await;
    gateway.connections(1).await;
}

/// A rule that let everybody in is taken away, and the file is noticed.
#[tokio::test]
async fn a_changed_rule_ends_the_streams_that_it_had_let_in() {
    let with =
        |access: &str| format!("topics: [ {{ name: o, match: orders, access: {access} }} ]\n{}", auth(""));
    let gateway = Gateway::start(&with("public")).await;
    let mut anyone = Request::topic("orders").open(&gateway).await;
    let mut bearer = Request::topic("orders")
        .header("Authorization", format!("Bearer {}", bearer(&["orders"])))
        .open(&gateway)
        .await;
    anyone.opening().await;
    bearer.opening().await;
    gateway.rewrite(&with("jwt"));
    assert!(anyone.farewell().await.is_empty());
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(bearer.event().await.data(), "1");
    gateway.rewrite(&with("deny"));
    assert!(bearer.farewell().await.is_empty());
    until("nobody may", async || (get(&gateway.edge, "/topics/orders").await.status == 403).then_some(()))
        .await;
}
