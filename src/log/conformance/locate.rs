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
                let from = log.locate(selector, filter, since).await.unwrap();
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
