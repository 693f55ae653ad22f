//! Streams that begin in what is kept: whatever was evicted before they came is no gap, and the seam to what is live has
//! neither hole nor double.

use std::time::Duration;

use super::support::{Setup, numbers, to};
use crate::event::{Begin, EventType, Filter, Since, Subscription};
use crate::fanout::limits::Bounds;

fn since(since: Since) -> Begin {
    Begin::Since(since)
}

#[test]
fn what_is_kept_comes_without_a_gap_and_then_what_is_live() {
    for search_entries in [512, 0] {
        let bounds = Bounds { search_entries, ..Bounds::default() };
        let server = Setup { bounds, events: 10, ..Setup::default() }.start_in_memory();
        for n in numbers(0..50) {
            server.publish("a", &n);
        }
        server.clock.advance(Duration::from_mins(1));
        for n in numbers(50..54) {
            server.publish("a", &n);
        }
        let minute = Duration::from_secs(30);
        let cases = [
            (Since::Oldest, 44),
            (Since::Ago(minute), 50),
            (Since::Ago(minute * 100), 44),
            (Since::Last(3), 51),
            (Since::Last(1000), 44),
            (Since::Last(0), 54),
        ];
        let mut all = cases.map(|(begin, first)| (server.open(to(&["a"]), since(begin)), first));
        for (one, first) in &mut all {
            assert!(one.opening().is_some(), "no gap");
            one.expect(numbers(*first..54));
        }
        for n in numbers(54..90) {
            server.publish("a", &n);
        }
        for (one, _) in &mut all {
            one.expect(numbers(54..90));
        }
        assert_eq!(server.metric("gaps_total", None), 0);
    }
}

#[test]
fn of_several_topics_the_last_are_those_of_the_subscription() {
    let server = Setup { events: 4, ..Setup::default() }.start_in_memory();
    for n in numbers(0..20) {
        server.publish("a", &n);
        server.publish_typed("b", "k", &n);
        server.publish("c", "not for it");
    }
    let mut last = server.open(to(&["a", "b"]), since(Since::Last(3)));
    assert!(last.opening().is_some());
    for (kind, data) in [(Some("k"), "18"), (None, "19"), (Some("k"), "19")] {
        let event = last.event();
        assert_eq!((event.event.as_deref(), event.data.as_deref()), (kind, Some(data)));
    }
    let filter = Filter::of(vec![EventType::parse("k").unwrap()]);
    let mut typed = server.open(Subscription { filter, ..to(&["*"]) }, since(Since::Last(2)));
    assert!(typed.opening().is_some());
    for data in ["18", "19"] {
        assert_eq!(typed.event().data.as_deref(), Some(data));
    }
}

#[test]
fn nothing_kept_is_now() {
    let server = Setup::default().start_in_memory();
    let cursor = server.publish("other", "x");
    let mut begun = server.open(to(&["a.*"]), since(Since::Oldest));
    assert_eq!(begun.opening(), Some(cursor.to_string()));
    server.publish("a.1", "new");
    begun.expect(["new"]);
}
