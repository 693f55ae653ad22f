//! The ingress behind its real accept loop, which refuses heads before the ingress sees them.

use super::fake::{Bench, post};
use crate::lifecycle::Phase;
use crate::net::http::testing::Served;

impl Bench {
    fn served(&self) -> Served {
        Served::tcp(&self.app, self.lifecycle.clone())
    }
}

#[tokio::test]
async fn requests_of_all_kinds_on_one_connection() {
    let bench = Bench::new();
    let served = bench.served();
    let mut peer = served.peer().await;
    let chunked =
        "POST /webhooks/c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let expecting =
        "POST /webhooks/e HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    for round in 0..3 {
        assert_eq!(peer.ask(post("/webhooks/p", "", "x")).await.status, 202, "{round}");
        peer.send([chunked, &post("/webhooks/p", "", "y"), chunked].concat()).await;
        for _ in 0..3 {
            assert_eq!(peer.receive().await.status, 202, "{round}");
        }
        assert_eq!(peer.ask(expecting).await.status, 100, "{round}");
        assert_eq!(peer.ask("z").await.status, 202, "{round}");
        assert_eq!(peer.ask(post("/webhooks/a..b", "", "x")).await.status, 400, "{round}");
        assert_eq!(peer.ask("GET /webhooks/p HTTP/1.1\r\nHost: t\r\n\r\n").await.status, 405, "{round}");
    }
    let topics: String = bench.published().into_iter().map(|(topic, ..)| topic).collect();
    assert_eq!(topics, "pcpce".repeat(3));
}

#[tokio::test]
async fn ambiguous_framing_reaches_no_topic() {
    let smuggled = "POST /webhooks/smuggled HTTP/1.1\r\nHost: t\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
    ] {
        let bench = Bench::new();
        let served = bench.served();
        let mut peer = served.peer().await;
        let request = format!("POST /webhooks/o HTTP/1.1\r\nHost: t\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        let answer = peer.ask(request).await;
        assert!([400, 501].contains(&answer.status), "{framing}");
        peer.closed().await;
        assert_eq!(bench.published(), [], "{framing}");
    }
}

#[tokio::test]
async fn a_refused_body_is_dropped_and_the_connection_ends_after_the_answer() {
    let bench = Bench::new();
    let served = bench.served();
    let mut peer = served.peer().await;
    peer.send(post("/webhooks/o", "", &"x".repeat(4 << 20))).await;
    let answer = peer.receive().await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    peer.closed().await;
    bench.refused("too_large");
}

#[tokio::test]
async fn a_drain_ends_idle_connections_and_refuses_the_others() {
    let bench = Bench::new();
    let served = bench.served();
    let mut idle = served.peer().await;
    assert_eq!(idle.ask(post("/webhooks/o", "", "x")).await.status, 202);
    let mut begun = served.peer().await;
    // The interim answer shows that this request has begun before the drain does.
    let head = "POST /webhooks/o HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(begun.ask(head).await.status, 100);
    bench.phase.send_replace(Phase::Draining);
    idle.closed().await;
    // It was let in, so it is finished; its connection then ends.
    let answer = begun.ask("x").await;
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    begun.closed().await;
    let mut late = served.peer().await;
    let answer = late.ask(post("/webhooks/o", "", "x")).await;
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
    assert_eq!(bench.published().len(), 2);
}
