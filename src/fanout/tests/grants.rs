//! What a grant means for the life of a stream: its end, a revocation, another judgement, and the limit on a subject.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{End, Server, Setup, Subscriber, to, until};
use crate::auth::Grant;
use crate::event::{Begin, Millis, Since, Topic};
use crate::fanout::{Judge, ListFrom, ListOnly, Refused, Round};

const MINUTE: Duration = Duration::from_mins(1);

fn of(subject: &str) -> Arc<Grant> {
    Arc::new(Grant { subject: Some(subject.into()), ..Grant::default() })
}

fn until_ms(ends: u64) -> Arc<Grant> {
    Arc::new(Grant { ends: Some(Millis(ends)), ..Grant::default() })
}

fn open(server: &Server, grant: &Arc<Grant>) -> Subscriber {
    let mut one = server.open_granted("a", &Begin::Now, grant, server.fanout.round()).unwrap();
    one.opening();
    one
}

/// So many are counted as closed for this reason, which is after their subscribers have seen it.
fn closed(server: &Server, reason: &str, count: usize) {
    until("they are counted", || server.metric("connections_closed_total", Some(reason)) == count);
}

/// Judges by what is in a set: those in it have lost their grant; without a subject, by the name "nobody".
fn judge_by(lost: &Arc<Mutex<HashSet<String>>>) -> Judge {
    let lost = Arc::clone(lost);
    Arc::new(move |grant, _| {
        let subject = grant.map_or("nobody", |grant| grant.subject.as_deref().unwrap());
        !lost.lock().unwrap().contains(subject)
    })
}

#[test]
fn a_stream_ends_with_its_grant_and_says_farewell() {
    let server = Setup::default().start_in_memory();
    let begun = server.clock.now().0;
    let mut granted = open(&server, &until_ms(begun + 60_000));
    let mut longer = open(&server, &until_ms(begun + 600_000));
    let mut anyone = server.subscribe("a", None);
    anyone.opening();
    // A tenth of its time before, at most.
    server.clock.advance(Duration::from_secs(53));
    server.publish("a", "x");
    for one in [&mut granted, &mut longer, &mut anyone] {
        one.expect(["x"]);
    }
    assert_eq!(server.metric("connections_closed_total", None), 0);
    server.clock.advance(Duration::from_secs(7));
    assert_eq!(granted.read_out(), (true, End::Clean), "a fresh retry, and the last chunk");
    closed(&server, "grant", 1);
    server.publish("a", "y");
    for one in [&mut longer, &mut anyone] {
        one.expect(["y"]);
    }
    // A clock that is set on by far ends what it has to.
    server.clock.advance(60 * MINUTE);
    assert_eq!(longer.read_out(), (true, End::Clean));
    closed(&server, "grant", 2);
}

#[test]
fn whoever_resumes_after_the_end_of_its_grant_misses_nothing() {
    let server = Setup::default().start_in_memory();
    let mut one = open(&server, &until_ms(server.clock.now().0 + 60_000));
    server.publish("a", "1");
    one.expect(["1"]);
    server.clock.advance(MINUTE);
    one.read_out();
    server.publish_all("a", ["2", "3"]);
    let mut again = server.subscribe("a", Some(&one.last));
    again.expect_after_opening(["2", "3"]);
}

#[test]
fn who_comes_when_its_grant_is_over_gets_an_end_and_no_event() {
    let server = Setup::default().start_in_memory();
    server.publish("a", "x");
    let over = until_ms(server.clock.now().0);
    let begin = Begin::Since(Since::Oldest);
    let mut late = server.open_granted("a", &begin, &over, server.fanout.round()).unwrap();
    let only = late.next().unwrap();
    assert!(only.retry && only.id.is_none() && only.data.is_none(), "{only:?}");
    assert_eq!(late.next(), Err(End::Clean));
    closed(&server, "grant", 1);
}

#[test]
fn who_does_not_read_to_its_end_is_closed() {
    let server = Setup::default().start_in_memory();
    let grant = until_ms(server.clock.now().0 + 600_000);
    let round = server.fanout.round();
    let mut slow = server.open_narrow("a", &grant, round);
    slow.opening();
    let long = "x".repeat(1 << 20);
    server.publish("a", &long);
    until("it is in the middle of it", || server.metric("lagging_connections", None) == 1);
    server.clock.advance(10 * MINUTE);
    until("it is closed", || server.metric("connections_closed_total", Some("grant")) == 1);
    until("its socket too", || server.fanout.is_drained());
    assert_eq!(slow.read_out().1, End::Cut, "what was in the kernel, and no end");
}

#[test]
fn those_who_are_named_end_on_all_shards_and_nobody_else() {
    let server = Setup { shards: 3, ..Setup::default() }.start_in_memory();
    let (anna, bert) = (of("anna"), of("bert"));
    let mut annas: Vec<_> = (0..20).map(|_| open(&server, &anna)).collect();
    let mut others: Vec<_> = (0..20).map(|_| open(&server, &bert)).collect();
    let mut anyone = server.subscribe("a", None);
    anyone.opening();
    let named = |grant: &Grant| grant.subject.as_deref() == Some("anna");
    assert_eq!(server.wait(server.fanout.end_named(Arc::new(named))), 20);
    for one in &mut annas {
        assert_eq!(one.read_out(), (true, End::Clean));
    }
    assert_eq!(server.metric("connections_closed_total", Some("revoked")), 20);
    assert_eq!(server.wait(server.fanout.end_named(Arc::new(named))), 0, "never twice");
    server.publish("a", "x");
    others.push(anyone);
    for one in &mut others {
        one.expect(["x"]);
    }
}

#[test]
fn all_are_judged_again_by_what_holds_then() {
    let server = Setup { shards: 2, ..Setup::default() }.start_in_memory();
    assert_eq!(server.wait(server.fanout.judge_again()), 0, "nobody has said how yet");
    let lost = Arc::default();
    server.fanout.judge_with(judge_by(&lost));
    let (mut anna, mut bert) = (open(&server, &of("anna")), open(&server, &of("bert")));
    let mut anyone = server.subscribe("a", None);
    anyone.opening();
    assert_eq!(server.wait(server.fanout.judge_again()), 0);
    lost.lock().unwrap().insert("anna".into());
    assert_eq!(server.wait(server.fanout.judge_again()), 1);
    assert_eq!(anna.read_out(), (true, End::Clean));
    server.publish("a", "x");
    bert.expect(["x"]);
    anyone.expect(["x"]);
    // What everybody was allowed may be allowed no longer.
    lost.lock().unwrap().insert("nobody".into());
    assert_eq!(server.wait(server.fanout.judge_again()), 1);
    assert_eq!(anyone.read_out(), (true, End::Clean));
    server.publish("a", "y");
    bert.expect(["y"]);
    assert_eq!(server.metric("connections_closed_total", Some("revoked")), 2);
}

#[test]
fn who_was_judged_before_and_is_admitted_after_is_judged_once_more() {
    let server = Setup::default().start_in_memory();
    let lost = Arc::default();
    server.fanout.judge_with(judge_by(&lost));
    server.publish("a", "x");
    let before = server.fanout.round();
    lost.lock().unwrap().insert("anna".into());
    assert_eq!(server.wait(server.fanout.end_named(Arc::new(|_| false))), 0, "nobody is there to end");
    let begin = Begin::Since(Since::Oldest);
    let mut anna = server.open_granted("a", &begin, &of("anna"), before).unwrap();
    let only = anna.next().unwrap();
    assert!(only.retry && only.data.is_none(), "{only:?}");
    assert_eq!(anna.next(), Err(End::Clean), "not an event");
    closed(&server, "revoked", 1);
    let mut bert = server.open_granted("a", &begin, &of("bert"), before).unwrap();
    bert.expect_after_opening(["x"]);
    until("all that is left is his", || server.fanout.connections() == 1);
}

#[test]
fn who_was_judged_in_this_round_is_not_judged_once_more() {
    let server = Setup::default().start_in_memory();
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    server.fanout.judge_with(Arc::new(move |_, _| {
        seen.store(true, Ordering::SeqCst);
        true
    }));
    let mut one = open(&server, &of("anna"));
    server.publish("a", "x");
    one.expect(["x"]);
    assert!(!asked.load(Ordering::SeqCst), "a signature is checked once");
    let _ = server.wait(server.fanout.end_named(Arc::new(|_| false)));
    let mut late = server.open_granted("a", &Begin::Now, &of("anna"), Round::default()).unwrap();
    late.opening();
    assert!(asked.load(Ordering::SeqCst));
}

/// However admissions and revocations fall together, nobody who is revoked goes on listening.
#[test]
fn no_stream_slips_through_between_its_judgement_and_its_admission() {
    const ROUNDS: usize = 200;
    let server = Setup { shards: 2, ..Setup::default() }.start_in_memory();
    let lost: Arc<Mutex<HashSet<String>>> = Arc::default();
    server.fanout.judge_with(judge_by(&lost));
    for round in 0..ROUNDS {
        let name = format!("s{round}");
        let grant = of(&name);
        let start = std::sync::Barrier::new(2);
        let opened = std::thread::scope(|scope| {
            let opens = scope.spawn(|| {
                start.wait();
                let judged = server.fanout.round();
                let good = !lost.lock().unwrap().contains(&name);
                good.then(|| server.open_granted("a", &Begin::Now, &grant, judged).unwrap())
            });
            start.wait();
            lost.lock().unwrap().insert(name.clone());
            let of_it = grant.clone();
            server.wait(server.fanout.end_named(Arc::new(move |one| one.subject == of_it.subject)));
            opens.join().unwrap()
        });
        if let Some(mut one) = opened {
            assert_eq!(one.read_out().1, End::Clean);
        }
    }
    until("nobody is left", || server.fanout.is_drained());
}

#[test]
fn a_subject_has_so_many_streams() {
    let server = Setup { per_subject: 2, ..Setup::default() }.start_in_memory();
    let try_open = |who: &str| server.open_granted("a", &Begin::Now, &of(who), server.fanout.round());
    let all = [open(&server, &of("anna")), open(&server, &of("anna"))];
    assert_eq!(try_open("anna").err(), Some(Refused::Subject));
    assert_eq!(server.metric("connections_refused_total", Some("per_subject")), 1);
    let others = [try_open("bert").unwrap(), server.try_open(to(&["a"]), &Begin::Now, None).unwrap()];
    drop(all);
    until("its streams have ended", || try_open("anna").is_ok());
    drop(others);
}

#[test]
fn subjects_are_listed_and_looked_for() {
    let server = Setup { shards: 2, ..Setup::default() }.start_in_memory();
    let _open = [open(&server, &of("anna")), open(&server, &of("bert")), open(&server, &of("anna"))];
    let mut anyone = server.subscribe("a", None);
    anyone.opening();
    let list = |topic: Option<&str>, subject: Option<&str>| {
        let topic = topic.map(|topic| Topic::parse(topic).unwrap());
        let only = ListOnly { topic, subject: subject.map(Into::into) };
        let (listed, next) = server.wait(server.fanout.list(ListFrom::default(), 100, &only));
        assert_eq!(next, None);
        let mut subjects: Vec<_> = listed.into_iter().map(|listed| listed.subject).collect();
        subjects.sort();
        subjects
    };
    let some = |names: &[&str]| names.iter().map(|&name| Some(name.into())).collect::<Vec<_>>();
    assert_eq!(list(None, Some("anna")), some(&["anna", "anna"]));
    assert_eq!(list(Some("a"), Some("bert")), some(&["bert"]));
    assert!(list(Some("b"), Some("bert")).is_empty() && list(None, Some("ann")).is_empty());
    assert_eq!(list(None, None), [vec![None], some(&["anna", "anna", "bert"])].concat());
}
