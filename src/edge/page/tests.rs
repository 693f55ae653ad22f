//! Pages over the log in memory: their order, their bounds, their gaps, and their JSON.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{Delivery, Epoch, Event, Millis, Position, Selector, Since, Topic};
use crate::live::Live;
use crate::log::clock::Clock;
use crate::log::memory::MemoryLog;
use crate::log::{AppendError, Appended, Health, HistorySettings, Tail, TopicLimits, Usage};

const EPOCH: Epoch = Epoch::new(0xabc);

fn log(events: usize) -> MemoryLog {
    let history = HistorySettings {
        default: TopicLimits { events, bytes: 64 << 20, age: Duration::from_hours(1) },
        rules: Vec::new(),
        total: 64 << 20,
        dedupe_keys: 10,
        dedupe_of: std::collections::BTreeMap::new(),
    };
    MemoryLog::new(Live::fixed(history), Clock::system(), EPOCH)
}

async fn publish(log: &MemoryLog, topic: &str, kind: Option<&str>, data: &str) -> String {
    let event = Event {
        topic: Topic::parse(topic).unwrap(),
        kind: kind.map(|kind| EventType::parse(kind).unwrap()),
        // Of this year, or it would be too old to be kept.
        time: Clock::system().now(),
        data: data.to_owned().into(),
    };
    let accepted = log.append(Delivery { events: vec![event], dedupe: None }).await.unwrap();
    accepted.placement().cursors().next().unwrap().to_string()
}

fn to(topics: &[&str], types: &[&str]) -> Subscription {
    let patterns = topics.iter().map(|t| crate::event::Pattern::parse(t).unwrap()).collect();
    let types = types.iter().map(|t| EventType::parse(t).unwrap()).collect();
    Subscription { filter: Filter::of(types), ..Subscription::to(Selector::of(patterns)) }
}

fn after(cursor: &str) -> Begin {
    Begin::Cursor(cursor.as_bytes().into())
}

async fn read(log: &dyn Log, subscription: &Subscription, begin: &Begin, limit: usize) -> (Page, Value) {
    let page = Page::read(log, log.head(), subscription, begin, limit).await.unwrap();
    let json = serde_json::from_slice(&page.json()).unwrap();
    (page, json)
}

fn data(json: &Value) -> Vec<&str> {
    json["events"].as_array().unwrap().iter().map(|row| row["data"].as_str().unwrap()).collect()
}

#[test]
fn the_body_byte_for_byte() {
    let event = |sequence, kind: Option<&str>, data: &str| {
        let event = Event {
            topic: Topic::parse("orders").unwrap(),
            kind: kind.map(|kind| EventType::parse(kind).unwrap()),
            time: Millis(7),
            data: data.to_owned().into(),
        };
        Arc::new(LoggedEvent { cursor: Cursor::new(EPOCH, Position::of(sequence)), event })
    };
    let page = Page {
        events: vec![event(1, None, "{\"a\":1}"), event(3, Some("created"), "two\nlines")],
        cursor: Cursor::new(EPOCH, Position::of(4)),
        more: More::No,
        gap: None,
    };
    assert_eq!(
        String::from_utf8(page.json()).unwrap(),
        concat!(
            r#"{"events":[{"id":"000000000abc-1","topic":"orders","type":"message","#,
            r#""time":"1970-01-01T00:00:00.007Z","data":"{\"a\":1}"},"#,
            r#"{"id":"000000000abc-3","topic":"orders","type":"created","#,
            r#""time":"1970-01-01T00:00:00.007Z","data":"two\nlines"}],"#,
            r#""cursor":"000000000abc-4","more":false,"gap":null}"#,
        )
    );
}

#[tokio::test]
async fn pages_follow_each_other_and_end_at_the_head() {
    let log = log(100);
    let orders = to(&["orders"], &[]);
    let (empty, json) = read(&log, &orders, &Begin::Since(Since::Last(3)), 3).await;
    assert!(empty.is_empty());
    assert_eq!(json, json!({"events":[],"cursor":"000000000abc-0","more":false,"gap":null}));
    for n in 1..=7 {
        publish(&log, "orders", None, &n.to_string()).await;
    }
    publish(&log, "others", None, "x").await;
    let (last, json) = read(&log, &orders, &Begin::Since(Since::Last(3)), 3).await;
    assert_eq!((data(&json), &json["more"]), (vec!["5", "6", "7"], &json!(false)), "{json}");
    assert_eq!(json["cursor"], "000000000abc-8", "as far as was looked");
    assert!(!last.is_empty());

    let (first, json) = read(&log, &orders, &Begin::Since(Since::Oldest), 3).await;
    assert_eq!((data(&json), &json["more"]), (vec!["1", "2", "3"], &json!(true)));
    let (second, json) = read(&log, &orders, &first.next(), 4).await;
    assert_eq!((data(&json), &json["more"]), (vec!["4", "5", "6", "7"], &json!(false)));
    let (third, _) = read(&log, &orders, &second.next(), 4).await;
    assert!(third.is_empty());
}

#[tokio::test]
async fn gaps_are_those_of_a_stream() {
    let log = log(3);
    let orders = to(&["orders"], &[]);
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.push(publish(&log, "orders", None, &n.to_string()).await);
    }
    let (page, json) = read(&log, &orders, &after(&sent[0]), 10).await;
    let gap = json!({"requested":sent[0],"resumed":sent[2],"reason":"evicted","missed":2});
    assert_eq!((&json["gap"], data(&json)), (&gap, vec!["3", "4", "5"]), "{json}");
    assert!(!page.is_empty());
    let (_, json) = read(&log, &orders, &page.next(), 10).await;
    assert_eq!(json["gap"], Value::Null, "told once");

    let (_, json) = read(&log, &orders, &after("00000000000f-1"), 2).await;
    let gap = json!({"requested":"00000000000f-1","resumed":sent[2],"reason":"restarted","missed":null});
    assert_eq!((&json["gap"], data(&json), &json["more"]), (&gap, vec!["3", "4"], &json!(true)));

    for unknown in ["nonsense", "000000000abc-99"] {
        let (page, json) = read(&log, &orders, &after(unknown), 10).await;
        let gap = json!({"requested":unknown,"resumed":sent[5],"reason":"unknown","missed":null});
        assert_eq!((&json["gap"], data(&json)), (&gap, vec![]));
        assert!(!page.is_empty(), "a gap is something to tell");
    }
    for begin in [
        Begin::Since(Since::Oldest),
        Begin::Since(Since::Last(10)),
        Begin::Since(Since::Ago(Duration::from_mins(1))),
    ] {
        let (_, json) = read(&log, &orders, &begin, 10).await;
        assert_eq!((&json["gap"], data(&json)), (&Value::Null, vec!["3", "4", "5"]), "{begin:?}");
    }
}

#[tokio::test]
async fn a_page_is_cut_by_bytes_and_holds_one_event_of_any_size() {
    let log = log(100);
    let large = "x".repeat(PAGE_BYTES / 2);
    for _ in 0..5 {
        publish(&log, "orders", None, &large).await;
    }
    publish(&log, "orders", None, &"y".repeat(PAGE_BYTES * 3)).await;
    publish(&log, "orders", None, "z").await;
    let (mut begin, mut counts) = (Begin::Since(Since::Oldest), Vec::new());
    loop {
        let (page, json) = read(&log, &to(&["orders"], &[]), &begin, 100).await;
        counts.push(data(&json).len());
        begin = page.next();
        if json["more"] == false {
            break;
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 7);
    assert!(counts.iter().all(|&count| (1..=2).contains(&count)), "{counts:?}");
}

#[tokio::test]
async fn a_filter_that_lets_nothing_through_moves_on_all_the_same() {
    let log = log(2 * LOOKED_EVENTS);
    for n in 0..LOOKED_EVENTS + READ_EVENTS {
        publish(&log, "orders", Some("noise"), &n.to_string()).await;
    }
    let rare = to(&["orders"], &["rare"]);
    let (page, json) = read(&log, &rare, &Begin::Since(Since::Oldest), 100).await;
    assert!(!page.is_empty(), "there is more to look at");
    assert_eq!((data(&json), &json["more"]), (vec![], &json!(true)));
    let (page, json) = read(&log, &rare, &page.next(), 100).await;
    assert!(page.is_empty());
    assert_eq!(json["cursor"], log.head().to_string());
}

/// Publishes so much after its first read that what was to be read next is gone.
struct Evicting {
    log: MemoryLog,
    once: Mutex<bool>,
}

#[async_trait]
impl Log for Evicting {
    fn kind(&self) -> &'static str {
        self.log.kind()
    }

    fn head(&self) -> Cursor {
        self.log.head()
    }

    fn health(&self) -> Health {
        self.log.health()
    }

    fn usage(&self) -> Usage {
        self.log.usage()
    }

    async fn append(&self, delivery: Delivery) -> Result<Appended, AppendError> {
        self.log.append(delivery).await
    }

    async fn tail(&self, after: Cursor) -> Result<Box<dyn Tail>, ReadError> {
        self.log.tail(after).await
    }

    async fn read(
        &self,
        selector: &Selector,
        after: Position,
        limit: ReadLimit,
    ) -> Result<crate::log::Page, ReadError> {
        let page = self.log.read(selector, after, limit).await;
        let first = !std::mem::replace(&mut *self.once.lock().unwrap(), true);
        for n in 0..if first { 2 * READ_EVENTS } else { 0 } {
            publish(&self.log, "orders", Some("late"), &n.to_string()).await;
        }
        page
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

#[tokio::test]
async fn what_is_lost_while_a_page_is_read_is_told_by_the_next() {
    let log = Evicting { log: log(READ_EVENTS + 88), once: Mutex::new(false) };
    let first = publish(&log.log, "orders", Some("rare"), "first").await;
    for n in 0..READ_EVENTS + 87 {
        publish(&log.log, "orders", Some("noise"), &n.to_string()).await;
    }
    let begin = after("000000000abc-0");
    let subscription = to(&["orders"], &["rare", "late"]);
    let (page, json) = read(&log, &subscription, &begin, 100).await;
    assert_eq!(
        (data(&json), &json["more"], &json["gap"]),
        (vec!["first"], &json!(true), &Value::Null),
        "{json}"
    );
    assert_eq!(json["events"][0]["id"], first);
    let (_, json) = read(&log, &subscription, &page.next(), 100).await;
    assert_eq!(json["gap"]["reason"], "evicted");
    assert_eq!(json["gap"]["requested"], format!("000000000abc-{READ_EVENTS}"));
    assert_eq!(json["gap"]["resumed"], format!("000000000abc-{}", 2 * READ_EVENTS));
    assert_eq!(data(&json)[0], (READ_EVENTS - 88).to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the pages' size and the filter: all of them together are all that belongs, in order, each once.
    #[test]
    fn pages_together_are_the_subscription(
        sent in proptest::collection::vec((0..3_usize, 0..3_usize), 0..80),
        limit in 1..20_usize,
        topics in proptest::sample::subsequence(vec!["a", "b.*", "**"], 1..=3),
        types in proptest::sample::subsequence(vec!["x", "message"], 0..=2),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = log(1000);
            let subscription = to(&topics, &types);
            let mut want = Vec::new();
            for (index, (topic, kind)) in sent.into_iter().enumerate() {
                let (topic, kind) = (["a", "b.1", "c.2.3"][topic], [None, Some("x"), Some("y")][kind]);
                let data = index.to_string();
                publish(&log, topic, kind, &data).await;
                let kind = kind.map(|kind| EventType::parse(kind).unwrap());
                let topic = Topic::parse(topic).unwrap();
                if subscription.selector.matches(&topic) && subscription.filter.admits(kind.as_ref()) {
                    want.push(data);
                }
            }
            let (mut begin, mut got) = (Begin::Since(Since::Oldest), Vec::new());
            loop {
                let (page, json) = read(&log, &subscription, &begin, limit).await;
                assert!(data(&json).len() <= limit);
                got.extend(data(&json).into_iter().map(str::to_owned));
                begin = page.next();
                if json["more"] == false {
                    break;
                }
            }
            assert_eq!(got, want);
            assert_eq!(begin, after(&log.head().to_string()));
        });
    }
}

/// An old cursor, a filter that lets nothing through, and topics of which only a walk over all tells which are meant.
#[tokio::test]
async fn a_page_over_very_many_topics_is_cut_before_it_costs_too_much() {
    const TOPICS: usize = 3000;
    let log = log(100);
    for n in 0..4 * TOPICS {
        publish(&log, &format!("{}.{}", ["a"; 15].join("."), n % TOPICS), None, "x").await;
    }
    let overlapping = (0..62).map(|bits: usize| {
        let tokens = (0..6).map(|i| if bits >> i & 1 == 0 { "a" } else { "*" });
        tokens.chain(["*"; 9]).chain(["z"]).collect::<Vec<_>>().join(".")
    });
    let texts: Vec<String> = overlapping.chain(["*.**".into()]).collect();
    let subscription = to(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &["none"]);
    let (mut begin, mut turns, mut pages) = (after("000000000abc-0"), 0, 0);
    loop {
        let mut read = Box::pin(Page::read(&log, log.head(), &subscription, &begin, 10));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let page = loop {
            turns += 1;
            if let std::task::Poll::Ready(page) = read.as_mut().poll(&mut cx) {
                break page.unwrap();
            }
        };
        drop(read);
        pages += 1;
        assert!(page.events.is_empty() && page.gap.is_none());
        begin = page.next();
        if page.more == More::No {
            break;
        }
    }
    assert_eq!(pages, 2, "each looks at some ten thousand events");
    // Each looks for topics once, in some 13 slices, and through those it finds, in 3, for each of six reads; a look for each
    // pattern, or for each read, would be many times that.
    assert!((16..=64).contains(&turns), "{turns}");
}
