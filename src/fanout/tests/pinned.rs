//! The budget of bytes that slow connections alone keep alive, in a real shard.

use super::support::{End, Setup, until};
use crate::fanout::limits::Bounds;

#[test]
fn who_would_pin_more_than_the_budget_is_closed_and_resumes_without_loss() {
    let frame = 1 << 20;
    let bounds = Bounds { pinned_bytes: 5 << 19, ..Bounds::default() };
    let server = Setup { bounds, ..Setup::default() }.start();
    let long = |n: usize| format!("{n}{}", "x".repeat(frame));
    let mut lively = server.subscribe("t.0", None);
    lively.opening();
    // Each pins a batch of its own: two fit into the budget, the third does not.
    let mut slow: Vec<_> = (0..3).map(|n| server.subscribe_narrow(&format!("t.{n}"), None)).collect();
    for (n, subscriber) in slow.iter_mut().enumerate() {
        subscriber.opening();
        server.publish(&format!("t.{n}"), &long(n));
        until("it is in the middle of its frame", || {
            server.metric("lagging_connections", None) + server.metric("connections_closed_total", None) > n
        });
    }
    assert_eq!(server.metric("connections_closed_total", Some("pinned")), 1);
    assert_eq!(server.metric("connections_closed_total", None), 1);
    lively.expect([long(0)]);
    let mut closed = slow.pop().unwrap();
    let (_, end) = closed.read_out();
    assert_ne!(end, End::Clean, "an end in the middle of a frame is not told as whole");
    let mut resumed = server.subscribe("t.2", Some(&closed.last));
    assert_eq!(resumed.opening().as_deref(), Some(closed.last.as_str()));
    resumed.expect([long(2)]);
    // The others were not harmed, and what they pinned is free when they have it.
    for (n, subscriber) in slow.iter_mut().enumerate() {
        subscriber.expect([long(n)]);
        server.publish(&format!("t.{n}"), "next");
        subscriber.expect(["next"]);
    }
    lively.expect(["next"]);
    let mut again = server.subscribe_narrow("t.3", None);
    again.opening();
    server.publish("t.3", &long(3));
    again.expect([long(3)]);
    assert_eq!(server.metric("connections_closed_total", None), 1);
}
