//! How things end: publishers that go away, logs that close, logs that are opened again.

use super::*;
use crate::event::{Cursor, Epoch};

pub(crate) async fn what_is_dropped_is_published_whole_or_not_at_all<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    drop(log.append(delivery(&*kind, &["a"], "never polled", None)));
    let mut tasks = Vec::new();
    for n in 0..60 {
        let (kind, log) = (Arc::clone(&kind), Arc::clone(&log));
        let data = n.to_string();
        tasks.push(tokio::spawn(async move {
            let _ = log.append(delivery(&*kind, &["a", "b"], &data, Some(&data))).await;
        }));
        if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
        // The older ones are further on their way.
        tasks[n / 2].abort();
    }
    for task in tasks {
        // Some were cancelled, that is the point.
        let _ = task.await;
    }
    publish(&*log, delivery(&*kind, &["a"], "end", Some("end"))).await;
    let mut seen = std::collections::BTreeMap::new();
    while !seen.contains_key("end") {
        for event in tail.next().await.unwrap() {
            *seen.entry(String::from_utf8(event.event.data.to_vec()).unwrap()).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.remove("end"), Some(1));
    assert!(seen.values().all(|&count| count == 2), "{seen:?}");
    assert!(!seen.contains_key("never polled"));
}

pub(crate) async fn a_closed_log_refuses_and_its_tails_end<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let mut waiting = log.tail(log.head()).await.unwrap();
    let mut behind = log.tail(log.head()).await.unwrap();
    publish(&*log, delivery(&kind, &["a"], "1", Some("1"))).await;
    take(&mut *waiting, 1).await;
    let waits = tokio::spawn(async move { waiting.next().await });
    tokio::task::yield_now().await;
    let last = publish(&*log, delivery(&kind, &["a", "b"], "2", Some("2"))).await.placement();
    log.close().await;
    let refused = log.append(delivery(&kind, &["a"], "3", Some("3"))).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert_eq!(take(&mut *behind, 3).await.last().unwrap().cursor.position, end(last));
    assert_eq!(behind.next().await, Err(TailError::Closed));
    assert_eq!(behind.next().await, Err(TailError::Closed), "it stays so");
    assert!(!waits.await.unwrap().unwrap().is_empty());
    let mut late = log.tail(Cursor::new(last.epoch, end(last))).await.unwrap();
    assert_eq!(late.next().await, Err(TailError::Closed), "nothing follows");
    log.close().await;
}

pub(crate) async fn a_tail_of_another_epoch_is_reset<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let first = publish(&*log, delivery(&kind, &["a"], "x", Some("x"))).await.placement();
    head_at(&*log, end(first)).await;
    let foreign = Cursor::new(Epoch::new(0xdead_beef), Position::of(1));
    let mut tail = log.tail(foreign).await.unwrap();
    let start = Cursor::new(first.epoch, Position::START);
    assert_eq!(tail.next().await, Err(TailError::Reset(start)), "all of this epoch is unseen");
    assert_eq!(positions(&take(&mut *tail, 1).await), vec![end(first)]);
    let mut ahead = log.tail(Cursor::new(first.epoch, Position::of(70))).await.unwrap();
    assert!(matches!(ahead.next().await, Err(TailError::Reset(to)) if to.position <= end(first)));
}

pub(crate) async fn opening_again_keeps_what_survives<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let first = publish(&*log, delivery(&kind, &["a", "b"], "first", Some("k"))).await.placement();
    log.close().await;
    drop(log);
    let log = kind.open().await;
    let again = publish(&*log, delivery(&kind, &["a"], "again", Some("k"))).await;
    match K::SURVIVAL {
        Survival::Nothing => {
            assert!(matches!(again, Appended::Accepted(_)));
            assert_ne!(again.placement().epoch, first.epoch, "a number is never given twice in an epoch");
        }
        Survival::Everything => {
            assert_eq!(again, Appended::Duplicate(first), "what the log survives, its keys survive");
            let next = publish(&*log, delivery(&kind, &["a"], "next", Some("l"))).await.placement();
            assert!(next.epoch != first.epoch || next.sequence > first.sequence);
            head_at(&*log, end(next)).await;
            let page = &log.read(&patterns(&["**"]), Position::START, WIDE).await.unwrap();
            assert_eq!(page.events.len(), 3);
        }
    }
}
