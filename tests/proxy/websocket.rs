//! Upgraded connections.

use std::time::Duration;

use sidestream::lifecycle::Phase;

use crate::app::App;
use crate::edge::{Front, to_port};
use crate::harness::{field, status};

pub fn upgrade(path: &str) -> String {
    let fields = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The app speaks right behind its 101, the caller right behind its request. Pingora's own tunnel loses this race
/// (cloudflare/pingora#946).
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_upgrades_in_a_row_lose_nothing() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    for n in 0..1000 {
        let mut caller = front.running.connect().await;
        caller.send(format!("{}early {n}\n", upgrade("/ws"))).await;
        let head = caller.until("\r\n\r\n").await;
        assert_eq!(status(&head), 101, "{head}");
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        caller.until(&format!("hello\nearly {n}\n")).await;
        caller.send(format!("late {n}\n")).await;
        caller.until(&format!("late {n}\n")).await;
    }
    front.running.open.none().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bytes_pass_both_ways_at_once() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send(upgrade("/ws")).await;
    caller.until("hello\n").await;
    let (mut read, mut write) = caller.0.split();
    let size = 4 << 20;
    let send = async {
        tokio::io::AsyncWriteExt::write_all(&mut write, &vec![b'x'; size]).await.unwrap();
    };
    let receive = async {
        let mut bytes = vec![0; size];
        tokio::io::AsyncReadExt::read_exact(&mut read, &mut bytes).await.unwrap();
    };
    tokio::join!(send, receive);
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_can_end_it() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut caller = front.running.connect().await;
    caller.send(upgrade("/ws")).await;
    caller.until("hello\n").await;
    caller.send("bye\n").await;
    assert_eq!(caller.rest().await, "");
    drop(caller);
    let mut caller = front.running.connect().await;
    caller.send(upgrade("/ws")).await;
    caller.until("hello\n").await;
    drop(caller);
    front.running.open.none().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_refuses_is_passed_on_and_one_that_is_mute_or_gone_is_not_waited_for() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let answer = front.running.exchange(upgrade("/ws-no")).await;
    assert!(answer.ends_with("\r\n\r\nnope"), "{answer}");
    assert_eq!((status(&answer), field(&answer, "connection")), (403, Some("close")));
    assert_eq!(status(&front.running.exchange(upgrade("/ws-mute")).await), 504);
    assert_eq!(status(&front.running.exchange(upgrade("/die")).await), 502);
    let hiding = upgrade("/ws").replace("keep-alive, Upgrade", "Upgrade, Authorization");
    let mut caller = front.running.connect().await;
    caller.send(hiding).await;
    assert_eq!(status(&caller.answer().await.0), 400);
    let mut other = front.running.connect().await;
    other.send(upgrade("/a").replace("websocket", "h2c")).await;
    let (head, echo) = other.answer().await;
    assert_eq!((status(&head), field(&echo, "upgrade")), (200, None), "{echo}");
    drop(app);
    assert_eq!(status(&front.running.exchange(upgrade("/ws")).await), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_idle_and_with_the_drain() {
    let app = App::start().await;
    let front = Front::start(Some(to_port(app.port)));
    let mut kept = front.running.connect().await;
    kept.send(upgrade("/ws")).await;
    kept.until("hello\n").await;
    front.change(|settings| settings.timeouts.idle = Duration::from_millis(100));
    let mut idle = front.running.connect().await;
    idle.send(upgrade("/ws")).await;
    idle.until("hello\n").await;
    idle.rest().await;

    front.running.phase.send(Phase::Draining).unwrap();
    kept.send("still\n").await;
    kept.until("still\n").await;
    front.running.phase.send(Phase::Ending).unwrap();
    kept.rest().await;
    front.running.open.none().await;
}
