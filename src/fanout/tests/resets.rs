//! The log loses its place, or begins anew: everyone whom it concerns is told, wherever it stands, and goes on in order.

use super::support::{ONE, Server, Setup, Subscriber, TWO, at, numbers, until};
use crate::event::Cursor;
use crate::fanout::limits::Bounds;
use crate::fanout::reader::Start;
use crate::log::fake::Faults;

/// The broker loses events of one epoch that nobody has seen, and the order goes on.
fn lose_the_end(server: &Server) -> Cursor {
    server.hide();
    let lost = server.publish("a", "lost");
    server.broker().purge_all();
    server.faults(Faults::default());
    lost
}

fn told_of_the_log(subscriber: &mut Subscriber, resumed: Cursor) {
    let (reason, data) = subscriber.gap();
    assert_eq!((reason.as_str(), data["resumed"].as_str()), ("log", Some(&*resumed.to_string())), "{data}");
    assert!(data["missed"].is_null());
}

#[test]
fn members_laggards_and_those_who_wait_for_a_page_are_told_of_a_lost_end() {
    told_everywhere(lose_the_end);
}

#[test]
fn members_laggards_and_those_who_wait_for_a_page_are_told_of_a_new_epoch() {
    told_everywhere(|server| {
        server.broker().begin_anew(TWO);
        at(TWO, 0)
    });
}

fn told_everywhere(reset: impl Fn(&Server) -> Cursor) {
    let server =
        Setup { bounds: Bounds { search_entries: 8, ..Bounds::default() }, ..Setup::default() }.start();
    let long = "x".repeat(64 << 10);
    let mut member = server.subscribe("a", None);
    let mut quiet = server.subscribe("quiet", None);
    let mut laggard = server.subscribe_narrow("long", None);
    let begin = member.opening().unwrap();
    quiet.opening();
    laggard.opening();
    for n in numbers(0..20) {
        server.publish("long", &long);
        server.publish("a", &n);
    }
    member.expect(numbers(0..20));
    until("it is behind", || server.metric("lagging_connections", None) > 0);
    server.broker().hold_reads();
    let mut fetching = server.subscribe("a", Some(&begin));
    until("it waits for a page", || server.broker().held_reads() > 0);
    let pulled = server.pulled(0);
    let resumed = reset(&server);
    until("the shard has the reset", || server.pulled(0) > pulled);
    // Those at the live end need a page, too, to know what is kept. The held one is of the old order.
    server.broker().release_reads();
    told_of_the_log(&mut member, resumed);
    told_of_the_log(&mut quiet, resumed);
    server.publish("a", "new");
    server.publish("long", "new");
    told_of_the_log(&mut fetching, resumed);
    loop {
        // The rest of the frame that it is in, and what its socket had taken.
        let block = laggard.event();
        if block.event.is_some() {
            assert!(block.data.unwrap().contains("\"reason\":\"log\""));
            break;
        }
        assert!(block.parts().1 == long);
    }
    laggard.expect(["new"]);
    member.expect(["new"]);
    fetching.expect(["new"]);
    server.publish("quiet", "new");
    quiet.expect(["new"]);
}

#[test]
fn a_page_of_before_a_reset_is_for_nobody_after_it() {
    let server =
        Setup { bounds: Bounds { search_entries: 0, ..Bounds::default() }, ..Setup::default() }.start();
    let mut member = server.subscribe("a", None);
    let begin = member.opening().unwrap();
    let data: Vec<_> = numbers(0..1200).collect();
    server.publish_all("a", data.iter().map(String::as_str));
    until("all of it is pulled", || server.pulled(0) >= 1200);
    server.broker().hold_reads();
    let mut fetching = server.subscribe("a", Some(&begin));
    until("it waits for a page", || server.broker().held_reads() > 0);
    // The page and the reset reach the shard in one turn.
    let stalled = server.stall(0);
    server.broker().release_reads();
    until("the page is on its way", || server.broker().held_reads() == 0);
    let lost = lose_the_end(&server);
    server.publish("a", "new");
    until("the reset is in the ring", || server.fed() == 1202);
    drop(stalled);
    told_of_the_log(&mut fetching, lost);
    fetching.expect(["new"]);
    member.expect(&data);
    told_of_the_log(&mut member, lost);
    member.expect(["new"]);
}

#[test]
fn a_reset_that_the_ring_has_overtaken_is_told_all_the_same() {
    for new_epoch in [false, true] {
        let bounds = Bounds { ring_entries: 16, ..Bounds::default() };
        let server = Setup { bounds, ..Setup::default() }.start();
        let mut member = server.subscribe("a", None);
        member.opening();
        server.publish("a", "old");
        member.expect(["old"]);
        let stalled = server.stall(0);
        let resumed = if new_epoch {
            server.broker().begin_anew(TWO);
            at(TWO, 0)
        } else {
            lose_the_end(&server)
        };
        let kept: Vec<_> = numbers(0..10).collect();
        server.publish_all("a", kept.iter().map(String::as_str));
        let other: Vec<_> = numbers(0..100).collect();
        server.publish_all("b", other.iter().map(String::as_str));
        until("the ring has it all", || server.fed() == 112);
        drop(stalled);
        told_of_the_log(&mut member, resumed);
        member.expect(&kept);
        server.publish("a", "new");
        member.expect(["new"]);
    }
}

#[test]
fn who_was_on_its_way_while_the_log_began_anew_is_told() {
    let server = Setup::default().start();
    server.publish("a", "old");
    until("the old is pulled", || server.pulled(0) == 1);
    server.broker().begin_anew(TWO);
    until("the reset is pulled", || server.pulled(0) == 2);
    server.publish("a", "1");
    server.publish("a", "2");
    // The new epoch has come as far as they stood in the old one, and further.
    for start in [Start::Now(at(ONE, 1)), Start::After(at(ONE, 1))] {
        let mut late = server.subscribe_from("a", start);
        assert_eq!(late.opening(), None);
        let (reason, data) = late.gap();
        assert_eq!(reason, "restarted");
        assert_eq!(data["requested"], at(ONE, 1).to_string());
        assert_eq!(data["resumed"], at(TWO, 0).to_string());
        late.expect(["1", "2"]);
    }
}

#[test]
fn who_is_in_the_new_epoch_before_its_shard_waits_there_and_misses_nothing() {
    let server = Setup { heartbeat: std::time::Duration::from_hours(1), ..Setup::default() }.start();
    let mut member = server.subscribe("a", None);
    member.opening();
    let mut now = server.subscribe_from("a", Start::Now(at(TWO, 1)));
    let mut after = server.subscribe_from("a", Start::After(at(TWO, 1)));
    assert_eq!(now.opening(), Some(at(TWO, 1).to_string()));
    server.publish("a", "old");
    member.expect(["old"]);
    server.broker().begin_anew(TWO);
    server.publish_all("a", ["1"]);
    server.publish("a", "2");
    assert_eq!(after.opening(), Some(at(TWO, 1).to_string()));
    now.expect(["2"]);
    after.expect(["2"]);
    told_of_the_log(&mut member, at(TWO, 0));
    member.expect(["1", "2"]);
}

#[test]
fn an_epoch_that_never_comes_is_not_waited_for() {
    let server = Setup::default().start();
    server.publish("a", "1");
    let mut early = server.subscribe_from("a", Start::After(at(TWO, 1)));
    assert_eq!(early.opening(), None);
    let (reason, data) = early.gap();
    assert_eq!((reason.as_str(), data["resumed"].as_str()), ("restarted", Some("000000000001-0")));
    early.expect(["1"]);
}
