//! Where a held stream begins: nothing that is published from the moment the app is asked is missing.

use super::support::{Holding, Setup, Stream, event, get, get_with, head, id};

#[tokio::test(flavor = "multi_thread")]
async fn the_app_speaks_first_and_then_come_the_events_since_it_was_asked() {
    let mut holding = Holding::start().await;
    let before = holding.publish("room.1", "before").await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    let first = holding.publish("room.1", "while the app thinks").await;
    holding.publish("elsewhere", "not asked for").await;
    asked.say(head("Sidestream-Hold: room.*\r\nTransfer-Encoding: chunked\r\n"));
    let mut stream = Stream::begin(&mut caller).await;
    asked.say("d\r\ndata: hello\n\n\r\n");
    assert_eq!(stream.block().await, "data: hello\n\n", "it comes as the app says it, not at the body's end");
    let second = holding.publish("room.2", "while the app speaks").await;
    asked.say("9\r\ndata: you\r\n2\r\n\n\n\r\n0\r\n\r\n");
    assert_eq!(stream.block().await, "data: you\n\n");
    let opening = stream.block().await;
    assert!(opening.starts_with("retry: "), "{opening}");
    assert_eq!(id(&opening), before, "the place before the first event");
    assert_eq!(stream.block().await, event(&first, "while the app thinks"));
    assert_eq!(stream.block().await, event(&second, "while the app speaks"));
    let third = holding.publish("room.1", "live").await;
    assert_eq!(stream.block().await, event(&third, "live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_with_an_id_goes_on_from_there() {
    let mut holding = Holding::start().await;
    let seen = holding.publish("a", "seen").await;
    let missed = holding.publish("a", "missed").await;
    let last = holding.publish("a", "missed, too").await;
    for request in [
        get_with("/welcome?x=1", &format!("Last-Event-ID: {seen}\r\n")),
        get(&format!("/welcome?last-event-id={seen}&x=1")),
        get_with(&format!("/welcome?last-event-id={last}"), &format!("Last-Event-ID: {seen}\r\n")),
    ] {
        let (mut caller, asked) = holding.ask(&request).await;
        assert_eq!(asked.head.lines().next(), request.lines().next(), "the request is the app's own");
        asked.hold("a", "");
        let mut stream = Stream::begin(&mut caller).await;
        assert_eq!(id(&stream.block().await), seen, "{request}");
        assert_eq!(stream.block().await, event(&missed, "missed"));
        assert_eq!(stream.block().await, event(&last, "missed, too"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_can_not_be_honoured_is_a_gap_before_any_event() {
    let mut holding = Holding::start_with(Setup { history: 2, ..Setup::default() }).await;
    let asked_at = holding.publish("a", "0").await;
    let (mut caller, asked) = holding.ask(get("/welcome")).await;
    let mut ids = Vec::new();
    for data in ["1", "2", "3", "4", "5"] {
        ids.push(holding.publish("a", data).await);
    }
    asked.hold("a", "data: hello\n\n");
    let mut stream = Stream::begin(&mut caller).await;
    assert_eq!(stream.block().await, "data: hello\n\n");
    let opening = stream.block().await;
    assert!(opening.starts_with("retry: ") && !opening.contains("id:"), "{opening}");
    let gap = stream.block().await;
    assert!(gap.contains("event: sidestream.gap\n") && gap.contains("\"reason\":\"evicted\""), "{gap}");
    assert!(gap.contains(&format!("\"requested\":\"{asked_at}\"")) && gap.contains("\"missed\":3"), "{gap}");
    assert_eq!(stream.block().await, event(&ids[3], "4"));
    assert_eq!(stream.block().await, event(&ids[4], "5"));

    let (mut caller, asked) = holding.ask(get_with("/welcome", "Last-Event-ID: of-the-app\r\n")).await;
    asked.hold("a", "");
    let mut stream = Stream::begin(&mut caller).await;
    assert!(!stream.block().await.contains("id:"));
    let gap = stream.block().await;
    assert!(gap.contains("\"requested\":\"of-the-app\"") && gap.contains("\"reason\":\"unknown\""), "{gap}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_fields_and_lists_are_one_subscription_and_a_format_can_be_said() {
    let mut holding = Holding::start().await;
    let (mut caller, asked) = holding.ask(get("/welcome?format=nonsense")).await;
    let fields =
        "Sidestream-Hold: a, b.*\r\nsidestream-hold: c.**,,a\r\nSidestream-Hold-Format: envelope\r\n";
    asked.say(head(&format!("{fields}Content-Length: 0\r\n")));
    drop(asked);
    let mut stream = Stream::begin(&mut caller).await;
    stream.block().await;
    for topic in ["a", "b.1", "c.1.2", "d", "b", "a"] {
        holding.publish(topic, "x").await;
    }
    for topic in ["a", "b.1", "c.1.2", "a"] {
        let block = stream.block().await;
        assert!(block.contains(&format!("data: {{\"topic\":\"{topic}\"")), "{topic}: {block}");
    }
}
