//! Which topics there are, and that one can be forgotten: told like any eviction, and harmless to the others.

use super::*;
use crate::event::{Cursor, Filter, Since};
use crate::log::{Coverage, ReadError, TopicUsage};

/// Asks until there is an answer. The answer, and whether an earlier try may have done what was asked for.
async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<T, ReadError>) -> (T, bool) {
    let mut again = false;
    loop {
        match ask().await {
            Ok(answer) => return (answer, again),
            Err(ReadError::Unsupported) => panic!("every kind offers it"),
            Err(ReadError::Unavailable(_)) => again = true,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn listed(log: &dyn Log, prefix: &str, after: Option<&str>, limit: usize) -> Vec<TopicUsage> {
    insist(async || log.topics(prefix, after.map(topic).as_ref(), limit).await).await.0
}

/// Purges a topic, of which so many events are kept.
async fn purge(log: &dyn Log, name: &str, kept: u64) {
    let (purged, again) = insist(async || log.purge(&topic(name)).await).await;
    assert!(purged == kept || (again && purged == 0), "{purged} of {kept} were purged");
}

/// Twenty deliveries to three topics; the place of the last.
async fn fill<K: Kind>(kind: &K, log: &dyn Log) -> Position {
    let mut last = Position::START;
    for n in 0..20 {
        let topics: &[&str] = if n % 4 == 0 { &["a.x", "a.y", "a.x"] } else { &["a.y", "b"] };
        last =
            end(publish(log, delivery(kind, topics, &n.to_string(), Some(&n.to_string()))).await.placement());
    }
    head_at(log, last).await;
    last
}

pub(crate) async fn topics_are_listed_by_name_with_what_they_hold<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    assert_eq!(listed(&*log, "", None, 9).await, []);
    fill(&kind, &*log).await;
    let all = listed(&*log, "", None, 9).await;
    let counts: Vec<_> = all.iter().map(|t| (t.topic.as_str(), t.events)).collect();
    assert_eq!(counts, [("a.x", 10), ("a.y", 20), ("b", 15)]);
    assert_eq!(all.iter().map(|t| t.bytes).sum::<u64>(), log.usage().bytes);
    assert!(all.iter().all(|t| t.last.0.abs_diff(kind.now().0) < 600_000), "{all:?}");
    assert_eq!(listed(&*log, "a.", None, 9).await, all[..2]);
    assert_eq!(listed(&*log, "a.", Some("a.x"), 9).await, all[1..2]);
    assert_eq!(listed(&*log, "", Some("a.x"), 1).await, all[1..2]);
    assert_eq!(listed(&*log, "b", Some("a.x"), 9).await, all[2..]);
    assert_eq!(listed(&*log, "", Some("b"), 9).await, []);
    assert_eq!(listed(&*log, "c", None, 9).await, []);
    assert_eq!(listed(&*log, "", None, 0).await, []);
}

pub(crate) async fn a_purge_is_told_and_touches_no_other_topic<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    let last = fill(&kind, &*log).await;
    let events = take(&mut *tail, 45).await;
    purge(&*log, "never", 0).await;
    purge(&*log, "a.x", 10).await;
    purge(&*log, "a.x", 0).await;

    assert_eq!(log.head().position, last, "the order stays");
    assert_eq!(log.usage().events, 35);
    let names: Vec<_> = listed(&*log, "", None, 9).await.into_iter().map(|t| t.topic).collect();
    assert_eq!(names, [topic("a.y"), topic("b")]);
    let secret = Selector::Topic(topic("a.x"));
    let selectors = [secret.clone(), Selector::Topic(topic("b")), patterns(&["a.*"]), patterns(&["**"])];
    for selector in &selectors {
        for after in [Position::START].into_iter().chain(positions(&events)) {
            let pages = pages(&*log, selector, after, ReadLimit { events: 4, ..WIDE }).await;
            let matching =
                |e: &&Arc<LoggedEvent>| e.cursor.position > after && selector.matches(&e.event.topic);
            let (gone, kept): (Vec<_>, Vec<_>) =
                events.iter().filter(matching).partition(|e| e.event.topic == topic("a.x"));
            assert_eq!(
                positions(pages.iter().flat_map(|page| &page.events)),
                positions(kept.iter().copied())
            );
            told::<K>(pages[0].coverage, after, &positions(gone), &positions(kept));
        }
    }
    let (place, _) = insist(async || log.locate(&secret, &Filter::All, Since::Oldest).await).await;
    assert_eq!(place, last, "nothing of it is kept");

    // It goes on as if it were new; a retry of what was purged publishes nothing.
    let retried = publish(&*log, delivery(&kind, &["a.x"], "0", Some("0"))).await;
    assert!(matches!(retried, Appended::Duplicate(_)));
    let next = end(publish(&*log, delivery(&kind, &["a.x"], "next", Some("next"))).await.placement());
    head_at(&*log, next).await;
    assert_eq!(positions(&pages(&*log, &secret, last, WIDE).await[0].events), [next]);
    let mut tail = log.tail(Cursor::new(log.head().epoch, last)).await.unwrap();
    assert_eq!(positions(&take(&mut *tail, 1).await), [next]);
}

/// Who was told of the first would else not be told of the second, where that lies before it.
pub(crate) async fn each_purge_is_a_loss_of_its_own<K: Kind>() {
    let kind = K::new(roomy());
    let log = kind.open().await;
    let first = publish(&*log, delivery(&kind, &["a"], "0", Some("0"))).await.placement();
    let last = end(publish(&*log, delivery(&kind, &["b"], "1", Some("1"))).await.placement());
    head_at(&*log, last).await;
    let turn = async || match pages(&*log, &patterns(&["*"]), Position::START, WIDE).await[0].coverage {
        Coverage::Lost { through, turn, .. } => (through, turn),
        Coverage::Complete => (Position::START, 0),
    };
    let before = turn().await;
    purge(&*log, "b", 1).await;
    let later = turn().await;
    purge(&*log, "a", 1).await;
    let both = turn().await;
    assert_eq!([before.0, later.0, both.0], [Position::START, last, last], "{first:?} lies before");
    assert!(before.1 < later.1 && later.1 < both.1, "{before:?} {later:?} {both:?}");
    assert_eq!(turn().await, both, "nothing more was lost");
}

/// Judges what a page says of the losses after a place, when these are gone and those are kept.
fn told<K: Kind>(coverage: Coverage, after: Position, gone: &[Position], kept: &[Position]) {
    match coverage {
        Coverage::Complete => assert_eq!(gone, [], "a loss is told"),
        Coverage::Lost { resumed, through, missed, .. } => {
            assert!(after <= resumed && resumed <= through && after < through);
            assert!(kept.first().is_none_or(|&first| resumed < first), "resumed is before what is kept");
            assert!(gone.last().is_none_or(|&last| through >= last));
            assert!(missed.is_none_or(|missed| missed == gone.len() as u64));
            if K::PRECISION == Precision::Exact {
                assert_eq!((Some(&through), missed), (gone.last(), Some(gone.len() as u64)));
            }
        }
    }
}
