//! Starting: where it listens, what it says, and how it fails.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::support::{App, Connection, Gateway, Request, Sender, Subscriber, answer_as_app, get, run_to_end};

#[tokio::test]
async fn a_free_port_is_told_in_the_banner_and_by_the_api() {
    let gateway = Gateway::start("").await;
    let info = get(&gateway.admin, "/api/info").await.json();
    for (name, address) in [("edge", &gateway.edge), ("ingress", &gateway.ingress), ("admin", &gateway.admin)]
    {
        assert_eq!(info["listeners"][name], format!("http://{address}"));
        assert!(!address.ends_with(":0"), "{address}");
    }
    assert_eq!((&info["log"], &info["version"]), (&"memory".into(), &env!("CARGO_PKG_VERSION").into()));
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert!(accepted.cursor.starts_with(&format!("{}-", info["epoch"].as_str().unwrap())));
}

#[tokio::test]
async fn two_on_one_port_is_a_clear_error() {
    let first = Gateway::start("").await;
    for (section, address) in [("edge", &first.edge), ("ingress", &first.ingress), ("admin", &first.admin)] {
        let others = ["edge", "ingress", "admin"].iter().filter(|other| **other != section);
        let others: Vec<_> =
            others.map(|other| format!("{other}: {{ listen: \"127.0.0.1:0\" }}\n")).collect();
        let others = others.concat();
        let second = run_to_end(&format!("{section}: {{ listen: \"{address}\" }}\n{others}")).await;
        assert_eq!(second.status.code(), Some(1), "{}", second.stderr);
        let key = format!("{section}.listen {address}");
        assert!(second.stderr.contains(&key) && second.stderr.contains("in use"), "{}", second.stderr);
    }
    assert_eq!(get(&first.admin, "/readyz").await.status, 200, "the first is unharmed");
}

#[tokio::test]
async fn a_wrong_configuration_is_told_whole() {
    let yaml = "edge:\n  heartbeat: 15\n  colour: red\ningress:\n  max_body: lots\nlog: tape\n";
    let exit = run_to_end(yaml).await;
    assert_eq!(exit.status.code(), Some(78));
    let lines: Vec<_> = exit.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", exit.stderr);
    for (place, key) in
        [("2:14", "edge.heartbeat"), ("3:3", "edge.colour"), ("5:13", "ingress.max_body"), ("6:6", "log")]
    {
        let found = lines.iter().any(|line| line.contains(&format!("sidestream.yaml:{place}: {key}: ")));
        assert!(found, "{place} {key} in {}", exit.stderr);
    }
}

#[tokio::test]
async fn ipv6_is_served() {
    let listen = "listen: \"[::1]:0\"";
    let gateway =
        Gateway::start(&format!("edge: {{ {listen} }}\ningress: {{ {listen} }}\nadmin: {{ {listen} }}"))
            .await;
    assert!(gateway.edge.starts_with("[::1]:"), "{}", gateway.edge);
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
}

/// Sends a request over a unix socket and reads until `enough`. Blocks.
fn over_unix(path: &std::path::Path, request: String, enough: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut said, mut bytes) = (String::new(), [0; 4096]);
    while !said.contains(enough) {
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the end came before {enough:?}: {said}");
        said.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    said
}

#[tokio::test]
async fn unix_sockets_are_served_and_taken_over_from_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let (edge, ingress) = (folder.path().join("edge.sock"), folder.path().join("ingress.sock"));
    let yaml = format!(
        "edge: {{ listen: \"unix:{}\" }}\ningress: {{ listen: \"unix:{}\" }}",
        edge.display(),
        ingress.display()
    );
    let publish = || "POST /webhooks/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n1".to_owned();
    let mut first = Some(Gateway::start(&yaml).await);
    for round in 0..2 {
        let gateway = match first.take() {
            Some(gateway) => gateway,
            None => Gateway::start(&yaml).await,
        };
        let listening = edge.clone();
        let stream = tokio::task::spawn_blocking(move || {
            let request = "GET /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n".to_owned();
            over_unix(&listening, request, "data: 1\n\n")
        });
        gateway.connections(1).await;
        let answer = over_unix(&ingress, publish(), "\"duplicate\":false}");
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        let said = stream.await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("\nretry: "), "{said}");
        if round == 0 {
            gateway.kill();
            assert!(edge.exists(), "a killed process leaves its socket's file");
        } else {
            gateway.terminate();
            assert_eq!(gateway.exit().await.status.code(), Some(0));
            assert!(!edge.exists() && !ingress.exists(), "an ended one does not");
        }
    }
}

#[tokio::test]
async fn the_prefix_can_be_another() {
    let mut app = App::start().await;
    let gateway =
        Gateway::start(&format!("edge: {{ prefix: /live/events, upstream: \"{}\" }}", app.url)).await;
    let mut stream = Request::to("/live/events/orders").open(&gateway).await;
    stream.opening().await;
    let mut connection = Connection::open(&gateway.edge).await;
    connection.send("GET /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (head, mut to) = app.request().await;
    assert!(head.starts_with("GET /topics/orders HTTP/1.1\r\n"), "{head}");
    answer_as_app(&mut to, "the app's own topics").await;
    assert_eq!(connection.answer().await.text(), "the app's own topics");
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!((accepted.subscribers, stream.event().await.id()), (1, &*accepted.cursor));
}

#[tokio::test]
async fn a_signal_right_after_the_banner_is_a_clean_end() {
    for _ in 0..5 {
        let gateway = Gateway::spawn("", |command| command);
        gateway.terminate();
        let exit = gateway.exit().await;
        assert_eq!(exit.status.code(), Some(0), "{:?} {}", exit.status, exit.stderr);
    }
}

#[tokio::test]
async fn a_reload_right_after_the_banner_harms_nothing() {
    for _ in 0..5 {
        let gateway = Gateway::spawn("", |command| command);
        gateway.signal(rustix::process::Signal::HUP);
        let mut stream = Subscriber::open(&gateway, "orders").await;
        let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
        assert_eq!(stream.event().await.id(), accepted.cursor);
    }
}
