//! A purge: what is gone is told to whoever resumes from before it, and disturbs nobody at the live end.

use super::support::{Setup, after, numbers, to, until};
use crate::event::{Begin, Topic};

#[test]
fn who_resumes_from_before_is_told_and_who_is_at_the_live_end_is_not_disturbed() {
    let server = Setup::default().start_in_memory();
    let mut live = server.subscribe("a", None);
    let mut both = server.open(to(&["*"]), Begin::Now);
    let begin = live.opening().unwrap();
    both.opening();
    for n in numbers(0..10) {
        server.publish("a", &n);
    }
    live.expect(numbers(0..10));
    both.expect(numbers(0..10));
    let kept = server.publish("b", "kept");
    let topic = Topic::parse("a").unwrap();
    assert_eq!(server.wait(server.fanout.purge(&topic)), Ok(10));
    assert_eq!(server.wait(server.fanout.purge(&topic)), Ok(0));
    assert_eq!(server.fanout.purges(), 2, "whoever has read a page before knows");

    // The ring still reaches back to there.
    let mut resumed = server.subscribe("a", Some(&begin));
    assert_eq!(resumed.opening(), None);
    let (reason, data) = resumed.gap();
    assert_eq!((reason.as_str(), data["missed"].as_u64()), ("evicted", Some(10)), "{data}");
    let mut several = server.open(to(&["*"]), after(&begin));
    assert_eq!(several.opening(), None);
    assert_eq!(several.gap().1["missed"], 10);
    let event = several.event();
    assert_eq!((event.id, event.data.as_deref()), (Some(kept.to_string()), Some("kept")));
    // Nothing of what it asks for is gone.
    let mut other = server.subscribe("b", Some(&begin));
    assert_eq!(other.opening(), Some(begin));
    other.expect(["kept"]);

    for n in numbers(10..20) {
        server.publish("a", &n);
    }
    live.expect(numbers(10..20));
    both.expect(["kept"]);
    both.expect(numbers(10..20));
    resumed.expect(numbers(10..20));
    several.expect(numbers(10..20));
    assert_eq!(server.metric("gaps_total", None), 2);
}

#[test]
fn who_is_behind_is_told_of_what_it_had_not_read() {
    let server = Setup::default().start_in_memory();
    let mut slow = server.subscribe_narrow("a", None);
    slow.opening();
    let long = "x".repeat(64 << 10);
    for _ in 0..20 {
        server.publish("a", &long);
    }
    // What is still on its way to the live end would arrive there.
    until("it is behind all of them", || server.pulled(0) == 20);
    until("it is behind", || server.metric("lagging_connections", None) > 0);
    assert_eq!(server.wait(server.fanout.purge(&Topic::parse("a").unwrap())), Ok(20));
    server.publish("a", "new");
    let mut read = 0;
    let missed = loop {
        let block = slow.event();
        let data = block.data.unwrap();
        if block.event.is_some() {
            let gap: serde_json::Value = serde_json::from_str(&data).unwrap();
            assert_eq!(gap["reason"], "lagged");
            break gap["missed"].as_u64().unwrap();
        }
        assert!(data == long);
        read += 1;
    };
    assert_eq!(read + missed, 20);
    slow.expect(["new"]);
}

/// However the threads meet: the bytes of what was purged are among those that had been written when that was answered.
#[test]
fn nothing_purged_is_written_after_the_answer_but_the_rest_of_a_frame() {
    let server = Setup::default().start_in_memory();
    let topic = Topic::parse("a").unwrap();
    let long = "x".repeat(8 << 10);
    for round in 0..20 {
        let before = server.metric("delivered_bytes_total", None);
        let begin = server.fanout.head().to_string();
        for _ in 0..200 {
            server.publish("a", &long);
        }
        let mut slow = server.try_open(to(&["a"]), &after(&begin), Some(4096)).unwrap();
        // Wherever its replay is by then.
        let mut read = (0..round).map(|_| slow.event()).filter(|block| block.event.is_none()).count();
        assert_eq!(server.wait(server.fanout.purge(&topic)), Ok(200));
        let written = server.metric("delivered_bytes_total", None) - before;
        server.publish("a", "new");
        loop {
            let block = slow.event();
            match block.data.as_deref() {
                Some("new") => break,
                _ if block.event.is_some() => {}
                Some(data) => {
                    assert!(data == long);
                    read += 1;
                }
                None => panic!("an event has data"),
            }
        }
        assert!(read * long.len() <= written + long.len(), "{read} of {written} bytes in round {round}");
        server.wait(server.fanout.purge(&topic)).unwrap();
    }
}
