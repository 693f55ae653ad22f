//! Descriptors that run out: whoever is served goes on, the operator is answered, and it passes.

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{App, Connection, Gateway, Request, Sender, Subscriber, answer_as_app, get, until};

/// However many wait for pages, half of the edge's requests are for others.
#[tokio::test]
async fn who_waits_for_pages_leaves_room_for_others() {
    let mut app = App::start().await;
    let yaml = format!("edge: {{ upstream: \"{}\" }}", app.url);
    let gateway = Gateway::start_with(&yaml, |command| limited(command, 512)).await;
    let refused = "sidestream_connections_refused_total{reason=\"waiting\"}";
    let (mut waiting, mut away) = (Vec::new(), 0.0);
    for asked in 1..=20 {
        let mut connection = Connection::open(&gateway.edge).await;
        let request =
            "GET /topics/orders?wait=60s HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n";
        connection.send(request).await;
        let turned_away = until("it waits or was turned away", async || {
            let metrics = gateway.metrics().await;
            let away = metrics.get(refused);
            (metrics.get("sidestream_connections") + away == f64::from(asked)).then_some(away)
        })
        .await;
        if turned_away > away {
            connection.answer().await.assert_problem(503);
            away = turned_away;
        } else {
            waiting.push(connection);
        }
    }
    assert!(away > 0.0 && !waiting.is_empty());

    let mut asking = Connection::open(&gateway.edge).await;
    asking.send("GET /app HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (_, mut socket) = app.request().await;
    answer_as_app(&mut socket, "still here").await;
    assert_eq!(asking.answer().await.text(), "still here");
    let mut stream = Subscriber::open(&gateway, "orders").await;
    Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.data(), "1");
    for mut connection in waiting {
        assert_eq!(connection.answer().await.json()["events"][0]["data"], "1");
    }
}

/// Runs the command with a limit of its own.
fn limited(command: Command, open_files: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {open_files}; exec \"$@\"")).arg("sh");
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// The body of the overload answer.
async fn overloaded(request: &Request, gateway: &Gateway) -> String {
    let mut connection = request.connect(&gateway.edge).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("text/event-stream")));
    answer.text()
}

#[tokio::test]
async fn subscribers_over_the_clamp_are_told_to_come_back_and_admin_answers() {
    let gateway = Gateway::start_with("", |command| limited(command, 320)).await;
    let said = gateway.stderr();
    let streams = said.split("\"streams\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
    let clamp: usize = streams.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    let mut streams = Vec::new();
    for _ in 0..clamp {
        streams.push(Subscriber::open(&gateway, "orders").await);
    }
    for _ in 0..3 {
        let body = overloaded(&Request::topic("orders"), &gateway).await;
        assert!(body.starts_with("retry: ") && body.ends_with("\n\n"), "{body:?}");
    }
    let refused = "sidestream_connections_refused_total{reason=\"connections\"}";
    assert_eq!(gateway.metrics().await.get(refused), 3.0);

    // More connections than there are descriptors, which say nothing.
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(Connection::open(&gateway.edge).await);
        crowd.push(Connection::open(&gateway.ingress).await);
    }
    for path in ["/metrics", "/healthz", "/readyz", "/api/info"] {
        assert_eq!(get(&gateway.admin, path).await.status, 200, "{path}");
    }
    assert!(gateway.open_files() < 320);
    drop(crowd);
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(accepted.subscribers, clamp as u64);
    for stream in &mut streams {
        assert_eq!(stream.event().await.id(), accepted.cursor);
    }
    drop(streams);
    gateway.connections(0).await;
    let mut again = Request::topic("orders").after(&accepted.cursor).open(&gateway).await;
    assert_eq!(again.opening().await.id(), accepted.cursor);
    gateway.terminate();
    assert_eq!(gateway.exit().await.status.code(), Some(0));
}

#[tokio::test]
async fn accepting_resumes_when_there_are_descriptors_again() {
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish("orders", "0").await;
    stream.event().await;
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap());
    let none = Rlimit { current: Some(1), maximum: Some(20_000) };
    let before = prlimit(pid, Resource::Nofile, none).unwrap();

    // None can be accepted now; they wait in the kernel's queue. What is open goes on.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(Request::topic("orders").connect(&gateway.edge).await);
    }
    gateway.says("can't accept for now").await;
    let accepted = sender.publish("orders", "1").await;
    assert_eq!((accepted.subscribers, stream.event().await.id()), (1, &*accepted.cursor));

    prlimit(pid, Resource::Nofile, before).unwrap();
    for connection in waiting {
        let mut stream = Subscriber::over(connection).await;
        assert_eq!(stream.opening().await.id(), accepted.cursor);
    }
    let said = gateway.stderr();
    assert!(said.matches("can't accept for now").count() <= 3, "said for every attempt: {said}");
    until("admin answers", async || (get(&gateway.admin, "/healthz").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn a_limit_of_the_configuration_is_kept_and_can_be_raised() {
    let gateway = Gateway::start("edge: { limits: { connections: 3 } }").await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Subscriber::open(&gateway, "orders").await);
    }
    overloaded(&Request::topic("orders"), &gateway).await;
    streams.pop();
    gateway.connections(2).await;
    streams.push(Subscriber::open(&gateway, "orders").await);
    overloaded(&Request::topic("orders"), &gateway).await;
    gateway.rewrite("edge: { limits: { connections: 4 } }");
    let reloaded = crate::support::post(&gateway.admin, "/api/reload", "").await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    streams.push(Subscriber::open(&gateway, "orders").await);
    overloaded(&Request::topic("orders"), &gateway).await;
}
