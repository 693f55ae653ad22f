//! A drain with more who are behind than one turn lets go on.

use std::time::Duration;

use super::support::{End, Setup, until};
use crate::fanout::limits::GO_ON;

#[test]
fn those_in_the_middle_of_a_page_end_with_a_whole_farewell() {
    let server = Setup::default().start();
    let count = 3 * GO_ON;
    let mut all: Vec<_> = (0..count).map(|_| server.subscribe_narrow("a", None)).collect();
    for subscriber in &mut all {
        subscriber.opening();
    }
    let long = "x".repeat(20 << 10);
    for _ in 0..30 {
        server.publish("a", &long);
    }
    until("all are behind", || server.metric("lagging_connections", None) >= count);
    server.fanout.drain(Duration::from_millis(20));
    std::thread::scope(|scope| {
        for subscriber in &mut all {
            scope.spawn(|| assert_eq!(subscriber.read_out(), (true, End::Clean)));
        }
    });
    until("all sockets are closed", || server.fanout.is_drained());
    assert_eq!(server.metric("connections_closed_total", Some("drain")), count);
}
