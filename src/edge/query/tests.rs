//! What may be asked, by tables; the first of them is the bad input.

use proptest::prelude::*;

use super::*;

const TOPICS: usize = 64;

fn ask(target: &str) -> Result<Asked, AskError> {
    ask_after(target, None)
}

fn ask_after(target: &str, header: Option<&[u8]>) -> Result<Asked, AskError> {
    let (rest, query) = target.split_once('?').map_or((target, None), |(rest, query)| (rest, Some(query)));
    read(rest.as_bytes(), query.map(str::as_bytes), header, TOPICS)
}

fn listed(count: usize) -> String {
    (0..count).map(|n| format!("topic=t{n}")).collect::<Vec<_>>().join("&")
}

/// What is refused, with the words that say why. Shared vectors of the "Bad input".
#[test]
fn bad_input_by_table() {
    let (too_many, long) = (format!("?{}", listed(65)), format!("/a?x={}", "x".repeat(10 << 10)));
    let types = format!("/a?event={}", (0..65).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let deep = format!("/{}", vec!["a"; 17].join("."));
    let wide = format!("?topic={}", "a".repeat(257));
    for (target, why) in [
        // Nothing named.
        ("", "name a topic"),
        ("/", "name a topic"),
        ("?event=a", "name a topic"),
        ("/?x=1", "name a topic"),
        // Names and patterns.
        ("/a*", "* must be a whole token"),
        ("/**.a", "* must be a whole token"),
        ("/a.**.b", "* must be a whole token"),
        ("/***", "* must be a whole token"),
        ("/a..*", "empty token"),
        ("/*.", "empty token"),
        ("/a..b", "empty token"),
        ("/orders/", "'/' is not allowed"),
        ("//orders", "'/' is not allowed"),
        ("/a b", "' ' is not allowed"),
        ("?topic=a&topic=b**", "\"b**\" is no topic or pattern"),
        ("?topic=", "it is empty"),
        ("?topic", "it is empty"),
        ("?topic=a,b", "',' is not allowed"),
        (&deep, "17 tokens; at most 16"),
        (&wide, "257 bytes; at most 256"),
        // Reserved.
        ("/sidestream.x", "the server's own"),
        ("/sidestream.*", "the server's own"),
        ("?topic=sidestream.**", "the server's own"),
        ("/a?event=sidestream.gap", "the server's own"),
        ("/a?event=open", "the server's own"),
        // Encoding: once, and `+` is a plus in a path and a space in a form.
        ("/a%2Fb", "'/' is not allowed"),
        ("/a%252Eb", "'%' is not allowed"),
        ("/a+b", "'+' is not allowed"),
        ("?topic=a%252Eb", "'%' is not allowed"),
        ("?topic=a%2Fb", "'/' is not allowed"),
        ("?topic=a+b", "' ' is not allowed"),
        ("?topic=a%2Bb", "'+' is not allowed"),
        ("/a%", "% must be followed by two hex digits"),
        ("/%ff", "not UTF-8"),
        ("/a%00b", "is not allowed"),
        ("?topic=%zz", "topic: not percent-encoded text"),
        ("/a?event=%ff", "event: not percent-encoded text"),
        // Types.
        ("/a?event=", "event: \"\" is no type: it is empty"),
        ("/a?event=a,,b", "it is empty"),
        ("/a?event=a%0Ab", "control character"),
        // Values.
        ("/a?format=json", "format: expected plain, envelope or envelope-json; got \"json\""),
        ("/a?format=", "format: expected plain"),
        ("/a?heartbeat=comment", "heartbeat: expected event; got"),
        ("/a?since=yesterday", "since: expected start, or a duration"),
        ("/a?since=5", "since: expected start, or a duration"),
        ("/a?since=-5m", "since: expected"),
        ("/a?since=366d", "since: expected"),
        ("/a?since=99999999999999999999d", "since: expected"),
        ("/a?last=-1", "last: expected a whole number from 0 to 10000000"),
        ("/a?last=%2B1", "last: expected"),
        ("/a?last=1e3", "last: expected"),
        ("/a?last=10000001", "last: expected"),
        ("/a?limit=0", "limit: expected a whole number from 1 to 1000"),
        ("/a?limit=1001", "limit: expected"),
        ("/a?limit=99999999999999999999", "limit: expected"),
        ("/a?wait=61s", "wait: expected a duration of at most 60s"),
        ("/a?wait=30", "wait: expected"),
        // Together.
        ("/a?since=5m&last=3", "since and last are both given"),
        ("/a?since=5m&last=3&last-event-id=x", "since and last are both given"),
        ("/a?since=5m&since=6m", "since is given twice"),
        ("/a?format=plain&format=plain", "format is given twice"),
        ("/a?limit=1&limit=2", "limit is given twice"),
        // How much.
        (&too_many, "65 topics; at most 64"),
        (&types, "65 types; at most 64"),
        (&long, "10242 bytes; at most 8192"),
    ] {
        let refused = ask(target).expect_err(target).to_string();
        assert!(refused.contains(why), "{target}: {refused}");
    }
}

#[test]
fn topics_by_table() {
    for (target, selector) in [
        ("/orders", "orders"),
        ("/a%2Eb", "a.b"),
        ("/a%2eb", "a.b"),
        ("/caf~C3~A9", "caf~C3~A9"),
        ("/orders.*", "orders.*"),
        ("/orders.%2A", "orders.*"),
        ("/**", "**"),
        ("?topic=orders", "orders"),
        ("/?topic=orders", "orders"),
        ("?topic=b.*&topic=a", "a,b.*"),
        ("?topic=b.%2A&%74opic=a", "a,b.*"),
        ("/c?topic=a", "a,c"),
        ("/a?topic=a&topic=a", "a"),
        ("?topic=a.*&topic=a.*", "a.*"),
        ("/sidestreams", "sidestreams"),
    ] {
        let asked = ask(target).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(asked.subscription.selector.to_string(), selector, "{target}");
    }
    let plain = ask("/a").unwrap();
    assert_eq!(plain.subscription, Subscription::to(Selector::Topic(Topic::parse("a").unwrap())));
    assert_eq!(ask("/a?topic=a").unwrap().subscription.selector, plain.subscription.selector);
    let Selector::Patterns(all) = ask(&format!("?{}", listed(64))).unwrap().subscription.selector else {
        panic!("several")
    };
    assert_eq!(all.len(), 64);
    let doubled = format!("/t1?{}&{}", listed(64), listed(64));
    assert!(ask(&doubled).is_ok(), "a topic that is named twice is one");
}

#[test]
fn types_formats_and_beats() {
    let subscription = |target| ask(target).unwrap().subscription;
    let types = |names: &[&str]| Filter::of(names.iter().map(|n| EventType::parse(n).unwrap()).collect());
    assert_eq!(subscription("/a?event=b,a").filter, types(&["a", "b"]));
    assert_eq!(subscription("/a?event=b&event=a,b").filter, types(&["a", "b"]));
    assert_eq!(subscription("/a?event=order+created%2Cb").filter, types(&["order created", "b"]));
    assert_eq!(subscription("/a?event=a%2Bb").filter, types(&["a+b"]));
    assert_eq!(subscription("/a?event=message").filter, types(&["message"]));
    assert_eq!(subscription("/a").filter, Filter::All);
    assert_eq!(subscription("/a?format=plain").format, Format::Plain);
    assert_eq!(subscription("/a?format=envelope").format, Format::Envelope);
    assert_eq!(subscription("/a?format=envelope-json").format, Format::EnvelopeJson);
    assert_eq!(subscription("/a?heartbeat=event").beats, Beats::Events);
    assert_eq!(subscription("/a").beats, Beats::Comments);
}

#[test]
fn beginnings_and_what_wins() {
    let cursor = |raw: &[u8]| Begin::Cursor(raw.into());
    let ago = |seconds| Begin::Since(Since::Ago(Duration::from_secs(seconds)));
    for (target, header, want) in [
        ("/a", None, Begin::Now),
        ("/a", Some(&b""[..]), Begin::Now),
        ("/a?since=start", None, Begin::Since(Since::Oldest)),
        ("/a?since=5m", None, ago(300)),
        ("/a?since=365d", None, ago(365 * 24 * 3600)),
        ("/a?last=10", None, Begin::Since(Since::Last(10))),
        ("/a?last=0", None, Begin::Since(Since::Last(0))),
        ("/a?last-event-id=q-1", None, cursor(b"q-1")),
        ("/a?last-event-id=q-1", Some(b"h-1"), cursor(b"h-1")),
        ("/a?last-event-id=q-1", Some(b""), cursor(b"q-1")),
        ("/a?last-event-id=", None, Begin::Now),
        ("/a?last-event-id=&since=start", None, Begin::Since(Since::Oldest)),
        ("/a?last-event-id=q%2D1&last-event-id=b", None, cursor(b"q-1")),
        ("/a?last-event-id=&last-event-id=b", None, cursor(b"b")),
        ("/a?since=5m", Some(b"h-1"), cursor(b"h-1")),
        ("/a?last=3&last-event-id=q-1", None, cursor(b"q-1")),
        // Not cursors, and never errors.
        ("/a?last-event-id=%zz", None, cursor(b"%zz")),
        ("/a?last-event-id=%ff", None, cursor(b"%ff")),
        ("/a", Some(b"\xff"), cursor(b"\xff")),
    ] {
        let asked = ask_after(target, header).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(asked.begin, want, "{target} {header:?}");
    }
}

#[test]
fn pages_and_what_is_left_alone() {
    let page = |target| ask(target).unwrap().page;
    assert_eq!(page("/a"), PageAsked { limit: 100, wait: Duration::ZERO });
    assert_eq!(page("/a?limit=1000&wait=60s"), PageAsked { limit: 1000, wait: WAIT });
    assert_eq!(page("/a?wait=1m").wait, WAIT);
    assert_eq!(page("/a?wait=250ms").wait, Duration::from_millis(250));
    let plain = ask("/a").unwrap();
    for (query, want) in [
        ("", QueryToken::None),
        ("access_token=a.b.c", QueryToken::One("a.b.c".into())),
        ("access_token=a%2Eb", QueryToken::One("a.b".into())),
        ("access_token", QueryToken::One("".into())),
        ("access_token=%zz", QueryToken::One("".into())),
        ("access_token=a&access_token=a", QueryToken::Twice),
        ("access_token=a&x&access%5Ftoken=b&access_token=c", QueryToken::Twice),
    ] {
        let asked = ask(&format!("/a?{query}")).unwrap();
        assert!(!format!("{asked:?}").contains("a.b"), "{asked:?}");
        assert_eq!(asked.token, want, "{query}");
        assert_eq!(Asked { token: QueryToken::None, ..asked }, plain);
    }
    for noise in ["utm_source=x", "Topic=b", "x=%zz", "%zz", "&&", "="] {
        assert_eq!(ask(&format!("/a?{noise}")).as_ref(), Ok(&plain), "{noise}");
    }
}

proptest! {
    #[test]
    fn any_target_is_judged_without_panic(rest: Vec<u8>, query: Option<Vec<u8>>, header: Option<Vec<u8>>) {
        let _ = read(&rest, query.as_deref(), header.as_deref(), TOPICS);
    }

    /// Nearly right input reaches further than noise does.
    #[test]
    fn any_nearly_good_query_is_judged_without_panic(parts in proptest::collection::vec(
        prop_oneof![
            "topic=|event=|format=|since=|last=|limit=|wait=|heartbeat=|last-event-id=|access_token=",
            "&|=|,|%2A|%2C|%|\\+|\\*|\\.|~|[0-9]{0,20}|[smhd]{1,2}|start|[a-z]{0,3}",
        ],
        0..30,
    )) {
        if let Ok(asked) = read(b"/a", Some(parts.concat().as_bytes()), None, TOPICS) {
            prop_assert!((1..=PAGE_EVENTS).contains(&asked.page.limit) && asked.page.wait <= WAIT);
            prop_assert_ne!(asked.begin.cursor(), Some(&b""[..]));
        }
    }

    /// A query that URLSearchParams would write is read back as it was meant.
    #[test]
    fn what_a_form_writes_is_read_back(kind in "[a-z +%&=#*.é]{1,12}") {
        let encoded: String = kind.bytes().map(|b| match b {
            b' ' => "+".to_owned(),
            b'a'..=b'z' | b'*' | b'-' | b'.' | b'_' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        }).collect();
        let asked = ask(&format!("/a?event={encoded}")).unwrap();
        let want = Filter::of(vec![EventType::parse(&kind).unwrap()]);
        prop_assert_eq!(asked.subscription.filter, want);
    }
}
