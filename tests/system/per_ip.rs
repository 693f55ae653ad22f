//! `edge.limits.per_ip` through the program: whose streams are counted together, and that no header gets around it.

use rustix::process::Signal;

use crate::support::{Connection, Gateway, get, until};

/// Asks for a stream; the answer's status, and the connection, on which an admitted stream goes on.
async fn ask(gateway: &Gateway, before: &str, lines: &str) -> (String, Connection) {
    let mut caller = Connection::open(&gateway.edge).await;
    caller.send(format!("{before}GET /topics/a HTTP/1.1\r\nHost: test\r\n{lines}\r\n")).await;
    let head = caller.head().await.unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), caller)
}

/// The addresses in the admin API, sorted.
async fn remotes(gateway: &Gateway) -> Vec<String> {
    let listed = get(&gateway.admin, "/api/connections").await.json();
    let remote = |one: &serde_json::Value| one["remote"].as_str().unwrap().to_owned();
    let mut remotes: Vec<_> = listed["connections"].as_array().unwrap().iter().map(remote).collect();
    remotes.sort();
    remotes
}

#[tokio::test]
async fn addresses_of_one_network_of_ipv6_are_one() {
    let gateway =
        Gateway::start("edge: { proxy_protocol: required, overload: status, limits: { per_ip: 1 } }").await;
    let from = |address: &str| format!("PROXY TCP6 {address} 2001:db8::1 51000 443\r\n");
    let (status, first) = ask(&gateway, &from("2001:db8:0:1::7"), "").await;
    assert_eq!(status, "200");
    let (status, _) = ask(&gateway, &from("2001:db8:0:1:ffff::8"), "").await;
    assert_eq!(status, "503", "of the same /64");
    let (status, _other) = ask(&gateway, &from("2001:db8:0:2::7"), "").await;
    assert_eq!(status, "200", "of another /64");
    let refused = "sidestream_connections_refused_total{reason=\"per_ip\"}";
    assert_eq!(gateway.metrics().await.get(refused), 1.0);
    drop(first);
    gateway.connections(1).await;
    let (status, _again) = ask(&gateway, &from("2001:db8:0:1:ffff::8"), "").await;
    assert_eq!(status, "200", "there is room when one has ended");
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_caller_is_counted_and_not_the_proxy() {
    let gateway =
        Gateway::start("edge: { trusted_proxies: [127.0.0.1/32], overload: status, limits: { per_ip: 1 } }")
            .await;
    let (status, _one) = ask(&gateway, "", "X-Forwarded-For: 192.0.2.1\r\n").await;
    assert_eq!(status, "200");
    let (status, _) = ask(&gateway, "", "X-Forwarded-For: 192.0.2.1\r\n").await;
    assert_eq!(status, "503");
    // What the caller wrote itself stands before what the proxy saw.
    let (status, _) = ask(&gateway, "", "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n").await;
    assert_eq!(status, "503");
    let (status, _two) = ask(&gateway, "", "X-Forwarded-For: 192.0.2.2\r\n").await;
    assert_eq!(status, "200");
    assert_eq!(remotes(&gateway).await, ["192.0.2.1", "192.0.2.2"]);
}

#[tokio::test]
async fn a_forged_header_of_a_stranger_is_nobody() {
    let gateway = Gateway::start("edge: { overload: status, limits: { per_ip: 1 } }").await;
    let (status, _one) = ask(&gateway, "", "X-Forwarded-For: 192.0.2.1\r\n").await;
    assert_eq!(status, "200");
    for forged in
        ["X-Forwarded-For: 192.0.2.2\r\n", "Forwarded: for=192.0.2.3\r\n", "X-Real-IP: 192.0.2.4\r\n"]
    {
        let (status, _) = ask(&gateway, "", forged).await;
        assert_eq!(status, "503", "{forged}");
    }
    let remotes = remotes(&gateway).await;
    assert!(remotes.len() == 1 && remotes[0].starts_with("127.0.0.1"), "{remotes:?}");
}

#[tokio::test]
async fn a_reload_changes_how_many_and_forgets_nobody() {
    let gateway = Gateway::start("edge: { overload: status, limits: { per_ip: 1 } }").await;
    let (_, _one) = ask(&gateway, "", "").await;
    assert_eq!(ask(&gateway, "", "").await.0, "503");
    gateway.rewrite("edge: { overload: status, limits: { per_ip: 2 } }");
    gateway.signal(Signal::HUP);
    let _two = until("there is room for another", async || {
        let (status, caller) = ask(&gateway, "", "").await;
        (status == "200").then_some(caller)
    })
    .await;
    assert_eq!(ask(&gateway, "", "").await.0, "503", "the first is counted still");
}
