//! The matcher finds whom a look at each pattern finds. Lines are patterns, the last one a topic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::event::{Pattern, Selector, Topic};
use sidestream::fanout::matcher::Matcher;

fuzz_target!(|text: &str| {
    let Some((patterns, topic)) = text.rsplit_once('\n') else { return };
    let Ok(topic) = Topic::parse(topic) else { return };
    let patterns: Vec<Pattern> = patterns.lines().filter_map(|text| Pattern::parse(text).ok()).collect();
    let mut matcher = Matcher::default();
    for (id, pattern) in patterns.iter().enumerate() {
        matcher.insert(&Selector::of(vec![pattern.clone()]), id);
    }
    let mut found = Vec::new();
    matcher.matches(&topic, &mut found);
    let want: Vec<usize> = (0..patterns.len()).filter(|&id| patterns[id].matches(&topic)).collect();
    assert_eq!(found, want);
    for (id, pattern) in patterns.iter().enumerate() {
        matcher.remove(&Selector::of(vec![pattern.clone()]), id);
    }
    assert!(matcher.is_empty());
});
