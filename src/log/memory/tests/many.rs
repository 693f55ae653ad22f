//! Very many topics and as many patterns as one may name: what that costs is counted, in looks and in turns of a thread.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::log::{Page, Scan};

const TOPICS: usize = 3000;

/// 62 patterns of which each fits all topics but for their last token, `last`, and two that fit all of them.
fn patterns(last: &str) -> Selector {
    let of = |bits: usize| {
        let tokens = (0..6).map(|i| if bits >> i & 1 == 0 { "a" } else { "*" });
        tokens.chain(["*"; 9]).chain([last]).collect::<Vec<_>>().join(".")
    };
    let texts = (0..62).map(of).chain(["*.**".into(), "a.**".into()]);
    Selector::of(texts.map(|text| Pattern::parse(&text).unwrap()).collect())
}

/// So many topics of 16 tokens, an event each.
async fn many() -> Fixture {
    let it = fixture(|_, _| {});
    for n in 0..TOPICS {
        it.publish(&format!("{}.{n}", ["a"; 15].join(".")), &[1]).await;
    }
    it
}

/// What comes of it, and how many turns of its thread it took.
fn run<T>(future: impl Future<Output = T>) -> (T, usize) {
    let (mut future, mut cx) = (pin!(future), Context::from_waker(Waker::noop()));
    for turns in 1.. {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return (done, turns);
        }
    }
    unreachable!("numbers do not end")
}

/// Turns of a walk over all topics, of which each costs at most one look and another for each of its tokens; and of one over
/// those that it found.
fn most_turns() -> usize {
    let bounds = Bounds::default();
    TOPICS * 17 / bounds.match_slice + TOPICS / bounds.read_slice + 8
}

#[tokio::test]
async fn topics_are_looked_for_once_in_one_walk_for_all_patterns() {
    let it = many().await;
    let mut scan = Scan::of(&patterns("z"));
    let limit = ReadLimit { events: 512, bytes: usize::MAX };
    let (mut at, mut read, mut before) = (Position::START, 0, 0);
    loop {
        let (page, turns): (Result<Page, _>, _) = run(it.log.read_on(&mut scan, at, limit));
        let page = page.unwrap();
        let looks = scan.looks() - before;
        if read == 0 {
            // In vain among the newest, and then in the order of names.
            assert!(looks <= TOPICS * 18 + 2 * Bounds::default().match_slice, "{looks}");
            assert!(turns <= most_turns() && turns > 2, "{turns}");
        } else {
            assert_eq!(looks, TOPICS, "those that were found are looked at again, and no name is");
        }
        (at, before, read) = (page.next, scan.looks(), read + page.events.len());
        if !page.more {
            break;
        }
    }
    assert_eq!(read, TOPICS);
}

#[tokio::test]
async fn a_place_costs_no_more_than_a_walk() {
    let it = many().await;
    it.clock.advance(Duration::from_mins(2));
    it.publish("b", &[1]).await;
    let none = Filter::of(vec![EventType::parse("none").unwrap()]);
    let places = [
        (Since::Oldest, &Filter::All, 0),
        (Since::Ago(Duration::from_mins(3)), &Filter::All, 0),
        (Since::Last(10), &Filter::All, TOPICS - 10),
        (Since::Last(2000), &Filter::All, TOPICS - 2000),
        (Since::Last(10), &none, TOPICS + 1),
    ];
    for (since, filter, want) in places {
        let (place, turns) = run(it.log.locate(&patterns("z"), filter, since));
        assert_eq!(place.unwrap().sequence, want as u64, "{since:?}");
        assert!(turns <= most_turns(), "{since:?}: {turns}");
    }
}

/// All on one thread, as the fetcher's are.
#[tokio::test]
async fn who_reads_one_topic_does_not_wait_for_those_who_look_for_many() {
    let it = many().await;
    it.publish("orders", &[1]).await;
    let done = Arc::new(Mutex::new(Vec::new()));
    let read = |selector: Selector, name: &'static str| {
        let (log, done) = (it.log.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            log.read(&selector, Position::START, ALL).await.unwrap();
            done.lock().unwrap().push(name);
        })
    };
    let heavy: Vec<_> = (0..8).map(|_| read(patterns("z"), "many")).collect();
    read(Selector::Topic(topic("orders")), "one").await.unwrap();
    for each in heavy {
        each.await.unwrap();
    }
    assert_eq!(done.lock().unwrap()[0], "one");
}

#[tokio::test]
async fn names_beside_patterns_are_looked_up() {
    let it = many().await;
    let last = it.publish("users.1", &[1]).await;
    it.publish("users.10", &[1]).await;
    let texts = ["users.1", "nobody.*", "users.2"];
    let selector = Selector::of(texts.iter().map(|t| Pattern::parse(t).unwrap()).collect());
    let mut scan = Scan::of(&selector);
    let page = it.log.read_on(&mut scan, Position::START, ALL).await.unwrap();
    assert_eq!(page.events.iter().map(|e| e.cursor.position).collect::<Vec<_>>(), [last]);
    // As far as the newest were looked through in vain.
    assert!(scan.looks() < Bounds::default().match_slice + 64, "{}", scan.looks());
}
