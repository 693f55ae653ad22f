//! Topics: a value fills its place and no more.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::event::limits::{TOPIC_BYTES, TOPIC_TOKENS};
use crate::event::{NameError, Pattern, Topic};

use super::*;

fn topic(given: &Given, text: &str) -> Result<String, Why> {
    let template =
        TopicTemplate::compile("topic", text, Known::Request).unwrap_or_else(|e| panic!("{text}: {e}"));
    template.topic(&given.scope(), None).map(|t| t.to_string()).map_err(|failure| failure.why)
}

#[test]
fn a_value_fills_one_token() {
    let given = Given::json(
        r#"{"a":"x","dots":"a.b","star":"**","t":"~41","u":"é/ %","n":-7,"f":1.5,"b":true,"e":"","l":[]}"#,
    );
    for (text, want) in [
        ("orders", "orders"),
        ("caf~C3~A9.x", "caf~C3~A9.x"),
        ("github.${body.a}", "github.x"),
        ("${body.a}.${body.a}", "x.x"),
        ("a-${body.a}${body.a}-b.c", "a-xx-b.c"),
        ("x.${body.dots}", "x.a~2Eb"),
        ("x.${body.star}", "x.~2A~2A"),
        ("x.${body.t}", "x.~7E41"),
        ("x.${body.u}", "x.~C3~A9~2F~20~25"),
        ("x.${body.n}.${body.f}.${body.b}", "x.-7.1~2E5.true"),
        ("${received}", "2026-11-24T08:50:41~2E007Z"),
        ("${tokens(body.dots)}", "a.b"),
        ("x.${tokens(body.dots)}.${tokens(body.dots)}.y", "x.a.b.a.b.y"),
        ("x.${ tokens(body.star + '.' + body.u) }", "x.~2A~2A.~C3~A9~2F~20~25"),
    ] {
        assert_eq!(topic(&given, text).as_deref(), Ok(want), "{text}");
    }
    for (text, want) in [
        ("x.${body.e}", Why::Empty),
        ("x${body.e}", Why::Empty),
        ("${tokens(body.e)}", Why::Empty),
        ("${tokens(body.dots + '.')}", Why::Empty),
        ("${tokens('a..b')}", Why::Empty),
        ("x.${body.l}", Why::NotText(Kind::List)),
        ("x.${null}", Why::NotText(Kind::Null)),
        ("${'sidestream'}.x", Why::Name(NameError::Reserved)),
        ("${tokens('sidestream.x')}", Why::Name(NameError::Reserved)),
        ("${'side'}stream.x", Why::Name(NameError::Reserved)),
    ] {
        assert_eq!(topic(&given, text), Err(want), "{text}");
    }
}

#[test]
fn a_topic_has_its_bounds() {
    let given = |n: usize, part: &str| Given::json(serde_json::json!({"v": part.repeat(n)}).to_string());
    assert!(topic(&given(TOPIC_BYTES, "a"), "${body.v}").is_ok());
    let long = Err(Why::Name(NameError::TooLong(TOPIC_BYTES + 1)));
    assert_eq!(topic(&given(TOPIC_BYTES + 1, "a"), "${body.v}"), long);
    assert_eq!(topic(&given(TOPIC_BYTES - 1, "a"), "a.${body.v}"), long);
    assert!(matches!(topic(&given(100, "é"), "${body.v}"), Err(Why::Name(NameError::TooLong(600)))));
    assert!(topic(&given(TOPIC_TOKENS - 1, "a."), "${tokens(body.v + 'a')}").is_ok());
    let many = Err(Why::Name(NameError::TooManyTokens(TOPIC_TOKENS + 1)));
    assert_eq!(topic(&given(TOPIC_TOKENS, "a."), "${tokens(body.v + 'a')}"), many);
}

#[test]
fn fixed_parts_are_checked_at_load() {
    let long = "a".repeat(TOPIC_BYTES);
    for (text, at, want) in [
        ("", 0, NameError::Empty),
        (".", 0, NameError::EmptyToken),
        ("a..b", 2, NameError::EmptyToken),
        (".${path}", 0, NameError::EmptyToken),
        ("${path}.", 8, NameError::EmptyToken),
        ("${path}..${path}", 8, NameError::EmptyToken),
        ("${tokens(path)}..a", 16, NameError::EmptyToken),
        ("${tokens(path)}.", 16, NameError::EmptyToken),
        ("a.*", 2, NameError::Wildcard),
        ("a.b c.${path}", 2, NameError::Character(' ')),
        ("${path}/x", 7, NameError::Character('/')),
        ("a.$${path}", 2, NameError::Character('$')),
        ("a~4${path}", 0, NameError::Escape),
        ("a~${path}", 0, NameError::Escape),
        ("sidestream.x", 0, NameError::Reserved),
        ("sidestream.${path}", 0, NameError::Reserved),
        (&format!("{long}${{path}}"), 0, NameError::TooLong(TOPIC_BYTES + 1)),
        (&vec!["${path}"; TOPIC_TOKENS + 1].join("."), 0, NameError::TooManyTokens(TOPIC_TOKENS + 1)),
    ] {
        let refusal = TopicTemplate::compile("topic", text, Known::Request).err();
        assert_eq!(refusal, Some(LoadError { at, problem: Problem::Topic(want) }), "{text}");
    }
    for text in [
        "a${tokens(path)}",
        "${tokens(path)}${path}",
        "${path}${tokens(path)}",
        "${tokens(path)}a",
        "${lower(tokens(path))}",
    ] {
        let refusal = TopicTemplate::compile("topic", text, Known::Request).err();
        assert!(matches!(refusal, Some(LoadError { problem: Problem::Tokens, .. })), "{text}");
    }
    assert!(TopicTemplate::compile("topic", "sidestreams.${path}", Known::Request).is_ok());
}

/// Fixed parts and `true` for an expression, and the text that has them.
fn templates() -> impl Strategy<Value = (Vec<Vec<Option<String>>>, String)> {
    let part = prop_oneof![Just(None), "[a-zA-Z0-9_:@-]{1,4}|~2E".prop_map(Some)];
    let token = proptest::collection::vec(part, 1..4);
    proptest::collection::vec(token, 1..6).prop_map(|tokens| {
        let text: Vec<String> = tokens
            .iter()
            .map(|parts| parts.iter().map(|p| p.as_deref().unwrap_or("${body.v}")).collect())
            .collect();
        let text = text.join(".");
        (tokens, text)
    })
}

fn unescaped(token: &str) -> Vec<u8> {
    let mut parts = token.split('~');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_value_reaches_into_another_topic(
        (tokens, text) in templates(),
        value in "\\PC{1,12}|[.*~/%A-F0-9]{1,12}|sidestream",
    ) {
        let given = Given::json(serde_json::json!({"v": value}).to_string());
        let got = match topic(&given, &text) {
            Ok(got) => got,
            Err(Why::Name(NameError::TooLong(_) | NameError::Reserved)) => return Ok(()),
            Err(other) => return Err(TestCaseError::fail(format!("{text}: {other}"))),
        };
        prop_assert!(Topic::parse(&got).is_ok());
        // Exactly the template's tokens, and each undone is what it was made of.
        let parts: Vec<&str> = got.split('.').collect();
        prop_assert_eq!(parts.len(), tokens.len());
        for (part, token) in parts.iter().zip(&tokens) {
            let want: Vec<u8> = token
                .iter()
                .flat_map(|p| p.as_ref().map_or(value.clone().into_bytes(), |fixed| unescaped(fixed)))
                .collect();
            prop_assert_eq!(unescaped(part), want);
        }
        // Who listens to one token in its place hears it, and who listens to the template's other tokens does not.
        let pattern: Vec<&str> = parts.iter().zip(&tokens).map(|(part, token)| {
            if token.iter().all(Option::is_some) { part } else { "*" }
        }).collect();
        let pattern = Pattern::parse(&pattern.join(".")).unwrap();
        prop_assert!(pattern.matches(&Topic::parse(&got).unwrap()));
    }

    /// Two values never make one topic.
    #[test]
    fn values_are_told_apart(values in proptest::collection::vec("[.*~2EA]{1,4}", 2..12)) {
        let mut seen: HashMap<String, String> = HashMap::new();
        for value in values {
            let given = Given::json(serde_json::json!({"v": value}).to_string());
            let made = topic(&given, "a.${body.v}").unwrap();
            if let Some(other) = seen.insert(made, value.clone()) {
                prop_assert_eq!(other, value);
            }
        }
    }
}
