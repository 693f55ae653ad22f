//! Who is not let in, and lets others in when it has gone.

use super::support::{Setup, after, to, until};
use std::sync::Arc;

use crate::event::{Begin, EventType, Filter, Pattern, Selector, Subscription};
use crate::fanout::Refused;
use crate::fanout::limits::Bounds;

#[test]
fn an_address_has_so_many_streams() {
    let server = Setup { per_ip: 2, ..Setup::default() }.start_in_memory();
    let mut all = [server.subscribe("a", None), server.subscribe("a", None)];
    for one in &mut all {
        one.opening();
    }
    let more = || server.try_open(to(&["a"]), &Begin::Now, None);
    assert_eq!(more().err(), Some(Refused::Address));
    assert_eq!(server.metric("connections_refused_total", Some("per_ip")), 1);
    drop(all);
    let mut again = None;
    until("its streams have ended", || {
        again = more().ok();
        again.is_some()
    });
    server.publish("a", "x");
    again.unwrap().expect_after_opening(["x"]);
}

#[test]
fn so_many_are_let_in_at_once() {
    let server = Setup { admissions_per_second: 5, ..Setup::default() }.start_in_memory();
    let open: Vec<_> = (0..5).map(|_| server.subscribe("a", None)).collect();
    assert_eq!(server.try_open(to(&["a"]), &Begin::Now, None).err(), Some(Refused::Rate));
    until("another may come", || server.try_open(to(&["a"]), &Begin::Now, None).is_ok());
    drop(open);
}

#[test]
fn who_begins_in_history_waits_while_slow_ones_pin_too_much() {
    let bounds = Bounds { replay_pinned_bytes: 1 << 19, ..Bounds::default() };
    let server = Setup { bounds, ..Setup::default() }.start_in_memory();
    let mut slow = server.subscribe_narrow("a", None);
    let begin = slow.opening().unwrap();
    let long = "x".repeat(1 << 20);
    server.publish("a", &long);
    let resume = || server.try_open(to(&["b"]), &after(&begin), None).err();
    until("it pins what it has not read", || resume() == Some(Refused::Replay));
    assert!(server.metric("connections_refused_total", Some("replay")) >= 1);
    let mut now = server.subscribe("a", None);
    now.opening();
    slow.expect([long]);
    until("it has read it", || resume().is_none());
    server.publish("a", "live");
    now.expect(["live"]);
}

#[test]
fn who_asks_for_a_page_counts_for_its_address_and_its_second() {
    let server = Setup { per_ip: 1, ..Setup::default() }.start_in_memory();
    let call = |server: &super::support::Server| server.fanout.call(Some([127, 0, 0, 1].into()), None);
    let one = call(&server).unwrap();
    assert_eq!(call(&server).err(), Some(Refused::Address));
    assert_eq!(server.try_open(to(&["a"]), &Begin::Now, None).err(), Some(Refused::Address));
    // It is not counted twice when it begins to wait.
    drop(server.fanout.reserve_to_wait().unwrap());
    drop(one);
    assert!(call(&server).is_ok());
    assert_eq!(server.metric("connections_refused_total", Some("per_ip")), 2);

    let server = Setup { admissions_per_second: 2, ..Setup::default() }.start_in_memory();
    let open: Vec<_> = (0..2).map(|_| call(&server).unwrap()).collect();
    assert_eq!(call(&server).err(), Some(Refused::Rate));
    drop(open);
}

/// Patterns as many and as long as a query may have, or types.
fn heavy(n: usize) -> Subscription {
    let names = (0..64).map(|i| format!("p{n}.{i}.a.b.c.d.e.f.g.h.i.j.k.l.m.*"));
    Subscription::to(Selector::of(names.map(|text| Pattern::parse(&text).unwrap()).collect()))
}

fn of_types(n: usize) -> Subscription {
    let types = (0..64).map(|i| EventType::parse(&format!("{n}-{i}-{}", "x".repeat(100))).unwrap());
    Subscription { filter: Filter::of(types.collect()), ..to(&["a"]) }
}

#[test]
fn what_one_address_asks_for_keeps_out_nobody_else() {
    for of in [heavy, of_types] {
        let server = Setup::default().start_in_memory();
        let begin = |host: u8, subscription: Subscription| {
            let room = server.fanout.reserve(Some([192, 0, 2, host].into()), None, &Begin::Now).unwrap();
            server.wait(room.begin(Arc::new(subscription), &Begin::Now))
        };
        let (mut open, mut refused) = (Vec::new(), None);
        for n in 0..1000 {
            match begin(1, of(n)) {
                Ok(beginning) => open.push(beginning),
                Err(why) => {
                    refused = Some(why);
                    break;
                }
            }
        }
        assert_eq!(refused, Some(Refused::Patterns));
        assert_eq!(server.metric("connections_refused_total", Some("patterns")), 1);
        assert_eq!(server.fanout.connections(), open.len(), "what is refused gives back its room");
        // One topic, what is there already, and whoever is elsewhere.
        assert!(begin(1, to(&["a"])).is_ok() && begin(1, of(0)).is_ok());
        assert!(begin(2, to(&["users.7", "org.1"])).is_ok() && begin(2, of(1000)).is_ok());
        drop(open);
        assert!(begin(1, of(1000)).is_ok());
    }
}

#[test]
fn who_waits_for_a_page_is_weighed_each_for_itself() {
    let server = Setup::default().start_in_memory();
    let listen = |host: u8| server.fanout.arrivals(&heavy(0), Some([192, 0, 2, host].into()));
    let mut waiting: Vec<_> = std::iter::from_fn(|| listen(1).ok()).take(1000).collect();
    assert!((2..20).contains(&waiting.len()), "{}", waiting.len());
    assert!(listen(1).is_err() && listen(2).is_ok());
    assert_eq!(server.metric("connections_refused_total", Some("patterns")), 2);
    waiting.pop();
    assert!(listen(1).is_ok());
}
