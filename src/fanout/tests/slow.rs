//! Subscribers that are disconnected when they stand still, and only then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::{End, Setup, until};
use crate::fanout::Slow;

#[test]
fn who_stands_still_is_disconnected_and_who_reads_slowly_is_not() {
    let slow = Slow::Disconnect(Duration::from_secs(1));
    let server = Setup { slow, ..Setup::default() }.start_in_memory();
    // At the live end, where there is nothing to read, nobody stands still.
    let mut quiet = server.subscribe("quiet", None);
    let mut still = server.subscribe_narrow("a", None);
    let mut steady = server.subscribe_narrow("a", None);
    for one in [&mut quiet, &mut still, &mut steady] {
        one.opening();
    }
    let long = "x".repeat(8 << 10);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // About 2 MiB a second, of which the limit's time asks for 256 KiB.
            while !over.load(Ordering::Relaxed) {
                steady.expect([&long]);
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        for _ in 0..20 {
            let all = server.pulled(0) + 200;
            for _ in 0..200 {
                server.publish("a", &long);
            }
            until("they are pulled", || server.pulled(0) >= all);
        }
        let closed = || server.metric("connections_closed_total", None);
        until("the one that stands still is closed", || closed() > 0);
        let then = server.turned(0);
        until("the limit is over once more", || server.turned(0) > then + 2000);
        over.store(true, Ordering::Relaxed);
        assert_eq!((closed(), server.metric("connections_closed_total", Some("slow"))), (1, 1));
    });
    let (_, end) = still.read_out();
    assert_ne!(end, End::Clean);
    let mut resumed = server.subscribe("a", Some(&still.last));
    assert_eq!(resumed.opening(), Some(still.last.clone()));
    server.publish("quiet", "x");
    quiet.expect(["x"]);
}
