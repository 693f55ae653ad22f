//! What is refused at load, where, and in which words.

use proptest::prelude::*;

use super::*;

#[test]
fn refusals_name_a_place_and_what_is_allowed() {
    for (expression, at, want) in [
        (
            "bdoy.x == 1",
            0,
            "there is no variable \"bdoy\"; there are body, headers, method, path, query, raw, received, source",
        ),
        ("body.x == boody.y", 10, "there is no variable \"boody\""),
        ("'é' == boody", 8, "there is no variable \"boody\""),
        ("[1].all(x, y > 0)", 11, "there is no variable \"y\""),
        ("[1].all(x, true) && x > 0", 20, "there is no variable \"x\""),
        ("[x].all(x, true)", 1, "there is no variable \"x\""),
        (".body", 1, "there is no variable \".body\""),
        ("@result", 0, "not a CEL expression"),
        ("each.x", 0, "`each` is known only in expressions on the elements of `each`"),
        ("index > 0", 0, "`index` is known only"),
        ("upper(body.x)", 5, "there is no function \"upper\"; there are all, bool, contains"),
        ("body.x.trim()", 11, "there is no function \"trim\""),
        ("optional.of(1)", 11, "there is no function \"of\""),
        ("size()", 4, "write size(x)"),
        ("size(1, 2)", 4, "write size(x)"),
        ("'a'.size(1)", 8, "write size(x)"),
        ("contains('a', 'b')", 8, "write x.contains('text')"),
        ("'a'.contains()", 12, "write x.contains('text')"),
        ("'a'.lower()", 9, "write lower(x)"),
        ("has(body)", 3, "write has(body.key)"),
        ("has(body['a'])", 3, "write has(body.key)"),
        ("has(body.a, 1)", 3, "write has(body.key)"),
        ("map(x, 1)", 3, "write list.map(x, x + 1)"),
        ("[1].all(x)", 7, "write list.all(x, x > 0)"),
        ("[1].all(x, true, true)", 7, "write list.all(x, x > 0)"),
        ("[1].all(1, true)", 8, "write a name for the element"),
        ("[1].all(x.y, true)", 9, "write a name for the element"),
        ("timestamp(0).getHours('CET')", 21, "write received.getHours()"),
        ("tokens('a.b') == ['a']", 6, "`tokens` stands in a topic only"),
        ("'a'.matches(body.p)", 11, "the pattern of `matches` must be a literal"),
        ("'a'.matches('(')", 11, "not a regular expression: unclosed group"),
        ("b'a' == b'a'", 0, "a bytes literal can't be used here"),
        ("Foo{a: 1}", 3, "a message literal can't be used here"),
        ("body.?a", 4, "not a CEL expression: unsupported syntax '.?'"),
        ("[?body]", 1, "not a CEL expression"),
        ("body.`a`", 4, "not a CEL expression: unsupported syntax"),
        ("body.x ==", 9, "not a CEL expression"),
        ("body.x == 'é' == )", 18, "not a CEL expression"),
        ("body.x\n  == 1 1", 14, "not a CEL expression"),
        ("(1", 2, "not a CEL expression"),
        ("1 = 1", 2, "not a CEL expression"),
        ("'unended", 0, "not a CEL expression"),
        ("99999999999999999999", 0, "not a CEL expression: invalid int literal"),
        ("1e999", 0, "not a CEL expression: invalid double literal"),
        (r"'\q'", 0, "not a CEL expression"),
        ("if", 0, "not a CEL expression: reserved identifier: if"),
        ("", 0, "there is no expression here"),
        ("  \n ", 0, "there is no expression here"),
        ("${}", 2, "there is no expression here"),
        ("${body.x", 0, "this ${ is not closed by }; write $${ for the characters themselves"),
        (
            "  ${body.x} ${body.y}",
            2,
            "one expression is wanted, such as ${body.events}, and nothing beside it",
        ),
        ("${body.x} && true", 0, "one expression is wanted"),
        (" ${bdoy}", 3, "there is no variable \"bdoy\""),
    ] {
        let (got_at, problem) = refused(expression);
        let text = problem.to_string();
        assert!(text.starts_with(want), "{expression}: {text}");
        assert_eq!(got_at, at, "{expression}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
    assert!(Predicate::compile("filter", "${ has(body.x) }", Known::Request).is_ok());
    assert!(Predicate::compile("filter", "each.x == index", Known::Element).is_ok());
}

#[test]
fn what_is_needed_is_known_after_loading() {
    for (expression, body) in [
        ("true", false),
        ("headers['x'] == raw", false),
        ("[1].exists(body, body == 1)", false),
        ("has(body.x)", true),
        ("false && [1].exists(x, body.x == x)", true),
        ("'body' == path", false),
    ] {
        let filter = Predicate::compile("filter", expression, Known::Request).unwrap();
        assert_eq!(filter.needs_body(), body, "{expression}");
    }
    let topic = |text| TopicTemplate::compile("topic", text, Known::Request).unwrap().needs_body();
    assert!(topic("a.${path}.${tokens(body.x)}") && topic("${body.x}${path}") && !topic("a.${tokens(path)}"));
    assert!(Each::compile("each", "${body.x}").unwrap().needs_body());
    assert!(TypeTemplate::compile("type", "${body.x}", Known::Request).unwrap().needs_body());
    assert!(!Template::compile("data", "${raw}", Known::Request).unwrap().needs_body());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever it is, it is taken or refused with words, at a place within it.
    #[test]
    fn no_text_makes_the_loader_panic(
        any in "\\PC{0,40}",
        alike in "(body|headers|each|has|map|all|x|1|1u|'a'|r'|\"|[-+*/%<>=!&|?:.,(){}\\[\\] $]){0,24}",
    ) {
        for text in [any.clone(), alike.clone(), format!("a.${{{any}}}"), format!("${{{alike}}}.b")] {
            let results = [
                Predicate::compile("filter", &text, Known::Element).err(),
                Template::compile("data", &text, Known::Element).err(),
                TopicTemplate::compile("topic", &text, Known::Element).err(),
            ];
            for refusal in results.into_iter().flatten() {
                prop_assert!(refusal.at <= text.len(), "{text}: {refusal}");
                prop_assert!(!refusal.to_string().is_empty());
            }
        }
    }
}

/// A filter that says neither yes nor no would refuse every webhook, and only once they come.
#[test]
fn a_filter_that_can_never_be_a_bool_is_refused() {
    let text = "this gives string, whatever the request";
    for (filter, at, why) in [
        ("'opened'", 0, text),
        ("'a' + string(body.x)", 4, text),
        ("headers['x-github-event']", 7, text),
        ("query.action", 5, text),
        ("raw", 0, text),
        ("lower(body.action)", 5, text),
        ("true ? 'a' : 'b'", 5, text),
        ("dyn(method)", 3, text),
        ("1", 0, "this gives int, whatever the request"),
        ("size(body.l) - 1", 13, "this gives int, whatever the request"),
        ("null", 0, "this gives null, whatever the request"),
        ("[body.x]", 0, "this gives list, whatever the request"),
        ("body.l.filter(x, x == 1)", 13, "this gives list, whatever the request"),
        ("{'a': true}", 0, "this gives map, whatever the request"),
        ("received", 0, "this gives timestamp, whatever the request"),
        ("body.a + body.b", 7, "this never gives one, whatever the request"),
        ("-body.a", 0, "this never gives one, whatever the request"),
        ("body.x ? 1 : 'a'", 7, "this never gives one, whatever the request"),
    ] {
        let problem = Problem::NeverBool(why.into());
        assert_eq!(refused(filter), (at, problem), "{filter}");
    }
    for filter in [
        "body.is_open",
        "body['is_open']",
        "body.x ? body.y : 'never'",
        "true",
        "bool(query.open)",
        "[1].exists(x, x == 1)",
        "dyn(body.x)",
        "headers == query",
        "!body.x || body.y && has(body.z)",
        "raw.matches('x') ? raw.contains('y') : index == index",
        "each",
    ] {
        let known =
            if filter.contains("index") || filter == "each" { Known::Element } else { Known::Request };
        assert!(Predicate::compile("filter", filter, known).is_ok(), "{filter}");
    }
}
