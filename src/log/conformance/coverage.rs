//! Losses are told, and placed.

use super::*;
use crate::log::Coverage;

/// Publishes to some topics under limits that keep a part of it. Returns all that was published.
async fn overflow<K: Kind>(kind: &K, log: &dyn Log) -> Vec<Arc<LoggedEvent>> {
    let mut tail = log.tail(log.head()).await.unwrap();
    // Drained meanwhile: a broker's tail that falls behind what is kept is reset.
    let drained = tokio::spawn(async move { take(&mut *tail, 75).await });
    for n in 0..60 {
        let topics: &[&str] = match n % 4 {
            0 => &["a.x", "a.y"],
            1 => &["b"],
            _ => &["a.x"],
        };
        let data = format!("{n:0100}");
        publish(log, delivery(kind, topics, &data, Some(&n.to_string()))).await;
    }
    let events = drained.await.unwrap();
    head_at(log, events.last().unwrap().cursor.position).await;
    events
}

pub(crate) async fn losses_are_told<K: Kind>() {
    let settings = match K::PRECISION {
        Precision::Exact => {
            HistorySettings { default: TopicLimits { events: 8, ..roomy().default }, ..roomy() }
        }
        Precision::Coarse => HistorySettings { total: 6000, ..roomy() },
    };
    let kind = K::new(settings);
    let log = kind.open().await;
    let events = overflow(&kind, &*log).await;
    let selectors = [
        Selector::Topic(topic("a.x")),
        Selector::Topic(topic("b")),
        Selector::Topic(topic("never")),
        patterns(&["a.*"]),
        patterns(&["**"]),
    ];
    let mut told = 0;
    for selector in &selectors {
        for after in [Position::START].into_iter().chain(positions(&events)) {
            for events_per_page in [3, 1000] {
                let limit = ReadLimit { events: events_per_page, ..WIDE };
                let pages = pages(&*log, selector, after, limit).await;
                told += usize::from(check::<K>(&events, selector, after, &pages));
            }
        }
    }
    assert!(told > 0, "the limits were not reached");
}

/// Whether a loss was told, in the right place, wherever there is one.
fn check<K: Kind>(all: &[Arc<LoggedEvent>], selector: &Selector, after: Position, pages: &[Page]) -> bool {
    let later = all.iter().filter(|e| e.cursor.position > after && selector.matches(&e.event.topic));
    let want = positions(later);
    let kept = positions(pages.iter().flat_map(|page| &page.events));
    let gone: Vec<_> = want.iter().copied().filter(|p| !kept.contains(p)).collect();
    match pages[0].coverage {
        Coverage::Complete => {
            assert_eq!(kept, want, "complete is complete");
            false
        }
        Coverage::Lost { resumed, through, missed, .. } => {
            assert!(resumed >= after && through > after && through >= resumed);
            assert!(kept.first().is_none_or(|&first| resumed < first), "resumed is before what is kept");
            assert!(gone.last().is_none_or(|&last| through >= last), "all losses are at or before `through`");
            if matches!(selector, Selector::Topic(_)) {
                // Among several topics an older loss of one may lie between events that are kept of another.
                let before_kept = gone.iter().filter(|g| kept.first().is_none_or(|first| *g < first));
                assert!(
                    before_kept.max().is_none_or(|&g| resumed >= g),
                    "resumed is just before what is kept"
                );
            }
            assert!(missed.is_none_or(|missed| missed == gone.len() as u64));
            if K::PRECISION == Precision::Exact {
                assert!(!gone.is_empty(), "a loss is told only where there is one");
                assert_eq!(Some(through), gone.last().copied());
            }
            true
        }
    }
}

pub(crate) async fn nothing_lost_is_nothing_told<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let events = overflow(&kind, &*log).await;
    for selector in [Selector::Topic(topic("a.x")), Selector::Topic(topic("never")), patterns(&["**"])] {
        for after in [Position::START].into_iter().chain(positions(&events)) {
            let pages = pages(&*log, &selector, after, ReadLimit { events: 20, ..WIDE }).await;
            assert!(!check::<K>(&events, &selector, after, &pages));
        }
    }
}
