//! The fake does what every log does, at a broker that is quick, slow or bad, and goes wrong in each of the ways it is
//! there for.

use std::time::Duration;

use super::*;
use crate::event::{Epoch, Event, Millis};
use crate::log::Placement;
use crate::log::clock::ManualClock;
use crate::log::conformance::{
    Kind, Precision, Survival, WIDE, conformance, delivery, end, head_at, patterns, positions, publish,
    roomy, take, topic,
};
use crate::log::{Coverage, HistorySettings, TailError, TopicLimits};

const NOW: Millis = Millis(1_000_000);

const SLOW: Faults = Faults {
    store_delay: Duration::from_millis(3),
    answer_delay: Duration::from_millis(20),
    lag: Duration::from_millis(50),
    refused: 0.0,
    unavailable: 0.0,
    lost_request: 0.0,
    lost_answer: 0.0,
    unread: 0.0,
};

const BAD: Faults = Faults { refused: 0.1, unavailable: 0.1, lost_request: 0.15, lost_answer: 0.15, ..SLOW };

mod model;

/// A broker under test, and those who connect to it.
struct At<const FAULTS: usize>(Arc<Broker>);

impl<const FAULTS: usize> Kind for At<FAULTS> {
    const PRECISION: Precision = Precision::Coarse;
    const SURVIVAL: Survival = Survival::Everything;

    fn new(settings: HistorySettings) -> Self {
        let clock = ManualClock::at(NOW).clock();
        let broker = Broker::new(settings, clock, Epoch::new(1), 0x5eed);
        broker.set_faults([Faults::default(), SLOW, BAD][FAULTS]);
        Self(broker)
    }

    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(FakeLog::start(&self.0))
    }

    fn now(&self) -> Millis {
        NOW
    }
}

mod quick {
    use super::*;
    conformance!(At<0>, #[tokio::test(start_paused = true)]);
}

mod slow {
    use super::*;
    conformance!(At<1>, #[tokio::test(start_paused = true)]);
}

mod bad {
    use super::*;
    conformance!(At<2>, #[tokio::test(start_paused = true)]);
}

/// A broker where all is well, a log on it, and what makes deliveries for them.
async fn quick() -> (At<0>, Arc<dyn Log>) {
    let kind = At::<0>::new(roomy());
    let log = kind.open().await;
    (kind, log)
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_its_answer_and_its_truth() {
    let cases = [
        (Faults { refused: 1.0, ..Faults::default() }, AppendError::Full, 0),
        (
            Faults { unavailable: 1.0, ..Faults::default() },
            AppendError::Unavailable("the broker is not ready"),
            0,
        ),
        (Faults { lost_request: 1.0, ..Faults::default() }, AppendError::Unknown, 0),
        (Faults { lost_answer: 1.0, ..Faults::default() }, AppendError::Unknown, 1),
    ];
    for (faults, answer, stored) in cases {
        let (kind, log) = quick().await;
        kind.0.set_faults(faults);
        let keyed = delivery(&kind, &["a"], "x", Some("k"));
        assert_eq!(log.append(keyed.clone()).await, Err(answer));
        assert_eq!(log.usage().events, stored);
        kind.0.set_faults(Faults::default());
        let retried = log.append(keyed).await.unwrap();
        assert_eq!(matches!(retried, Appended::Duplicate(_)), stored == 1);
        assert_eq!(log.usage().events, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_wrong_as_a_delivery_does() {
    let unavailable = |why| Err(ReadError::Unavailable(why));
    let none = Faults::default();
    // Whether the purge was done that was not answered.
    let cases = [
        (Faults { refused: 1.0, ..none }, "the broker is not ready", false),
        (Faults { unavailable: 1.0, ..none }, "the broker is not ready", false),
        (Faults { lost_request: 1.0, ..none }, "the broker did not answer", false),
        (Faults { lost_answer: 1.0, ..none }, "the broker did not answer", true),
    ];
    for (faults, why, done) in cases {
        let (kind, log) = quick().await;
        publish(&*log, delivery(&kind, &["a", "b", "a"], "x", None)).await;
        kind.0.set_faults(faults);
        assert_eq!(log.purge(&topic("a")).await, unavailable(why));
        assert_eq!(log.topics("", None, 9).await.map(|topics| topics.len() as u64), unavailable(why));
        assert!(log.locate(&patterns(&["**"]), &Filter::All, Since::Oldest).await.is_err());
        kind.0.set_faults(none);
        assert_eq!(log.purge(&topic("a")).await, Ok(if done { 0 } else { 2 }));
    }
    // An outage while the answer is on its way.
    let (kind, log) = quick().await;
    publish(&*log, delivery(&kind, &["a"], "x", None)).await;
    kind.0.set_faults(Faults { answer_delay: Duration::from_mins(1), ..none });
    let asked = Arc::clone(&log);
    let on_its_way = tokio::spawn(async move { asked.purge(&topic("a")).await });
    while log.usage().events > 0 {
        tokio::task::yield_now().await;
    }
    kind.0.go_down();
    assert_eq!(
        on_its_way.await.unwrap(),
        unavailable("the broker is not reached"),
        "it was done all the same"
    );
    assert_eq!(log.purge(&topic("a")).await, unavailable("the broker is not reached"));
}

/// A purge of what is not seen yet is not seen before it: nobody is told a loss ahead of the head.
#[tokio::test(start_paused = true)]
async fn a_purge_is_seen_when_what_it_purged_would_have_been() {
    let (kind, log) = quick().await;
    kind.0.set_faults(Faults { lag: Duration::from_mins(1), ..Faults::default() });
    let mut tail = log.tail(log.head()).await.unwrap();
    let secret = publish(&*log, delivery(&kind, &["a"], "x", None)).await.placement();
    let next = publish(&*log, delivery(&kind, &["b"], "y", None)).await.placement();
    assert_eq!(log.purge(&topic("a")).await, Ok(1));
    let all = patterns(&["**"]);
    let page = log.read(&all, Position::START, WIDE).await.unwrap();
    assert_eq!((page.next, page.coverage), (Position::START, Coverage::Complete));
    let reset = Cursor::new(Epoch::new(1), end(secret));
    assert_eq!(tail.next().await, Err(TailError::Reset(reset)));
    assert_eq!(positions(&take(&mut *tail, 1).await), [end(next)]);
    let page = log.read(&all, Position::START, WIDE).await.unwrap();
    let lost = Coverage::Lost { resumed: end(secret), through: end(secret), missed: None, turn: 1 };
    assert_eq!((positions(&page.events), page.coverage), (vec![end(next)], lost));
}

/// Whoever was told a loss in between is told of the purge all the same.
#[tokio::test(start_paused = true)]
async fn a_purge_that_is_seen_later_has_the_later_turn() {
    let (kind, log) = quick().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    publish(&*log, delivery(&kind, &["seen"], "x", None)).await;
    take(&mut *tail, 1).await;
    kind.0.set_faults(Faults { lag: Duration::from_mins(1), ..Faults::default() });
    let unseen = publish(&*log, delivery(&kind, &["unseen"], "x", None)).await.placement();
    for name in ["unseen", "seen"] {
        assert_eq!(log.purge(&topic(name)).await, Ok(1));
    }
    let told = async || match log.read(&patterns(&["*"]), Position::START, WIDE).await.unwrap().coverage {
        Coverage::Lost { through, turn, .. } => (through, turn),
        Coverage::Complete => panic!("a purge is told"),
    };
    assert_eq!(told().await, (Position::of(1), 1));
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(told().await, (end(unseen), 2));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_over_the_brokers_limit_is_refused_with_it() {
    let (kind, log) = quick().await;
    kind.0.set_largest(5);
    let refused = log.append(delivery(&kind, &["a", "b"], "xxx", None)).await;
    assert_eq!(refused, Err(AppendError::TooLarge { limit: 5 }));
    assert!(log.append(delivery(&kind, &["a"], "xxxxx", None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_seen_later_when_the_broker_lags() {
    let (kind, log) = quick().await;
    kind.0.set_faults(Faults { lag: Duration::from_mins(1), ..Faults::default() });
    let mut tail = log.tail(log.head()).await.unwrap();
    let placed = publish(&*log, delivery(&kind, &["a"], "x", None)).await.placement();
    assert_eq!(log.head().position, Position::START);
    let page = log.read(&patterns(&["**"]), Position::START, WIDE).await.unwrap();
    assert!(page.events.is_empty());
    assert_eq!(positions(&tail.next().await.unwrap()), vec![end(placed)]);
    assert_eq!(log.head().position, end(placed));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_and_over_again() {
    let (kind, log) = quick().await;
    let first = publish(&*log, delivery(&kind, &["a"], "1", None)).await.placement();
    let mut tail = log.tail(log.head()).await.unwrap();
    kind.0.set_faults(Faults { answer_delay: Duration::from_mins(1), ..Faults::default() });
    let (other, in_flight) = (Arc::clone(&log), delivery(&kind, &["a"], "2", Some("k")));
    let on_its_way = tokio::spawn(async move { other.append(in_flight).await });
    while log.head().position == end(first) {
        tokio::task::yield_now().await;
    }
    kind.0.go_down();
    let down = "the broker is not reached";
    assert_eq!(on_its_way.await.unwrap(), Err(AppendError::Unknown), "its answer never came");
    assert_eq!(log.health(), Health::Down(down));
    assert_eq!(log.append(delivery(&kind, &["a"], "3", None)).await, Err(AppendError::Unavailable(down)));
    assert_eq!(tail.next().await, Err(TailError::Unavailable(down)));
    assert!(log.tail(log.head()).await.is_err());
    assert!(log.read(&patterns(&["**"]), Position::START, WIDE).await.is_err());
    assert_eq!(FakeLog::start(&kind.0).health(), Health::Starting, "never seen up");

    let waits = tokio::spawn(async move { (tail.next().await, tail) });
    tokio::task::yield_now().await;
    kind.0.come_up();
    let (got, _) = waits.await.unwrap();
    assert_eq!(positions(&got.unwrap()).len(), 1, "the tail kept its place");
    assert_eq!(log.health(), Health::Up);
    assert!(matches!(log.append(delivery(&kind, &["a"], "2", Some("k"))).await, Ok(Appended::Duplicate(_))));
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_and_a_purge_reset_the_tail() {
    let (kind, log) = quick().await;
    let mut tail = log.tail(log.head()).await.unwrap();
    for data in ["1", "2"] {
        publish(&*log, delivery(&kind, &["a"], data, Some(data))).await;
    }
    kind.0.purge_all();
    let two = Cursor::new(Epoch::new(1), Position::of(2));
    assert_eq!(tail.next().await, Err(TailError::Reset(two)));
    let page = log.read(&Selector::Topic(topic("never")), Position::START, WIDE).await.unwrap();
    let lost = Coverage::Lost { resumed: Position::of(2), through: Position::of(2), missed: None, turn: 1 };
    assert_eq!(page.coverage, lost, "it can't tell whose they were");

    kind.0.begin_anew(Epoch::new(2));
    assert_eq!(tail.next().await, Err(TailError::Reset(Cursor::new(Epoch::new(2), Position::START))));
    let again = publish(&*log, delivery(&kind, &["a"], "2", Some("2"))).await;
    assert!(matches!(again, Appended::Accepted(_)), "keys are lost with the rest");
    assert_eq!(take(&mut *tail, 1).await[0].cursor, Cursor::new(Epoch::new(2), Position::of(1)));
}

#[tokio::test(start_paused = true)]
async fn age_is_kept_to_for_all_topics_at_once() {
    let clock = ManualClock::at(NOW);
    let age = Duration::from_secs(10);
    let settings = HistorySettings { default: TopicLimits { age, ..roomy().default }, ..roomy() };
    let broker = Broker::new(settings, clock.clock(), Epoch::new(1), 1);
    let log = FakeLog::start(&broker);
    let at = |time| Delivery {
        events: vec![Event { topic: topic("a"), kind: None, time, data: "x".into() }],
        dedupe: None,
    };
    publish(&log, at(clock.now())).await;
    clock.advance(Duration::from_secs(8));
    let second = publish(&log, at(clock.now())).await.placement();
    clock.advance(Duration::from_secs(8));
    let page = log.read(&Selector::Topic(topic("a")), Position::START, WIDE).await.unwrap();
    assert_eq!(positions(&page.events), vec![end(second)]);
    assert!(matches!(page.coverage, Coverage::Lost { missed: None, .. }));
}

#[tokio::test(start_paused = true)]
async fn replicas_of_one_broker_agree() {
    let (kind, one) = quick().await;
    let two = kind.open().await;
    let mut tails = [one.tail(one.head()).await.unwrap(), two.tail(two.head()).await.unwrap()];
    let first = publish(&*one, delivery(&kind, &["a"], "1", Some("k"))).await;
    let again = publish(&*two, delivery(&kind, &["a"], "1", Some("k"))).await;
    assert_eq!(again, Appended::Duplicate(first.placement()));
    publish(&*two, delivery(&kind, &["b"], "2", None)).await;
    one.close().await;
    let last = publish(&*two, delivery(&kind, &["b"], "3", None)).await.placement();
    head_at(&*two, end(last)).await;
    let [ref mut closed, ref mut open] = tails;
    assert_eq!(take(&mut **closed, 2).await, take(&mut **open, 3).await[..2]);
}
