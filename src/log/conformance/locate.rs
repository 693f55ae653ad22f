//! Where to begin is just before what was asked for.

use super::*;
use crate::event::{EventType, Filter, Since};

/// Publishes deliveries of one and of several events, typed and not, under limits that lose some where the kind can.
async fn mixture<K: Kind>(kind: &K, log: &dyn Log) -> Vec<Arc<LoggedEvent>> {
    let mut tail = log.tail(log.head()).await.unwrap();
    for n in 0..30 {
        let topics: &[&str] = match n % 5 {
            0 => &["a.x", "a.y", "a.x"],
            1 => &["b"],
            _ => &["a.x"],
        };
        let mut delivery = delivery(kind, topics, &n.to_string(), Some(&n.to_string()));
        if n % 3 == 0 {
            delivery.events.iter_mut().for_each(|e| e.kind = Some(EventType::parse("third").unwrap()));
        }
        publish(log, delivery).await;
    }
    let events = take(&mut *tail, 42).await;
    head_at(log, events.last().unwrap().cursor.position).await;
    events
}

async fn begins_at<K: Kind>(settings: HistorySettings) {
    let kind = K::new(settings);
    let log = kind.open().await;
    mixture(&kind, &*log).await;
    let third = Filter::of(vec![EventType::parse("third").unwrap()]);
    let selectors =
        [Selector::Topic(topic("a.x")), Selector::Topic(topic("never")), patterns(&["a.*", "**"])];
    for selector in &selectors {
        for filter in [&Filter::All, &third] {
            let passes = |e: &&Arc<LoggedEvent>| filter.admits(e.event.kind.as_ref());
            let kept = pages(&*log, selector, Position::START, WIDE).await;
            let kept: Vec<_> = kept.iter().flat_map(|page| &page.events).filter(passes).cloned().collect();
            for (since, count) in (0..=kept.len() + 1)
                .map(|n| (Since::Last(n), n.min(kept.len())))
                .chain([(Since::Oldest, kept.len()), (Since::Ago(Duration::from_hours(2)), kept.len())])
            {
                let from = loop {
                    // A bad broker is asked again.
                    if let Ok(from) = log.locate(selector, filter, since).await {
                        break from;
                    }
                };
                assert!(from <= log.head().position);
                let found = pages(&*log, selector, from, WIDE).await;
                let found = positions(found.iter().flat_map(|page| &page.events).filter(passes));
                assert_eq!(found, positions(&kept[kept.len() - count..]), "{selector} {filter:?} {since:?}");
            }
        }
    }
}

pub(crate) async fn since_is_the_place_before_what_it_names<K: Kind>() {
    begins_at::<K>(roomy()).await;
}

pub(crate) async fn since_is_found_among_what_is_kept<K: Kind>() {
    let default = TopicLimits { events: 9, ..roomy().default };
    begins_at::<K>(HistorySettings { default, ..roomy() }).await;
}

/// While events are appended, the place of the last few is not after the head, and so many follow it.
pub(crate) async fn a_place_found_while_events_are_appended_holds_what_was_asked_for<K: Kind>() {
    let kind = Arc::new(K::new(roomy()));
    let log = kind.open().await;
    let mut last = Position::START;
    for n in 0..10 {
        let topics = [["a.x", "a.y"][n % 2]];
        last = end(publish(&*log, delivery(&*kind, &topics, "x", Some(&n.to_string()))).await.placement());
    }
    head_at(&*log, last).await;
    let publisher = {
        let (kind, log) = (Arc::clone(&kind), Arc::clone(&log));
        tokio::spawn(async move {
            for n in 10..200 {
                let name = format!("a.{}", n % 40);
                publish(&*log, delivery(&*kind, &[&name, "b"], "x", Some(&n.to_string()))).await;
            }
        })
    };
    let (selector, mut rounds) = (patterns(&["a.*", "*.x"]), 0);
    while !publisher.is_finished() || rounds == 0 {
        let before = log.head().position;
        let place = log.locate(&selector, &Filter::All, Since::Last(7)).await;
        let oldest = log.locate(&selector, &Filter::All, Since::Oldest).await;
        if let (Ok(place), Ok(oldest)) = (place, oldest) {
            assert!(place <= log.head().position && oldest < place);
            let (from_place, from_oldest) =
                (pages(&*log, &selector, place, WIDE).await, pages(&*log, &selector, oldest, WIDE).await);
            let last = positions(from_place.iter().flat_map(|page| &page.events));
            assert!(last.len() >= 7, "{} of 7", last.len());
            // Of what was there before, no more than was asked for.
            assert!(last.iter().filter(|&&p| p <= before).count() <= 7);
            assert!(from_oldest.iter().map(|page| page.events.len()).sum::<usize>() >= 10);
            rounds += 1;
        }
        tokio::task::yield_now().await;
    }
    publisher.await.unwrap();
}
