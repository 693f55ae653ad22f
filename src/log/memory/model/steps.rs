//! What is done to the log and its model, at random.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Events, and a key.
    Publish(Vec<Made>, Option<u8>),
    Advance(u64),
    Tick,
    Reconfigure(HistorySettings),
    /// Selector, place as a fraction of the head, limits.
    Read(usize, f64, ReadLimit),
    /// Selector, filter.
    Locate(usize, usize, Since),
    /// Prefix, the topic to go on from, limit.
    List(&'static str, Option<usize>, usize),
    /// Topic, which may be one that there never was.
    Purge(usize),
    Drain,
}

/// One event to publish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub topic: usize,
    /// Its place in [`KINDS`].
    pub kind: usize,
    pub bytes: usize,
    /// Received how many milliseconds ago.
    pub ago: u64,
}

/// The types of events, and filters over them.
pub(super) const KINDS: [Option<&str>; 3] = [None, Some("x"), Some("message")];

pub(super) fn filters() -> Vec<Filter> {
    let of = |types: &[&str]| Filter::of(types.iter().map(|t| EventType::parse(t).unwrap()).collect());
    vec![of(&[]), of(&["x"]), of(&["message"]), of(&["x", "message"]), of(&["never"])]
}

pub(super) fn selectors() -> Vec<Selector> {
    let patterns =
        |texts: &[&str]| Selector::Patterns(texts.iter().map(|text| Pattern::parse(text).unwrap()).collect());
    let mut all: Vec<_> = TOPICS.iter().map(|name| Selector::Topic(Topic::parse(name).unwrap())).collect();
    all.extend([
        patterns(&["*"]),
        patterns(&["**"]),
        patterns(&["a.*"]),
        patterns(&["b.**"]),
        patterns(&["a.*", "*.x", "b"]),
        patterns(&["a", "b", "c", "never"]),
        patterns(&["a", "a.**", "**"]),
        patterns(&["b.*.z", "c"]),
        patterns(&["never.**"]),
    ]);
    all
}

fn limits() -> impl Strategy<Value = TopicLimits> {
    (0usize..8, 0usize..6000, 0u64..20_000).prop_map(|(events, bytes, age)| TopicLimits {
        events,
        bytes,
        age: Duration::from_millis(age),
    })
}

pub(super) fn settings() -> impl Strategy<Value = HistorySettings> {
    let rules = prop::collection::vec((prop::sample::select(vec!["a", "a.*", "**", "b.**"]), limits()), 0..3);
    let wide = TopicLimits { events: 100, bytes: 1 << 20, age: Duration::from_hours(1) };
    (prop_oneof![limits(), Just(wide)], rules, 0usize..20_000, 0usize..6).prop_map(
        |(default, rules, total, dedupe_keys)| HistorySettings {
            default,
            rules: rules.into_iter().map(|(text, l)| (Pattern::parse(text).unwrap(), l)).collect(),
            total,
            dedupe_keys,
            dedupe_of: [("a".to_owned(), 1), ("b".to_owned(), 3 - dedupe_keys.min(3))].into(),
        },
    )
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0usize..800, 1 => 3000usize..9000];
    // Up to what is told apart from a clock that was set back.
    let ago = prop_oneof![8 => 0u64..3000, 1 => 0u64..59_000];
    let event = (0..TOPICS.len(), 0..KINDS.len(), bytes, ago).prop_map(|(topic, kind, bytes, ago)| Made {
        topic,
        kind,
        bytes,
        ago,
    });
    let since = prop_oneof![
        1 => Just(Since::Oldest),
        2 => (0usize..12).prop_map(Since::Last),
        1 => (0u64..4000).prop_map(|ms| Since::Ago(Duration::from_millis(ms))),
        2 => (0u64..200_000).prop_map(|ms| Since::Ago(Duration::from_millis(ms))),
    ];
    let limit = (0usize..12, prop_oneof![0usize..3000, Just(usize::MAX)])
        .prop_map(|(events, bytes)| ReadLimit { events, bytes });
    prop_oneof![
        12 => (prop::collection::vec(event, 1..5), prop::option::weighted(0.3, 0u8..8))
            .prop_map(|(events, key)| Step::Publish(events, key)),
        3 => (0u64..4000).prop_map(Step::Advance),
        // Beyond what is not bisected.
        1 => (30_000u64..90_000).prop_map(Step::Advance),
        1 => Just(Step::Tick),
        1 => settings().prop_map(Step::Reconfigure),
        8 => (0..selectors().len(), 0.0..1.1, limit).prop_map(|(s, at, limit)| Step::Read(s, at, limit)),
        6 => (0..selectors().len(), 0..filters().len(), since).prop_map(|(s, f, since)| Step::Locate(s, f, since)),
        2 => (prop::sample::select(vec!["", "a", "a.", "b.y", "c", "d"]), prop::option::of(0..TOPICS.len()), 0usize..9)
            .prop_map(|(prefix, after, limit)| Step::List(prefix, after, limit)),
        2 => (0..TOPICS.len()).prop_map(Step::Purge),
        2 => Just(Step::Drain),
    ]
}
