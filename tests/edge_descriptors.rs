//! Descriptors run out. Alone in its process, whose limit it lowers.

#[path = "proxy/harness.rs"]
#[allow(dead_code, reason = "shared with the other wire tests")]
mod harness;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harness::{Running, answer, finish};
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sidestream::net::Limits;

struct App;

#[async_trait]
impl HttpServerApp for App {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.read_request().await.ok()?.then_some(())?;
        answer(&mut session, "ok").await;
        finish(session).await
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn accepting_waits_for_a_descriptor_and_open_connections_go_on() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: hard }).unwrap();
    let service = Running::start(Arc::new(App), 1000, Limits::default());
    let mut open = service.connect().await;
    open.send(GET).await;
    open.answer().await;

    let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    held.pop();
    // Takes the last descriptor, and is connected by the kernel alone.
    let mut waiting = service.connect().await;
    waiting.send(GET).await;
    let answered = tokio::time::timeout(Duration::from_millis(300), waiting.answer()).await;
    assert!(answered.is_err(), "accepted without a descriptor");
    open.send(GET).await;
    assert_eq!(open.answer().await.1, "ok");
    assert_eq!(service.open.count(), 1);

    held.clear();
    assert_eq!(waiting.answer().await.1, "ok");
}
