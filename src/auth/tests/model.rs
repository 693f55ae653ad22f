//! The judgement against one that knows nothing of patterns: sets of topics, of a space in which each topic is tried.
//!
//! Names of one to four tokens of three words, and patterns of one to three: whatever two such patterns have in common,
//! or one has that the other has not, shows in some of these names. One word is what `a.b` is escaped to.

use proptest::prelude::*;

use super::*;
use crate::event::Topic;

const WORDS: [&str; 3] = ["a", "b", "a~2Eb"];

/// Each topic is one bit.
type Set = u128;

fn space() -> Vec<Topic> {
    let mut names: Vec<String> = WORDS.map(str::to_owned).into();
    let mut last = names.clone();
    for _ in 1..4 {
        last = last.iter().flat_map(|name| WORDS.map(|word| format!("{name}.{word}"))).collect();
        names.extend(last.iter().cloned());
    }
    names.iter().map(|name| Topic::parse(name).unwrap()).collect()
}

/// What a pattern stands for, by its definition in the contract alone.
fn set(space: &[Topic], text: &str) -> Set {
    fn is(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern, name) {
            ([], []) | (["**"], [_, ..]) => true,
            (["*", pattern @ ..], [_, name @ ..]) => is(pattern, name),
            ([one, pattern @ ..], [other, name @ ..]) => one == other && is(pattern, name),
            _ => false,
        }
    }
    let pattern: Vec<&str> = text.split('.').collect();
    let matched = space.iter().enumerate().filter(|(_, topic)| {
        let name: Vec<&str> = topic.as_str().split('.').collect();
        is(&pattern, &name)
    });
    matched.map(|(bit, _)| 1 << bit).sum()
}

fn is_subset(inner: Set, outer: Set) -> bool {
    inner & !outer == 0
}

/// The app's word.
#[derive(Clone, Debug)]
enum Word<T> {
    None,
    All,
    Only(Vec<T>),
}

/// What the rules and what is granted come to, as sets.
struct Model {
    rules: Vec<(Set, Access)>,
    default: Access,
    /// None without a token.
    token: Option<Vec<Set>>,
    app: Word<Set>,
}

impl Model {
    fn asked(&self, one: Set) -> Vec<Access> {
        let mut asked = Vec::new();
        for (rule, access) in &self.rules {
            if rule & one != 0 {
                asked.push(*access);
            }
            if is_subset(one, *rule) {
                return asked;
            }
        }
        asked.push(self.default);
        asked
    }

    fn admits(&self, access: Access, one: Set) -> Result<(), Denied> {
        let covers = |granted: &[Set]| granted.iter().any(|granted| is_subset(one, *granted));
        match access {
            Access::Public => Ok(()),
            Access::Deny => Err(Denied::Rule),
            Access::Jwt => match &self.token {
                None => Err(Denied::NoToken),
                Some(granted) => covers(granted).then_some(()).ok_or(Denied::Topic),
            },
            Access::Forward => match &self.app {
                Word::All => Ok(()),
                Word::Only(granted) if covers(granted) => Ok(()),
                _ => Err(Denied::App),
            },
        }
    }

    fn judge(&self, wanted: &[Set]) -> Result<(), Denied> {
        let all = wanted.iter().flat_map(|one| self.asked(*one).into_iter().map(|a| self.admits(a, *one)));
        all.filter_map(Result::err).min().map_or(Ok(()), Err)
    }
}

fn any_pattern() -> impl Strategy<Value = String> {
    let word = prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("a~2Eb"), 3 => Just("*")];
    let last =
        prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("a~2Eb"), 2 => Just("*"), 2 => Just("**")];
    (proptest::collection::vec(word, 0..3), last).prop_map(|(mut words, last)| {
        words.push(last);
        words.join(".")
    })
}

fn any_access() -> impl Strategy<Value = Access> {
    prop_oneof![
        3 => Just(Access::Public),
        4 => Just(Access::Jwt),
        2 => Just(Access::Forward),
        1 => Just(Access::Deny),
    ]
}

fn patterns_of(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(any_pattern(), count)
}

/// A value of a claim, and the word that it is in a pattern; none where it is none.
fn any_value() -> impl Strategy<Value = (Value, Option<&'static str>)> {
    prop_oneof![
        4 => Just((json!("a"), Some("a"))),
        2 => Just((json!("b"), Some("b"))),
        3 => Just((json!("a.b"), Some("a~2Eb"))),
        1 => Just((json!("*"), Some("~2A"))),
        1 => Just((json!("**"), Some("~2A~2A"))),
        1 => Just((json!("a~2Eb"), Some("a~7E2Eb"))),
        1 => Just((json!(7), Some("7"))),
        1 => Just((json!(true), Some("true"))),
        1 => Just((json!(1.5), None)),
        1 => Just((json!(""), None)),
        1 => Just((json!(["a"]), None)),
        1 => Just((json!({}), None)),
        1 => Just((Value::Null, None)),
    ]
}

/// A template, and what it is with `{sub}` replaced by a word.
fn any_template() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{sub}",
        "{sub}.**",
        "{sub}.*",
        "a.{sub}",
        "*.{sub}",
        "*.{sub}.**",
        "{sub}.{sub}",
        "b.**",
    ])
}

#[derive(Clone, Debug)]
struct Case {
    rules: Vec<(String, Access)>,
    default: Access,
    wanted: Vec<String>,
    token: Option<TokenCase>,
    app: Word<String>,
}

#[derive(Clone, Debug)]
struct TokenCase {
    /// What its claim `topics` lists.
    listed: Vec<String>,
    /// The claim that templates are filled with, and the word that it is in a pattern; none where it is none.
    value: (Value, Option<&'static str>),
    templates: Vec<&'static str>,
}

fn any_case() -> impl Strategy<Value = Case> {
    let token = (patterns_of(0..3), any_value(), proptest::collection::vec(any_template(), 0..3))
        .prop_map(|(listed, value, templates)| TokenCase { listed, value, templates });
    let app = prop_oneof![
        1 => Just(Word::None),
        1 => Just(Word::All),
        2 => patterns_of(0..3).prop_map(Word::Only),
    ];
    (
        proptest::collection::vec((any_pattern(), any_access()), 0..5),
        any_access(),
        patterns_of(1..4),
        proptest::option::weighted(0.9, token),
        app,
    )
        .prop_map(|(rules, default, wanted, token, app)| Case { rules, default, wanted, token, app })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_judgement_is_that_of_sets(case in any_case()) {
        let space = space();
        let of = |texts: &[String]| texts.iter().map(|text| set(&space, text)).collect::<Vec<_>>();
        let granted = case.token.as_ref().map(|TokenCase { listed, value: (_, word), templates }| {
            let mut granted = of(listed);
            let filled = templates.iter().filter_map(|template| {
                if template.contains('{') { Some(template.replace("{sub}", (*word)?)) } else { Some((*template).to_owned()) }
            });
            granted.extend(filled.map(|text| set(&space, &text)));
            granted
        });
        let model = Model {
            rules: case.rules.iter().map(|(text, access)| (set(&space, text), *access)).collect(),
            default: case.default,
            token: granted,
            app: match &case.app {
                Word::None => Word::None,
                Word::All => Word::All,
                Word::Only(texts) => Word::Only(of(texts)),
            },
        };

        let real = Rules::new(case.rules.iter().map(|(text, access)| (pattern(text), *access)).collect(), case.default);
        // `sub` has to be a text, so the claim has another name there.
        let bearer = case.token.as_ref().map(|TokenCase { listed, value: (value, _), templates }| {
            let allow: Vec<String> = templates.iter().map(|template| template.replace("{sub}", "{id}")).collect();
            let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
            tokens(&allow).read(&token(&json!({ "topics": listed, "id": value })), NOW).unwrap()
        });
        let app = match &case.app {
            Word::None => None,
            Word::All => Some(word(None)),
            Word::Only(texts) => Some(word(Some(&texts.iter().map(String::as_str).collect::<Vec<_>>()))),
        };

        let selector = Selector::of(case.wanted.iter().map(|text| pattern(text)).collect());
        let judged = real.judge(&selector, bearer.as_ref(), app.as_ref());
        prop_assert_eq!(judged, model.judge(&of(&case.wanted)));

        // What has to be brought is what is asked for, no less and no more.
        let needs = real.needs(&selector);
        let asked: Vec<Access> = of(&case.wanted).iter().flat_map(|one| model.asked(*one)).collect();
        let want = Needs {
            jwt: asked.contains(&Access::Jwt),
            forward: asked.contains(&Access::Forward),
            denied: asked.contains(&Access::Deny),
        };
        prop_assert_eq!(needs, want);

        // Whoever may have a pattern may have each topic of it by name.
        if judged.is_ok() {
            for topic in space.iter().filter(|topic| selector.matches(topic)) {
                let one = Selector::Topic(topic.clone());
                prop_assert_eq!(real.judge(&one, bearer.as_ref(), app.as_ref()), Ok(()), "{}", topic);
            }
        }
    }

    /// A name is decided by the first rule that matches it, and nothing else.
    #[test]
    fn a_name_is_decided_by_the_first_rule(case in any_case(), index in any::<prop::sample::Index>()) {
        let space = space();
        let topic = index.get(&space);
        let real = Rules::new(case.rules.iter().map(|(text, access)| (pattern(text), *access)).collect(), case.default);
        let first = case.rules.iter().find(|(text, _)| pattern(text).matches(topic)).map_or(case.default, |(_, a)| *a);
        let one = Selector::Topic(topic.clone());
        let all = (bearer(&["**"]), word(None));
        let want = if first == Access::Deny { Err(Denied::Rule) } else { Ok(()) };
        prop_assert_eq!(real.judge(&one, Some(&all.0), Some(&all.1)), want);
        let want = match first {
            Access::Public => Ok(()),
            Access::Jwt => Err(Denied::NoToken),
            Access::Forward => Err(Denied::App),
            Access::Deny => Err(Denied::Rule),
        };
        prop_assert_eq!(real.judge(&one, None, None), want);
        // As a pattern it is the same.
        let as_pattern = Selector::Patterns([Pattern::from(topic)].into());
        prop_assert_eq!(real.judge(&as_pattern, None, None), want);
    }
}

#[test]
fn the_space_tells_patterns_apart() {
    let space = space();
    assert_eq!(space.len(), 120);
    assert_eq!(set(&space, "**").count_ones(), 120);
    assert_eq!(set(&space, "*.*").count_ones(), 9);
    assert!(!is_subset(set(&space, "*.*.**"), set(&space, "*.*.*")));
}
