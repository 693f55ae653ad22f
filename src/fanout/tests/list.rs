//! The list of streams, and the end of one by order.

use std::collections::HashSet;
use std::time::Duration;

use super::support::{End, Server, Setup, to, until};
use crate::event::{Begin, Topic};
use crate::fanout::limits::Bounds;
use crate::fanout::{ListFrom, ListOnly, Listed, Outcome};

fn pages(server: &Server, limit: usize, topic: Option<&Topic>, mut between: impl FnMut()) -> Vec<Listed> {
    let only = ListOnly { topic: topic.cloned(), subject: None };
    let (mut all, mut from) = (Vec::new(), ListFrom::default());
    loop {
        let (page, next) = server.wait(server.fanout.list(from, limit, &only));
        assert!(page.len() <= limit);
        all.extend(page);
        let Some(next) = next else { return all };
        from = ListFrom::parse(&next.to_string()).unwrap();
        between();
    }
}

#[test]
fn each_stream_that_stays_is_listed_once_whoever_comes_and_goes() {
    let server = Setup { shards: 3, ..Setup::default() }.start_in_memory();
    let mut staying: Vec<_> = (0..60).map(|n| server.subscribe(["a", "b"][n % 2], None)).collect();
    for one in &mut staying {
        one.opening();
    }
    let ids = |listed: &[Listed]| -> HashSet<String> { listed.iter().map(|l| l.id.to_string()).collect() };
    let stay = ids(&pages(&server, 1000, None, || ()));
    assert_eq!(stay.len(), 60);
    for limit in [1, 7, 59] {
        let mut passing: Vec<_> = (0..10).map(|_| server.subscribe("b", None)).collect();
        let listed = pages(&server, limit, None, || {
            passing.pop();
            passing.insert(0, server.subscribe("b", None));
        });
        let found = ids(&listed);
        assert_eq!(found.len(), listed.len(), "nobody twice");
        assert!(found.is_superset(&stay), "nobody left out");
    }
    let topic = Topic::parse("a").unwrap();
    let _pattern = server.open(to(&["a.*", "*"]), Begin::Now);
    let listed = pages(&server, 7, Some(&topic), || ());
    assert_eq!(listed.len(), 31, "those that name it, and the pattern");
    assert!(listed.iter().all(|l| l.lag == 0 && l.selector.matches(&topic)));
}

#[test]
fn an_end_by_order_is_a_clean_farewell() {
    let server = Setup { shards: 2, ..Setup::default() }.start_in_memory();
    let mut all = [server.subscribe("a", None), server.subscribe("a", None)];
    for one in &mut all {
        one.opening();
    }
    let id = pages(&server, 10, None, || ())[0].id;
    server.publish("a", "x");
    let [one, other] = &mut all;
    one.expect(["x"]);
    other.expect(["x"]);
    assert_eq!(server.wait(server.fanout.end(id)), Outcome::Done);
    assert_eq!(server.wait(server.fanout.end(id)), Outcome::Unknown, "never twice");
    // Its socket lingers until it is read out; its stream is over, and nothing of it is looked at.
    assert_eq!(pages(&server, 10, None, || ()).len(), 1);
    assert_eq!(one.read_out(), (true, End::Clean), "the first shard's");
    assert_eq!(server.metric("connections_closed_total", Some("admin")), 1);
    server.publish("a", "y");
    other.expect(["y"]);
    assert_eq!(pages(&server, 10, None, || ()).len(), 1);
}

#[test]
fn who_does_not_read_on_to_its_end_is_closed_all_the_same() {
    let bounds = Bounds { end_wait: Duration::from_millis(10), ..Bounds::default() };
    let server = Setup { bounds, ..Setup::default() }.start_in_memory();
    let mut slow = server.subscribe_narrow("a", None);
    let begin = slow.opening().unwrap();
    let long = "x".repeat(1 << 20);
    server.publish("a", &long);
    until("it is behind", || server.metric("lagging_connections", None) == 1);
    let id = pages(&server, 10, None, || ())[0].id;
    assert_eq!(server.wait(server.fanout.end(id)), Outcome::Done);
    until("it is gone", || server.fanout.connections() == 0);
    assert_eq!(server.metric("connections_closed_total", Some("admin")), 1);
    // What it has missed is there for it.
    let mut again = server.subscribe("a", Some(&begin));
    again.expect_after_opening([long]);
}
