//! Webhooks that come too often.

use rustix::process::Signal;

use crate::support::{Answer, Connection, Gateway, post, until};

/// Deliveries that are sent at once: more than a slow machine could spread over the seconds that would let them all in.
const AT_ONCE: usize = 50;

const POST: &str = "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";

/// Sends them all on one connection, behind what comes first, and reads every answer.
async fn flood(gateway: &Gateway, before: &str) -> Vec<Answer> {
    let mut sender = Connection::open(&gateway.ingress).await;
    sender.send(format!("{before}{}", POST.repeat(AT_ONCE))).await;
    let mut answers = Vec::new();
    for _ in 0..AT_ONCE {
        answers.push(sender.answer().await);
    }
    answers
}

/// How many were taken; all others must be 429, with a wait.
fn taken(answers: &[Answer]) -> usize {
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    for answer in &refused {
        answer.assert_problem(429);
        assert_eq!(answer.field("retry-after"), Some("1"), "{answer:?}");
    }
    taken.len()
}

#[tokio::test]
async fn too_many_are_429_with_a_wait_after_which_they_are_taken() {
    let gateway = Gateway::start("ingress: { rate: { per_second: 1, burst: 2 } }").await;
    let first = taken(&flood(&gateway, "").await);
    assert!((2..AT_ONCE).contains(&first), "{first} of {AT_ONCE}");
    let limited =
        gateway.metrics().await.get("sidestream_webhooks_total{outcome=\"rate_limited\",source=\"default\"}");
    assert_eq!(limited, (AT_ONCE - first) as f64);
    let events = gateway.metrics().await.get("sidestream_events_total{source=\"default\"}");
    assert_eq!(events, first as f64);
    until("a webhook is taken again", async || {
        (post(&gateway.ingress, "/webhooks/orders", "x").await.status == 202).then_some(())
    })
    .await;
    // A reload takes the limit away.
    gateway.rewrite("");
    gateway.signal(Signal::HUP);
    gateway.says("configuration reloaded").await;
    assert_eq!(taken(&flood(&gateway, "").await), AT_ONCE);
}

#[tokio::test]
async fn each_address_has_its_own_share_also_behind_a_proxy_header() {
    let limits = "rate_per_ip: { per_second: 1, burst: 2 }";
    let gateway = Gateway::start(&format!("ingress: {{ proxy_protocol: required, {limits} }}")).await;
    let from = |address: &str| format!("PROXY TCP6 {address} ::1 1 1\r\n");
    let first = taken(&flood(&gateway, &from("2001:db8::1")).await);
    assert!((2..AT_ONCE).contains(&first), "{first} of {AT_ONCE}");
    let other = taken(&flood(&gateway, &from("2001:db8:0:1::1")).await);
    assert!((2..AT_ONCE).contains(&other), "{other} of {AT_ONCE}");
    // What a sender says of itself in a header changes nothing.
    let forged = POST.replace("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    let mut sender = Connection::open(&gateway.ingress).await;
    sender.send(format!("{}{}", from("2001:db8:0:1::1"), forged.repeat(AT_ONCE))).await;
    let mut refused = 0;
    for _ in 0..AT_ONCE {
        refused += usize::from(sender.answer().await.status == 429);
    }
    assert!(refused > 0);
}
