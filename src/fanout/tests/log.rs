//! A log whose tail comes later, whose pages fail, and that does not know exactly what it has lost.

use std::sync::Arc;
use std::time::Duration;

use super::support::{Setup, numbers, to, until};
use crate::event::{Begin, Cursor, Position, Since};
use crate::fanout::limits::Bounds;
use crate::log::fake::Faults;

#[test]
fn what_comes_later_reaches_everyone_in_order() {
    let server = Setup { shards: 2, ..Setup::default() }.start();
    server.faults(Faults {
        store_delay: Duration::from_millis(1),
        lag: Duration::from_millis(5),
        ..Faults::default()
    });
    let mut all: Vec<_> = (0..6).map(|i| server.subscribe(["a", "b"][i % 2], None)).collect();
    for subscriber in &mut all {
        assert_eq!(subscriber.opening().as_deref(), Some("000000000001-0"));
    }
    for n in numbers(0..100) {
        server.publish("a", &n);
        server.publish("b", &n);
    }
    for subscriber in &mut all {
        subscriber.expect(numbers(0..100));
    }
    let mut resumed = server.subscribe("b", Some(&all[1].last));
    server.publish("b", "new");
    resumed.expect(["new"]);
}

/// Whoever has promised to pump, on a machine that is busy elsewhere: all who rely on that fill the log's tail.
#[test]
fn a_feeder_that_is_not_given_a_processor_refuses_nobody() {
    let server = Setup::default().start_in_memory();
    let mut subscriber = server.subscribe("a", None);
    subscriber.opening().unwrap();
    let large = "x".repeat(1 << 20);
    assert!(server.fanout.pump.is_due(), "nobody else has promised");
    for n in numbers(0..40) {
        server.publish("a", &(large.clone() + &n));
    }
    subscriber.expect(numbers(0..40).map(|n| large.clone() + &n));
}

#[test]
fn pages_that_fail_are_asked_for_again_and_nothing_is_lost() {
    let server = Setup::default().start();
    let mut first = server.subscribe("a", None);
    let long = "x".repeat(1000);
    let data: Vec<_> = numbers(0..1000).map(|n| n + &long).collect();
    let begin = first.opening().unwrap();
    server.publish_all("a", data.iter().map(String::as_str));
    until("it is further than the ring is searched", || server.pulled(0) >= 1000);
    server.faults(Faults { unread: 1.0, ..Faults::default() });
    server.broker().hold_reads();
    let mut resumed: Vec<_> = (0..4).map(|_| server.subscribe("a", Some(&begin))).collect();
    for _ in 0..5 {
        until("a page is asked for", || server.broker().held_reads() > 0);
        server.broker().release_reads();
        until("it has failed", || server.broker().held_reads() == 0);
        server.broker().hold_reads();
    }
    server.faults(Faults { unread: 0.6, ..Faults::default() });
    server.broker().release_reads();
    for subscriber in &mut resumed {
        subscriber.expect(&data);
    }
    server.publish("a", "live");
    for subscriber in &mut resumed {
        subscriber.expect(["live"]);
    }
}

/// Each line of an event's data is a field: blank lines become seven times as many bytes.
#[test]
fn a_page_that_is_more_than_one_batch_is_written_to_its_end() {
    let bounds = Bounds { search_entries: 0, ..Bounds::default() };
    let server = Setup { bounds, ..Setup::default() }.start();
    let mut member = server.subscribe("a", None);
    let begin = member.opening().unwrap();
    let lines = "\n".repeat(8 << 10);
    let data: Vec<_> = numbers(0..30).map(|n| lines.clone() + &n).collect();
    server.publish_all("a", data.iter().map(String::as_str));
    until("it is in the ring", || server.pulled(0) >= 30);
    // The last line of each is its number.
    server.subscribe("a", Some(&begin)).expect(numbers(0..30));
    member.expect(numbers(0..30));
}

#[test]
fn a_log_that_is_away_delays_who_resumes_and_loses_nothing() {
    let server = Setup::default().start();
    let mut member = server.subscribe("a", None);
    let begin = member.opening().unwrap();
    server.publish_all("a", numbers(0..2000).collect::<Vec<_>>().iter().map(String::as_str));
    member.expect(numbers(0..2000));
    server.broker().go_down();
    let mut resumed = server.subscribe("a", Some(&begin));
    until("it is behind", || server.metric("lagging_connections", None) > 0);
    server.broker().come_up();
    server.publish("a", "new");
    resumed.expect(numbers(0..2000));
    resumed.expect(["new"]);
    member.expect(["new"]);
}

#[test]
fn coarse_coverage_is_told_and_never_silence() {
    let server = Setup { total: 64 << 10, ..Setup::default() }.start();
    let long = "x".repeat(8 << 10);
    let mut slow = server.subscribe_narrow("a", None);
    let begin = slow.opening().unwrap();
    for _ in 0..4 {
        server.publish("a", &long);
    }
    until("the slow one is behind", || server.metric("lagging_connections", None) > 0);
    // Another topic's events push out what the slow one has not read, and more than the ring is searched for.
    let other: Vec<_> = numbers(0..600).collect();
    for (n, some) in other.chunks(100).enumerate() {
        server.publish_all("b", some.iter().map(String::as_str));
        // What the broker drops unseen is another loss, and told as such.
        until("it is in the ring", || server.pulled(0) >= 4 + 100 * (n as u64 + 1));
    }
    let last = server.publish("a", "last");
    let mut evicted = server.subscribe("a", Some(&begin));
    assert_eq!(evicted.opening(), None);
    let (reason, data) = evicted.gap();
    assert_eq!((reason.as_str(), data["missed"].is_null()), ("evicted", true), "{data}");
    assert_eq!(data["requested"], begin);
    evicted.expect(["last"]);
    assert_eq!(evicted.last, last.to_string());
    let mut gap = None;
    loop {
        let block = slow.event();
        match block.event.as_deref() {
            Some(_) => gap = block.data,
            None if block.parts().1 == "last" => break,
            None => assert_eq!(gap, None, "what was lost lies before what is kept"),
        }
    }
    let gap: serde_json::Value = serde_json::from_str(&gap.expect("silence about a loss")).unwrap();
    assert_eq!((gap["reason"].as_str(), gap["missed"].is_null()), (Some("lagged"), true), "{gap}");
}

#[test]
fn a_shard_that_stands_still_stops_nobody_else() {
    let server = Setup { shards: 2, ..Setup::default() }.start();
    let mut subscribers = [server.subscribe("a", None), server.subscribe("a", None)];
    for subscriber in &mut subscribers {
        subscriber.opening();
    }
    let stalled = server.stall(0);
    let data: Vec<_> = numbers(0..20_000).collect();
    for some in data.chunks(500) {
        server.publish_all("a", some.iter().map(String::as_str));
    }
    let [still, lively] = &mut subscribers;
    lively.expect(&data);
    drop(stalled);
    still.expect(&data);
}

#[test]
fn who_is_turned_away_since_the_log_can_not_be_read_is_counted() {
    let server = Setup::default().start();
    server.publish("a", "0");
    server.broker().go_down();
    let begin = Begin::Since(Since::Oldest);
    let reservation = server.fanout.reserve(None, None, &begin).unwrap();
    assert!(server.wait(reservation.begin(Arc::new(to(&["a"])), &begin)).is_err());
    assert_eq!(server.metric("connections_refused_total", Some("log")), 1);
    assert_eq!(server.metric("connections_refused_total", None), 1);
    assert_eq!(server.metric("connections", None), 0, "its room is free again");
    server.broker().come_up();
    let mut one = server.open(to(&["a"]), begin);
    one.expect_after_opening(["0"]);
    assert_eq!(server.metric("connections_refused_total", None), 1);
}

#[test]
fn a_thread_that_reads_history_and_stands_still_is_named() {
    let server = Setup::default().start_in_memory();
    assert!(server.fanout.wedged().is_empty());
    let (until_then, stall) = std::sync::mpsc::channel::<()>();
    let fanout = std::sync::Arc::clone(&server.fanout);
    let reading = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let work = async move {
            let _ = stall.recv();
            Ok(())
        };
        runtime.block_on(fanout.search(&to(&["a.*"]).selector, work))
    });
    until("it is named", || server.fanout.wedged().iter().any(|named| named.contains("the log's fetcher")));
    drop(until_then);
    assert!(reading.join().unwrap().is_ok());
    until("it turns again", || server.fanout.wedged().is_empty());
}

#[test]
fn a_cursor_from_a_replica_that_is_ahead_is_waited_for_and_one_from_nowhere_is_unknown() {
    let server = Setup::default().start();
    server.publish("a", "0");
    server.faults(Faults { lag: Duration::from_millis(200), ..Faults::default() });
    let ahead = server.publish("a", "1");
    let mut one = server.subscribe("a", Some(&ahead.to_string()));
    assert_eq!(one.opening(), Some(ahead.to_string()), "no gap");
    server.faults(Faults::default());
    server.publish("a", "2");
    one.expect(["2"]);
    let nowhere = Cursor::new(ahead.epoch, Position::of(1000)).to_string();
    let mut lost = server.subscribe("a", Some(&nowhere));
    assert_eq!(lost.opening(), None);
    assert_eq!(lost.gap().0, "unknown");
}
