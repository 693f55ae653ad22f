//! One order, whole deliveries, and tails and pages that agree on both.

use std::collections::HashMap;

use super::*;
use crate::event::Cursor;

const NAMES: [&str; 5] = ["orders", "orders.a", "orders.b", "users.1.x", "users.2"];

/// Publishes numbered deliveries of one to three events from several publishers at once.
async fn crowd<K: Kind>(
    kind: &Arc<K>,
    log: &Arc<dyn Log>,
    publishers: usize,
    each: usize,
) -> HashMap<String, Placement> {
    let mut tasks = tokio::task::JoinSet::new();
    for publisher in 0..publishers {
        let (kind, log) = (Arc::clone(kind), Arc::clone(log));
        tasks.spawn(async move {
            let mut placed = Vec::new();
            for n in 0..each {
                let data = format!("{publisher}/{n}");
                let topics: Vec<_> = (0..=n % 3).map(|i| NAMES[(publisher + n + i) % NAMES.len()]).collect();
                let appended = publish(&*log, delivery(&*kind, &topics, &data, Some(&data))).await;
                placed.push((data, appended.placement()));
            }
            placed
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

pub(crate) async fn the_tail_is_the_order_of_all_placements<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let start = log.head();
    assert_eq!(start.position, Position::START);
    let mut tail = log.tail(start).await.unwrap();
    let placed = crowd(&kind, &log, 8, 40).await;

    let total: usize = placed.values().map(|p| p.events as usize).sum();
    let events = take(&mut *tail, total).await;
    assert_eq!(events.len(), total);
    assert!(events.is_sorted_by(|a, b| a.cursor.position < b.cursor.position), "each once, in order");
    let mut sequences: Vec<_> = events.iter().map(|e| e.cursor.position.sequence).collect();
    sequences.dedup();
    assert!(sequences.into_iter().eq(1..=placed.len() as u64), "every number is given once");
    for (data, placement) in placed {
        let of: Vec<_> =
            events.iter().filter(|e| e.event.data == data.as_bytes()).map(|e| e.cursor).collect();
        assert!(placement.cursors().eq(of), "{data}");
    }
    assert_eq!(log.head(), events.last().unwrap().cursor);
    assert_eq!(log.usage().events, total as u64);
}

pub(crate) async fn a_delivery_comes_whole_and_its_events_are_numbered<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    publish(&*log, delivery(&kind, &["a"], "one", Some("1"))).await;
    let Appended::Accepted(three) =
        publish(&*log, delivery(&kind, &["a", "b", "a"], "three", Some("2"))).await
    else {
        panic!("nothing was published under this key")
    };
    assert_eq!((three.sequence, three.events), (2, 3));
    let got = positions(&take(&mut *tail, 4).await);
    let at = |sequence, index| Position { sequence, index };
    assert_eq!(got, vec![at(1, 0), at(2, 1), at(2, 2), at(2, 3)]);
    assert_eq!(
        positions(&pages(&*log, &Selector::Topic(topic("b")), at(2, 1), WIDE).await[0].events),
        vec![at(2, 2)]
    );
    // A place within a delivery is a place like any other.
    let mut within = log.tail(Cursor::new(three.epoch, at(2, 1))).await.unwrap();
    assert_eq!(positions(&take(&mut *within, 2).await), vec![at(2, 2), at(2, 3)]);
}

pub(crate) async fn every_tail_gets_everything_from_any_place<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let start = log.head();
    let before = crowd(&kind, &log, 2, 10).await;
    head_at(&*log, before.values().map(|&p| end(p)).max().unwrap()).await;
    let mut whole = log.tail(start).await.unwrap();
    let total: usize = before.values().map(|p| p.events as usize).sum();
    let events = take(&mut *whole, total).await;

    let mut tails = Vec::new();
    for after in &events {
        tails.push(log.tail(after.cursor).await.unwrap());
    }
    let last = publish(&*log, delivery(&*kind, &["a", "b"], "last", Some("last"))).await.placement();
    let mut all = positions(&events);
    all.extend(last.cursors().map(|c| c.position));
    for (index, tail) in tails.iter_mut().enumerate() {
        let want = &all[index + 1..];
        assert_eq!(positions(&take(&mut **tail, want.len()).await), want);
    }
    assert_eq!(positions(&take(&mut *whole, 2).await), all[all.len() - 2..]);
}

pub(crate) async fn pages_are_the_tail_filtered<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    let placed = crowd(&kind, &log, 3, 15).await;
    let events = take(&mut *tail, placed.values().map(|p| p.events as usize).sum()).await;
    let head = log.head().position;

    let mut selectors =
        vec![patterns(&["orders.*", "*.a", "users.2"]), patterns(&["**"]), patterns(&["none.*"])];
    selectors.extend(NAMES.iter().chain(&["none"]).map(|name| Selector::Topic(topic(name))));
    let limits = [(1, usize::MAX), (4, usize::MAX), (1000, usize::MAX), (1000, 9)];
    for selector in &selectors {
        for (most, bytes) in limits {
            for after in [Position::START, events[20].cursor.position, head] {
                let limit = ReadLimit { events: most, bytes };
                let pages = pages(&*log, selector, after, limit).await;
                let of =
                    |e: &&Arc<LoggedEvent>| e.cursor.position > after && selector.matches(&e.event.topic);
                let want: Vec<_> = events.iter().filter(of).cloned().collect();
                let got: Vec<_> = pages.iter().flat_map(|page| page.events.iter().cloned()).collect();
                assert_eq!(got, want);
                assert_eq!(pages.last().unwrap().next, head);
                for page in &pages {
                    let size: usize = page.events.iter().map(|e| e.event.data.len()).sum();
                    assert!(page.events.len() <= most && (size <= bytes || page.events.len() == 1));
                }
            }
        }
    }
}

pub(crate) async fn a_place_ahead_reads_as_nothing<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let placed = publish(&*log, delivery(&kind, &["a"], "x", Some("x"))).await.placement();
    head_at(&*log, end(placed)).await;
    for selector in [Selector::Topic(topic("a")), patterns(&["**"])] {
        let page = log.read(&selector, Position::of(u64::MAX), WIDE).await.unwrap();
        assert!(page.events.is_empty() && !page.more);
        assert_eq!(page.next, log.head().position);
    }
}
