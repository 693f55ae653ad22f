//! Contract, section 5: keys that are published over HTTPS. A provider that is down lets nobody in and nobody out, and one
//! that changes its keys is asked again.

use serde_json::json;

use crate::support::provider::{Provider, authority};
use crate::support::token::{Pair, claims};
use crate::support::{Answer, End, Gateway, Request, Sender, exchange, get, until};

const OPENED: &str = "sidestream_connections_opened_total";

fn yaml(provider: &Provider) -> String {
    let jwt = format!("algorithms: [EdDSA], audience: sidestream, jwks_url: \"{}\"", provider.url);
    format!(
        "topics: [ {{ name: news, match: \"news.**\", access: public }}, {{ name: shut, match: \"shut.**\", access: deny }} ]\n\
         auth: {{ jwt: {{ {jwt} }} }}"
    )
}

async fn start(provider: &Provider) -> Gateway {
    Gateway::start_with(&yaml(provider), |mut command| {
        command.env("SSL_CERT_FILE", authority()).env_remove("SSL_CERT_DIR");
        command
    })
    .await
}

async fn ask(gateway: &Gateway, target: &str, token: &str, accept: &str) -> Answer {
    let headers = format!("Authorization: Bearer {token}\r\nAccept: {accept}");
    exchange(&gateway.edge, format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n\r\n")).await
}

async fn page(gateway: &Gateway, token: &str) -> u16 {
    ask(gateway, "/topics/orders", token, "application/json").await.status
}

#[tokio::test]
async fn keys_come_late_change_and_stay_through_an_outage() {
    let (first, second, stranger) = (Pair::new(1), Pair::new(2), Pair::new(3));
    let [old, new, forged] = [
        first.sign("first", &claims(&["orders"])),
        second.sign("second", &claims(&["orders"])),
        stranger.sign("second", &claims(&["orders"])),
    ];
    let provider = Provider::start(None);
    // Ready, though there are no keys: they are no part of that.
    let gateway = start(&provider).await;

    // It can't be told yet who is who.
    let stream = ask(&gateway, "/topics/orders", &old, "text/event-stream").await;
    assert_eq!((stream.status, stream.field("content-type")), (200, Some("text/event-stream")));
    let text = stream.text();
    let retry =
        text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")).map(str::parse::<u64>);
    assert!(matches!(retry, Some(Ok(5_000..=15_000))), "{text}");
    let waiting = ask(&gateway, "/topics/orders", &old, "application/json").await;
    waiting.assert_problem(503);
    assert!(waiting.field("retry-after").is_some());
    // Nor where everybody may listen: a token that is shown is not passed over.
    ask(&gateway, "/topics/news.a", &old, "application/json").await.assert_problem(503);
    ask(&gateway, "/topics/shut.a", &old, "application/json").await.assert_problem(403);
    assert_eq!(get(&gateway.edge, "/topics/orders?limit=1").await.status, 401);
    let mut public = Request::topic("news.a").open(&gateway).await;
    public.opening().await;
    assert_eq!(gateway.metrics().await.get("sidestream_auth_failures_total{reason=\"no_keys\"}"), 3.0);
    assert_eq!(gateway.metrics().await.get(OPENED), 1.0);

    provider.serve(vec![first.jwk("first")]);
    until("the keys come", async || (page(&gateway, &old).await == 200).then_some(())).await;
    let mut stream =
        Request::topic("orders").header("Authorization", format!("Bearer {old}")).open(&gateway).await;
    stream.opening().await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish("orders", "1").await;
    assert_eq!(stream.event().await.data(), "1");
    assert_eq!(page(&gateway, &new).await, 401);

    // Rotation. It is the tokens that name an unknown key that ask for newer ones.
    provider.serve(vec![second.jwk("second"), json!({ "kty": "unheard of" })]);
    until("the keys change", async || (page(&gateway, &new).await == 200).then_some(())).await;
    assert_eq!(page(&gateway, &old).await, 401);
    assert_eq!(page(&gateway, &forged).await, 401);
    assert_eq!(gateway.metrics().await.get("sidestream_auth_failures_total{reason=\"signature\"}"), 1.0);

    // An outage: who is known stays known, and nobody else gets in.
    provider.goes_down();
    assert_eq!(page(&gateway, &new).await, 200);
    assert_eq!(page(&gateway, &forged).await, 401);
    assert_eq!(get(&gateway.admin, "/readyz").await.status, 200);
    sender.publish("orders", "2").await;
    assert_eq!(stream.event().await.data(), "2", "who listens is not asked again");
    // A reload keeps what was fetched, and judges who listens by the keys of now.
    gateway.rewrite(&format!("{}\n", yaml(&provider)));
    gateway.says("configuration reloaded").await;
    let (items, end) = stream.rest().await;
    assert_eq!(end, End::Clean, "its key is gone: {items:?}");
    assert_eq!(page(&gateway, &new).await, 200);
    assert!(provider.asked() < 20, "{} requests", provider.asked());
    assert!(!gateway.stderr().contains(&new) && !gateway.stderr().contains(&old));
}

/// Whoever the certificate does not vouch for is no provider.
#[tokio::test]
async fn keys_of_nobody_known_are_not_taken() {
    let pair = Pair::new(1);
    let provider = Provider::start(Some(vec![pair.jwk("first")]));
    let gateway = Gateway::start(&yaml(&provider)).await;
    let token = pair.sign("first", &claims(&["orders"]));
    gateway.says(provider.url.split('/').nth(2).unwrap()).await;
    assert_eq!(page(&gateway, &token).await, 503);
}
