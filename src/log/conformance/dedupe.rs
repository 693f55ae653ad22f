//! A key publishes once, whatever comes between.

use super::*;

pub(crate) async fn a_key_publishes_once<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    let first = publish(&*log, delivery(&kind, &["a", "b"], "first", Some("k"))).await;
    // What is in the second does not matter, the key decides.
    let second = publish(&*log, delivery(&kind, &["c"], "second", Some("k"))).await;
    assert_eq!(second, Appended::Duplicate(first.placement()));
    let other = publish(&*log, delivery(&kind, &["a"], "other", Some("l"))).await;
    assert_eq!(other.placement().sequence, first.placement().sequence + 1, "a duplicate takes no number");
    let data: Vec<_> = take(&mut *tail, 3).await.iter().map(|e| e.event.data.clone()).collect();
    assert_eq!(data, ["first", "first", "other"]);
}

pub(crate) async fn a_key_that_comes_a_hundred_times_at_once_publishes_once<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (kind, log) = (Arc::clone(&kind), Arc::clone(&log));
        tasks.spawn(async move { publish(&*log, delivery(&*kind, &["a"], &n.to_string(), Some("k"))).await });
    }
    let outcomes = tasks.join_all().await;
    let sequences: Vec<_> = outcomes.iter().map(|o| o.placement().sequence).collect();
    assert!(sequences.iter().all(|&s| s == sequences[0]), "{sequences:?}");
    let accepted = outcomes.iter().filter(|o| matches!(o, Appended::Accepted(_))).count();
    // Where the first one's answer was lost, all are duplicates of what it left.
    assert!(accepted <= 1, "{accepted} were told that theirs was published");
    let end = publish(&*log, delivery(&*kind, &["a"], "end", Some("end"))).await;
    head_at(&*log, end.placement().cursors().last().unwrap().position).await;
    let page = log.read(&Selector::Topic(topic("a")), Position::START, WIDE).await.unwrap();
    assert_eq!(page.events.len(), 2);
}

pub(crate) async fn whatever_fails_a_retry_with_the_key_publishes_once<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for publisher in 0..8 {
        let (kind, log) = (Arc::clone(&kind), Arc::clone(&log));
        tasks.spawn(async move {
            let mut placed = Vec::new();
            for n in 0..25 {
                let data = format!("{publisher}/{n}");
                let delivery = delivery(&*kind, &["a", "b"], &data, Some(&data));
                let first = publish(&*log, delivery.clone()).await.placement();
                assert_eq!(publish(&*log, delivery).await, Appended::Duplicate(first));
                placed.push((data, first));
            }
            placed
        });
    }
    let placed: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let events = take(&mut *tail, 2 * placed.len()).await;
    assert_eq!(events.len(), 2 * placed.len());
    for (data, placement) in placed {
        let of = events.iter().filter(|e| e.event.data == data.as_bytes()).map(|e| e.cursor);
        assert!(of.eq(placement.cursors()), "{data}");
    }
}
