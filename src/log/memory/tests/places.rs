//! Where to begin, which topics there are, and what a purge leaves.

use super::*;

#[tokio::test]
async fn a_purge_empties_one_topic_and_is_told_to_whoever_resumes_from_before() {
    let at = fixture(|_, bounds| bounds.sweep_slice = 2);
    for _ in 0..5 {
        at.publish("secret.a", &[10]).await;
        at.publish("secret.b", &[10]).await;
    }
    let before = at.log.usage();
    assert_eq!(at.log.purge(&topic("secret.a")).await, Ok(5));
    assert_eq!(at.log.purge(&topic("secret.a")).await, Ok(0));
    assert_eq!(at.log.purge(&topic("never")).await, Ok(0));
    let after = at.log.usage();
    assert_eq!((after.topics, after.events, after.bytes), (1, 5, before.bytes / 2));
    let page = at.log.read(&Selector::Topic(topic("secret.a")), Position::of(2), ALL).await.unwrap();
    assert_eq!((page.events.len(), untimed(page.coverage)), (0, lost(9, 9, 4)));
    let both = Selector::of(vec![Pattern::parse("secret.*").unwrap()]);
    let page = at.log.read(&both, Position::of(2), ALL).await.unwrap();
    assert_eq!(sequences(&page.events), [4, 6, 8, 10]);
    assert!(matches!(page.coverage, Coverage::Lost { missed: Some(4), .. }), "{:?}", page.coverage);
    at.publish("secret.a", &[10]).await;
    let page = at.log.read(&Selector::Topic(topic("secret.a")), Position::of(9), ALL).await.unwrap();
    assert_eq!((sequences(&page.events), page.coverage), (vec![11], Coverage::Complete));
}

#[tokio::test]
async fn topics_are_told_in_pages_by_name_and_only_those_with_events() {
    let at = fixture(|settings, bounds| {
        settings.rules = vec![(
            Pattern::parse("a.none").unwrap(),
            TopicLimits { events: 0, bytes: 0, age: Duration::ZERO },
        )];
        bounds.read_slice = 2;
    });
    for name in ["b", "a.3", "a.1", "a.none", "a.2", "a"] {
        at.publish(name, &[1]).await;
    }
    at.publish("a.1", &[1, 1]).await;
    let names = |prefix: &'static str, after: Option<&'static str>, limit| {
        let log = at.log.clone();
        async move {
            let topics = log.topics(prefix, after.map(topic).as_ref(), limit).await.unwrap();
            topics.iter().map(|t| format!("{}:{}", t.topic, t.events)).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(names("", None, 9).await, "a:1 a.1:3 a.2:1 a.3:1 b:1");
    assert_eq!(names("a.", None, 2).await, "a.1:3 a.2:1");
    assert_eq!(names("a.", Some("a.2"), 2).await, "a.3:1");
    assert_eq!(names("a.", Some("Z"), 1).await, "a.1:3", "a place before the prefix is its beginning");
    assert_eq!(names("a.", None, 0).await + &names("c", None, 9).await, "");
    at.clock.advance(Duration::from_hours(2));
    assert_eq!(names("", None, 9).await, "", "what is over age is not there");
}

#[tokio::test]
async fn ago_is_by_the_logs_clock() {
    let at = fixture(|_, _| ());
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(at.publish("t", &[1]).await);
        at.clock.advance(Duration::from_mins(1));
    }
    let one = Selector::Topic(topic("t"));
    let ago = |minutes| at.log.locate(&one, &Filter::All, Since::Ago(Duration::from_mins(minutes)));
    // Received 4, 3, 2 and 1 minutes ago.
    let before = |index: usize| places[index].before();
    for (minutes, place) in [(0, places[3]), (1, before(3)), (3, before(1)), (9, Position::START)] {
        assert_eq!(ago(minutes).await, Ok(place), "{minutes}");
    }
}

/// A webhook whose body took long is placed late; what was received after it and placed before it is not hidden by it.
#[tokio::test]
async fn an_event_that_was_placed_late_hides_none_that_was_received_after_it() {
    let at = fixture(|_, _| ());
    let mut late = at.delivery("t", &[1]);
    at.clock.advance(Duration::from_secs(30));
    let timely = at.publish("t", &[1]).await;
    late.events[0].data = "late".into();
    at.log.append(late).await.unwrap();
    at.clock.advance(Duration::from_secs(2));
    for selector in [Selector::Topic(topic("t")), Selector::of(vec![Pattern::parse("*").unwrap()])] {
        let place = at.log.locate(&selector, &Filter::All, Since::Ago(Duration::from_secs(5))).await;
        assert_eq!(place, Ok(timely.before()));
    }
}

/// What no slice finds in time is found by the next: topics in the hundreds, and an event that is far from either end.
#[tokio::test]
async fn a_place_is_found_in_slices() {
    let at = fixture(|_, bounds| (bounds.read_slice, bounds.match_slice) = (3, 5));
    let rare = Filter::of(vec![EventType::parse("rare").unwrap()]);
    let mut delivery = at.delivery("t.5", &[1]);
    delivery.events[0].kind = Some(EventType::parse("rare").unwrap());
    at.log.append(delivery).await.unwrap();
    for n in 0..200 {
        at.publish(&format!("t.{}", n % 50), &[1]).await;
        at.clock.advance(Duration::from_secs(10));
    }
    let one = Selector::Topic(topic("t.5"));
    let all = Selector::of(vec![Pattern::parse("t.*").unwrap(), Pattern::parse("*.5").unwrap()]);
    for selector in [&one, &all] {
        for since in [Since::Last(1), Since::Last(7), Since::Oldest] {
            assert_eq!(
                at.log.locate(selector, &rare, since).await,
                Ok(Position::START),
                "{selector} {since:?}"
            );
        }
    }
    // The nth of the 200 was received 10 × (201 − n) seconds ago, and stands at n + 1.
    let of = |since| at.log.locate(&all, &Filter::All, since);
    assert_eq!(of(Since::Last(150)).await, Ok(Position::of(52).before()));
    assert_eq!(of(Since::Ago(Duration::from_mins(25))).await, Ok(Position::of(52).before()));
    let never = Selector::of(vec![Pattern::parse("never.*").unwrap()]);
    assert_eq!(at.log.locate(&never, &Filter::All, Since::Oldest).await, Ok(at.log.head().position));
}

/// `events: 0` keeps none: such an event was in the tail, and is in no page, place or list.
#[tokio::test]
async fn what_is_not_kept_is_read_nowhere() {
    let at = fixture(|settings, _| {
        settings.rules =
            vec![(Pattern::parse("none.*").unwrap(), TopicLimits { events: 0, ..settings.default })];
    });
    let mut tail = at.log.tail(at.log.head()).await.unwrap();
    for name in ["none.a", "kept", "none.a", "none.b"] {
        at.publish(name, &[1]).await;
    }
    assert_eq!(sequences(&tail.next().await.unwrap()), [1, 2, 3, 4]);
    assert_eq!(at.read("none.a", 0).await, (vec![], lost(3, 3, 2)));
    assert_eq!(at.read("none.*", 1).await, (vec![], lost(4, 4, 2)));
    assert_eq!(at.read("**", 0).await, (vec![2], lost(0, 4, 3)));
    let mut late = at.log.tail(Cursor::new(EPOCH, Position::of(2))).await.unwrap();
    assert_eq!(late.next().await, Err(TailError::Reset(at.log.head())));
    let names: Vec<_> =
        at.log.topics("", None, 9).await.unwrap().iter().map(|t| t.topic.to_string()).collect();
    assert_eq!(names, ["kept"]);
    let none = Selector::of(vec![Pattern::parse("none.*").unwrap()]);
    for since in [Since::Oldest, Since::Last(2), Since::Ago(Duration::from_hours(1))] {
        assert_eq!(at.log.locate(&none, &Filter::All, since).await, Ok(Position::of(4)), "{since:?}");
    }
    assert_eq!(at.log.purge(&topic("none.a")).await, Ok(0));
}

#[tokio::test]
async fn a_purge_keeps_the_exact_count_within_its_bound_and_leaves_the_rest_of_a_pattern() {
    let at = fixture(|_, bounds| bounds.exact_losses = 3);
    for _ in 0..10 {
        at.publish("a.x", &[1]).await;
        at.publish("a.y", &[1]).await;
    }
    assert_eq!(at.log.purge(&topic("a.x")).await, Ok(10));
    // The odd ones up to 19 are gone; the positions of the last three are known.
    assert_eq!(at.read("a.x", 0).await, (vec![], lost(19, 19, 10)));
    assert_eq!(at.read("a.x", 5).await, (vec![], lost(19, 19, None)));
    assert_eq!(at.read("a.x", 13).await, (vec![], lost(19, 19, 3)));
    assert_eq!(at.read("a.x", 19).await, (vec![], Coverage::Complete));
    assert_eq!(at.read("a.y", 0).await.1, Coverage::Complete);
    assert_eq!(at.read("a.*", 15).await, (vec![16, 18, 20], lost(15, 19, 2)));
    assert_eq!(at.read("a.*", 19).await, (vec![20], Coverage::Complete));
    let secret = Delivery { dedupe: key(1), ..at.delivery("a.x", &[1]) };
    let first = at.log.append(secret.clone()).await.unwrap();
    at.log.purge(&topic("a.x")).await.unwrap();
    assert_eq!(at.log.append(secret).await, Ok(Appended::Duplicate(first.placement())), "its key stays");
    assert_eq!(at.log.usage().events, 10);
}
