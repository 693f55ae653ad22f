//! What is listened to, and in which form: patterns, several topics, types, formats, heartbeats that are seen.

use std::time::Duration;

use super::support::{Block, Setup, Subscriber, after, numbers, to};
use crate::event::{Beats, Begin, EventType, Filter, Format, Subscription};
use crate::fanout::limits::Bounds;

fn only(patterns: &[&str], kind: &str) -> Subscription {
    Subscription { filter: Filter::of(vec![EventType::parse(kind).unwrap()]), ..to(patterns) }
}

/// The next must be these events, in this order.
fn ids(subscriber: &mut Subscriber, want: &[String]) {
    for want in want {
        let event = subscriber.event();
        assert_eq!((event.id.as_ref(), event.event), (Some(want), None));
    }
}

/// The next block that is nothing but an id.
fn beat(subscriber: &mut Subscriber) -> String {
    let Block { retry, id, event, data } = subscriber.next().unwrap();
    assert_eq!((retry, event, data), (false, None, None));
    id.expect("an id")
}

#[test]
fn several_topics_and_new_ones_come_in_one_order_each_event_once_and_resume_from_one_cursor() {
    // From the ring, and from history.
    for search_entries in [512, 0] {
        let bounds = Bounds { search_entries, ..Bounds::default() };
        let server = Setup { bounds, shards: 2, ..Setup::default() }.start_in_memory();
        let all = to(&["orders.**", "orders.*", "users.7"]);
        let mut live = [server.open(all.clone(), Begin::Now), server.open(all.clone(), Begin::Now)];
        let [begin, _] = live.each_mut().map(|one| one.opening().unwrap());
        let mut want = Vec::new();
        for n in 0..40 {
            // The first of each is a topic that nobody has heard of.
            let mine = [
                "orders.new".to_owned(),
                format!("orders.{n}"),
                format!("orders.{n}.a"),
                "users.7".to_owned(),
            ];
            want.extend(mine.map(|topic| server.publish(&topic, "x").to_string()));
            server.publish("users.8", "not for them");
        }
        for one in &mut live {
            ids(one, &want);
        }
        for from in [0, 1, 77, want.len()] {
            let cursor = if from == 0 { &begin } else { &want[from - 1] };
            let mut resumed = server.open(all.clone(), after(cursor));
            assert_eq!(resumed.opening().as_ref(), Some(cursor));
            ids(&mut resumed, &want[from..]);
            let next = server.publish("orders.late", "x").to_string();
            ids(&mut resumed, std::slice::from_ref(&next));
            want.push(next);
        }
        for one in &mut live {
            ids(one, &want[160..]);
        }
    }
}

#[test]
fn who_hears_nothing_is_told_how_far_the_log_has_come_and_resumes_from_there() {
    let heartbeat = Duration::from_millis(100);
    let server = Setup { heartbeat, ..Setup::default() }.start_in_memory();
    let mut quiet = server.open(to(&["never.*"]), Begin::Now);
    let mut filtered = server.open(only(&["orders"], "created"), Begin::Now);
    let mut named = server.subscribe("never", None);
    for subscriber in [&mut quiet, &mut filtered, &mut named] {
        subscriber.opening();
    }
    for _ in 0..3 {
        let moved = server.publish_typed("orders", "deleted", "x").to_string();
        for subscriber in [&mut quiet, &mut filtered, &mut named] {
            assert_eq!(beat(subscriber), moved);
        }
    }
    let wanted = server.publish_typed("orders", "created", "y").to_string();
    // Its event is its id: there is no beat with another before the log moves on.
    let event = filtered.next().unwrap();
    assert_eq!((event.id.as_ref(), event.event.as_deref()), (Some(&wanted), Some("created")));
    let moved = server.publish("other", "x").to_string();
    assert_eq!(beat(&mut filtered), moved);
    let mut resumed = server.open(only(&["orders"], "created"), after(&wanted));
    assert_eq!(resumed.opening(), Some(wanted));
    let next = server.publish_typed("orders", "created", "z").to_string();
    assert_eq!(resumed.event().id.as_ref(), Some(&next));
    assert_eq!(filtered.event().id, Some(next));
}

#[test]
fn types_pass_a_filter_live_from_the_ring_and_from_history() {
    for search_entries in [512, 0] {
        let bounds = Bounds { search_entries, ..Bounds::default() };
        let server = Setup { bounds, ..Setup::default() }.start_in_memory();
        let mut live = server.open(only(&["a"], "message"), Begin::Now);
        let begin = live.opening().unwrap();
        for n in numbers(0..20) {
            server.publish("a", &n);
            server.publish_typed("a", "other", "not for it");
        }
        live.expect(numbers(0..20));
        let mut resumed = server.open(only(&["a"], "message"), after(&begin));
        resumed.opening();
        resumed.expect(numbers(0..20));
        server.publish_typed("a", "other", "not for it");
        server.publish("a", "20");
        live.expect(["20"]);
        resumed.expect(["20"]);
    }
}

#[test]
fn each_gets_the_form_that_it_asked_for_whoever_shares_it() {
    let server = Setup::default().start_in_memory();
    let form = |format| Subscription { format, ..to(&["a"]) };
    let forms = [Format::Plain, Format::Envelope, Format::EnvelopeJson];
    let mut all: Vec<_> =
        [forms, forms].concat().into_iter().map(|f| server.open(form(f), Begin::Now)).collect();
    let begin = all.iter_mut().map(|one| one.opening().unwrap()).next_back().unwrap();
    all.extend(forms.map(|format| server.open(form(format), after(&begin))));
    for one in &mut all[6..] {
        one.opening();
    }
    server.publish_typed("a", "k", "{\"n\":1}");
    let envelope = |data: &str| {
        format!("{{\"topic\":\"a\",\"type\":\"k\",\"time\":\"1970-01-01T00:00:01.000Z\",\"data\":{data}}}")
    };
    let want = ["{\"n\":1}".to_owned(), envelope("\"{\\\"n\\\":1}\""), envelope("{\"n\":1}")];
    for (n, one) in all.iter_mut().enumerate() {
        let event = one.event();
        assert_eq!((event.event.as_deref(), event.data.as_ref()), (Some("k"), Some(&want[n % 3])));
    }
}

#[test]
fn who_wants_to_see_the_servers_own_frames_gets_them_as_events() {
    let heartbeat = Duration::from_millis(100);
    let server = Setup { heartbeat, ..Setup::default() }.start_in_memory();
    let mut seeing = server.open(Subscription { beats: Beats::Events, ..to(&["a"]) }, Begin::Now);
    let opening = seeing.next().unwrap();
    assert!(opening.retry);
    assert_eq!(opening.event.as_deref(), Some("sidestream.open"));
    assert_eq!(opening.data.unwrap(), format!("{{\"cursor\":\"{}\"}}", opening.id.unwrap()));
    let moved = server.publish("other", "x").to_string();
    loop {
        let beat = seeing.next().unwrap();
        assert_eq!(beat.event.as_deref(), Some("sidestream.heartbeat"));
        if beat.id.as_ref() == Some(&moved) {
            break assert_eq!(beat.data.unwrap(), format!("{{\"cursor\":\"{moved}\"}}"));
        }
    }
    server.publish("a", "y");
    loop {
        let block = seeing.next().unwrap();
        if block.event.is_none() {
            break assert_eq!(block.data.as_deref(), Some("y"));
        }
    }
}
