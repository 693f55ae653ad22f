//! Contract, section 6: a reload swaps one snapshot, and whatever is wrong with it leaves the running one.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{
    Answer, App, Connection, Gateway, Item, Request, Sender, Subscriber, answer_as_app, get, post, until,
};

const RELOADS: &str = "sidestream_config_reloads_total";
const FAILURES: &str = "sidestream_config_reload_failures_total";

async fn reload(gateway: &Gateway) -> Answer {
    let answer = post(&gateway.admin, "/api/reload", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Changes the configuration to `new` and asks for a reload. The watcher of the file may be faster, and then there is
/// nothing left to tell: back to `old` and again, until the answer is the one to the change.
async fn reload_to(gateway: &Gateway, old: &str, new: &str) -> Answer {
    until("a reload before the watcher's", async || {
        gateway.rewrite(old);
        reload(gateway).await;
        gateway.rewrite(new);
        let answer = reload(gateway).await;
        Some(answer).filter(|answer| !list(answer, "changed").is_empty())
    })
    .await
}

fn list(answer: &Answer, name: &str) -> Vec<String> {
    let list = answer.json()[name].as_array().unwrap().clone();
    list.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_signal_reloads_and_open_streams_hear_it() {
    let gateway = Gateway::start("edge: { heartbeat: 1h, retry: 2s..4s }").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let mut other = Subscriber::open(&gateway, "others").await;
    gateway.rewrite("edge: { heartbeat: 100ms, retry: 20s..21s }");
    gateway.signal(Signal::HUP);
    gateway.wait_for_metric(RELOADS, |reloads| reloads >= 1.0).await;
    for stream in [&mut stream, &mut other] {
        for _ in 0..3 {
            assert_eq!(stream.next().await.unwrap(), Item::Comment(":".into()));
        }
    }
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
    let mut new = Request::topic("orders").open(&gateway).await;
    let retry = new.opening().await.retry.unwrap();
    assert!((20_000..=21_000).contains(&retry), "{retry}");
    gateway.says("edge.heartbeat: 1h, now 100ms").await;
    assert_eq!(gateway.metrics().await.get(FAILURES), 0.0);
}

#[tokio::test]
async fn what_changed_is_named_and_takes_effect() {
    let mut app = App::start().await;
    let gateway = Gateway::start("").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    get(&gateway.edge, "/app").await.assert_problem(404);
    let new = format!(
        "edge: {{ prefix: /live, upstream: \"{}\" }}\ningress: {{ max_body: 1KiB }}\nhistory: {{ events: 7 }}",
        app.url
    );
    let answer = reload_to(&gateway, "", &new).await;
    let changed = list(&answer, "changed");
    assert_eq!(changed, ["edge.prefix", "edge.upstream", "history.events", "ingress.max_body"]);
    assert!(list(&answer, "needs_restart").is_empty());

    let mut connection = Connection::open(&gateway.edge).await;
    connection.send("GET /topics/orders HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (head, mut to) = app.request().await;
    assert!(head.starts_with("GET /topics/orders "), "{head}");
    answer_as_app(&mut to, "app").await;
    assert_eq!(connection.answer().await.text(), "app");

    let mut sender = Sender::open(&gateway).await;
    sender.post("orders", &[], "x".repeat(1025)).await.assert_problem(413);
    let mut sender = Sender::open(&gateway).await;
    let sent = sender.publish_many("orders", (0..20).map(|n| n.to_string())).await;
    for sent in &sent {
        assert_eq!(stream.event().await.id(), sent.cursor, "an open stream stays, and misses nothing");
    }
    // Recent events are at hand whatever history keeps, as long as the ring holds them.
    sender.publish_many("filler", (0..9000).map(|n| n.to_string())).await;
    let mut resumed = Request::to("/live/orders").after(&sent[0].cursor).open(&gateway).await;
    assert_eq!(resumed.opening().await.id, None);
    assert_eq!(resumed.block().await.gap()["missed"], 12);
    for sent in &sent[13..] {
        assert_eq!(resumed.event().await.id(), sent.cursor);
    }
    assert!(list(&reload(&gateway).await, "changed").is_empty(), "nothing has changed since");
}

#[tokio::test]
async fn lowered_history_is_given_up_at_once() {
    let gateway = Gateway::start("").await;
    let mut sender = Sender::open(&gateway).await;
    sender.publish_many("orders", (0..100).map(|n| n.to_string())).await;
    assert_eq!(gateway.metrics().await.get("sidestream_history_events"), 100.0);
    gateway.rewrite("history: { events: 10 }");
    reload(&gateway).await;
    gateway.wait_for_metric("sidestream_history_events", |events| events == 10.0).await;
}

#[tokio::test]
async fn a_wrong_file_leaves_the_running_configuration() {
    let gateway = Gateway::start("edge: { heartbeat: 100ms }").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    gateway.rewrite("edge: { heartbeat: 1h, colour: red }\nhistory: { events: many }");
    let answer = post(&gateway.admin, "/api/reload", "").await;
    answer.assert_problem(422);
    let problems = list(&answer, "problems");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("edge.colour: ") && problems[1].contains("history.events: "),
        "{problems:?}"
    );
    for problem in &problems {
        gateway.says(&problem.replace('"', "\\\"")[..60]).await;
    }
    assert!(gateway.metrics().await.get(FAILURES) >= 1.0);
    assert_eq!(gateway.metrics().await.get(RELOADS), 0.0);
    for _ in 0..3 {
        assert_eq!(stream.next().await.unwrap(), Item::Comment(":".into()));
    }
    let failures = gateway.metrics().await.get(FAILURES);
    gateway.signal(Signal::HUP);
    gateway.wait_for_metric(FAILURES, |now| now > failures).await;
    std::fs::remove_file(gateway.file()).unwrap();
    post(&gateway.admin, "/api/reload", "").await.assert_problem(422);
    assert_eq!(get(&gateway.admin, "/readyz").await.status, 200);
    gateway.rewrite("edge: { heartbeat: 150ms }");
    reload(&gateway).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_waits() {
    let gateway = Gateway::start("fanout: { shards: 2 }").await;
    let other = "127.0.0.1:1";
    let new = format!(
        "edge: {{ listen: \"{other}\", heartbeat: 7s }}\nadmin: {{ listen: \"127.0.0.1:2\" }}\nfanout: {{ shards: 3 }}"
    );
    let answer = reload_to(&gateway, "fanout: { shards: 2 }", &new).await;
    assert_eq!(list(&answer, "needs_restart"), ["admin.listen", "edge.listen", "fanout.shards"]);
    assert_eq!(list(&answer, "changed"), ["edge.heartbeat"]);
    gateway.says("edge.listen needs a restart").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    let accepted = Sender::open(&gateway).await.publish("orders", "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
    // It goes on being named until then.
    assert_eq!(list(&reload(&gateway).await, "needs_restart").len(), 3);
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let gateway = Gateway::start("edge: { heartbeat: 1h }").await;
    let mut stream = Subscriber::open(&gateway, "orders").await;
    gateway.rewrite("edge: { heartbeat: 100ms }");
    assert_eq!(stream.next().await.unwrap(), Item::Comment(":".into()));
    assert_eq!(gateway.metrics().await.get(RELOADS), 1.0);

    // As editors do it.
    let new = gateway.folder().join("new");
    std::fs::write(&new, std::fs::read_to_string(gateway.file()).unwrap().replace("100ms", "120ms")).unwrap();
    std::fs::rename(&new, gateway.file()).unwrap();
    gateway.says("edge.heartbeat: 100ms, now 120ms").await;
    gateway.wait_for_metric(RELOADS, |reloads| reloads == 2.0).await;
}

/// A folder as Kubernetes mounts a ConfigMap: `sidestream.yaml` → `..data/sidestream.yaml`, `..data` → a dated folder.
fn mount(folder: &Path, date: &str, yaml: &str) {
    let dated = folder.join(date);
    std::fs::create_dir(&dated).unwrap();
    std::fs::write(dated.join("sidestream.yaml"), yaml).unwrap();
    let swap = folder.join("..data_tmp");
    symlink(date, &swap).unwrap();
    std::fs::rename(&swap, folder.join("..data")).unwrap();
}

#[tokio::test]
async fn a_swapped_config_map_is_noticed() {
    let yaml = |heartbeat: &str| {
        let listen = "listen: \"127.0.0.1:0\"";
        format!(
            "edge: {{ {listen}, heartbeat: {heartbeat} }}\ningress: {{ {listen} }}\nadmin: {{ {listen} }}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "..2026_01", &yaml("1h"));
    symlink("..data/sidestream.yaml", folder.path().join("sidestream.yaml")).unwrap();
    let gateway = Gateway::spawn_in(folder, "sidestream.yaml", |command| command);
    let mut stream = Subscriber::open(&gateway, "orders").await;
    for (round, (date, heartbeat)) in [("..2026_02", "100ms"), ("..2026_03", "110ms")].into_iter().enumerate()
    {
        mount(gateway.folder(), date, &yaml(heartbeat));
        let old = gateway.folder().join(format!("..2026_0{}", round + 1));
        std::fs::remove_dir_all(old).unwrap();
        gateway.says(&format!("now {heartbeat}")).await;
        assert_eq!(stream.next().await.unwrap(), Item::Comment(":".into()));
    }
    until("both reloads", async || (gateway.metrics().await.get(RELOADS) == 2.0).then_some(())).await;
    assert_eq!(gateway.metrics().await.get(FAILURES), 0.0);
}

#[tokio::test]
async fn a_reload_is_for_this_host_and_no_foreign_page() {
    let gateway = Gateway::start("").await;
    for header in ["Origin: https://evil.example", "Host: evil.example", "X-Forwarded-For: 1.2.3.4"] {
        let host = if header.starts_with("Host") { "" } else { "Host: 127.0.0.1\r\n" };
        let request = format!("POST /api/reload HTTP/1.1\r\n{host}{header}\r\nContent-Length: 0\r\n\r\n");
        crate::support::exchange(&gateway.admin, request).await.assert_problem(403);
    }
    assert_eq!(gateway.metrics().await.get(RELOADS), 0.0);
}

/// The topics come first on the public listener, so that an exposed source below them would be gone without a word.
#[tokio::test]
async fn a_prefix_that_takes_an_exposed_path_is_refused() {
    let with = |prefix: &str| {
        format!(
            "edge: {{ prefix: {prefix} }}\nsources:\n  - {{ name: a, path: /webhooks/a, topic: a, expose_on_edge: true, \
             verify: {{ bearer: {{ secrets: [hush] }} }} }}\n"
        )
    };
    let gateway = Gateway::start(&with("/live")).await;
    gateway.rewrite(&with("/webhooks"));
    let refused = post(&gateway.admin, "/api/reload", "").await;
    refused.assert_problem(422);
    assert!(
        refused.json()["problems"][0].as_str().unwrap().contains("sources[0].path: "),
        "{}",
        refused.json()
    );
    assert_eq!(post(&gateway.edge, "/webhooks/a", "x").await.status, 401, "it is still served there");
}
