//! Expressions that try to run away.

use super::*;
use crate::event::limits::DELIVERY_EVENTS;
use crate::expr::limits::*;

fn list(elements: usize) -> Given {
    Given::json(format!("{{\"l\":[{}]}}", vec!["1"; elements].join(",")))
}

#[test]
fn work_ends_where_the_budget_does() {
    let given = list(2000);
    for expression in [
        "body.l.all(x, body.l.all(y, x == y))",
        "body.l.all(x, body.l.all(y, body.l.all(z, true)))",
        "body.l.map(x, body.l.map(y, 1))",
        "body.l.map(x, body.l)[0] == body.l.map(x, body.l) || body.l.map(x, body.l) == body.l.map(x, body.l)",
        "body.l.all(x, !(2 in body.l))",
        "body.l.all(x, body.l == body.l)",
        "body.l.exists(x, body.l.exists(y, 1 / 0 == 1))",
        "body.l.all(x, size(json(body.l)) > 0)",
        "body.l.all(x, sha256(raw) != '')",
        "body.l.all(x, lower(raw) != '')",
        "body.l.all(x, !raw.matches('(1,)*2'))",
        "body.l.all(x, body == {'l': body.l})",
        "body.l.all(x, !raw.contains('11') && raw == raw && size(raw) > 0)",
        "body.l.map(x, raw + raw)",
        "body.l.exists(x, body.l.map(y, y).filter(y, y == 1).exists_one(y, false))",
    ] {
        let budget = Budget::with(DELIVERY_WORK / 8, MADE_BYTES);
        let given = Given { raw: given.raw.clone(), budget, ..list(0) };
        let failed = given.eval(expression).expect_err(expression);
        assert!(matches!(failed, Why::Work | Why::Made), "{expression}: {failed}");
        if failed == Why::Work {
            // It is over for every later expression of the delivery too.
            assert_eq!(given.budget.used(), DELIVERY_WORK);
            assert_eq!(given.eval("true"), Err(Why::Work));
        }
    }
}

/// What a sender makes long costs as much as it is, whatever is done to it.
#[test]
fn no_function_is_cheaper_than_the_bytes_it_looks_at() {
    const LONG: usize = 64 * 1024;
    let digits = "1".repeat(LONG);
    let used = |expression: &str| {
        let given = Given::json(format!("{{\"n\":\"{digits}\",\"l\":[1]}}"));
        // What it comes to, a failure included, is no matter.
        let compiled = Predicate::compile("filter", &format!("type({expression}) == int"), Known::Request);
        let filter = compiled.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let _ = filter.holds(&given.scope(), None);
        given.budget.used()
    };
    // These hand their argument on, or want no text; `tokens` is for topics, which are short.
    let no_reader = |name: &str| {
        ["type", "dyn", "string", "has", "tokens"].contains(&name)
            || name.starts_with("get")
            || crate::expr::compile::is_macro(name)
    };
    let names: Vec<&str> = crate::expr::compile::NAMES.split(", ").map(str::trim).collect();
    assert!(names.len() > 30);
    for name in names.into_iter().filter(|name| !no_reader(name)) {
        let expression = match name {
            "matches" => "body.n.matches('^a')".to_owned(),
            "contains" | "startsWith" | "endsWith" => format!("body.n.{name}(body.n)"),
            _ => format!("{name}(body.n)"),
        };
        let used = used(&expression);
        assert!(used >= (LONG / STEP_BYTES) as u64, "{expression}: {used}");
    }
    for expression in [
        "body[body.n]",
        "query[body.n]",
        "headers[body.n]",
        "{'a': 1, body.n: 2}[body.n]",
        "body.n in body",
        "body.n in headers",
        "body.n == body.n",
        "body.n < body.n",
        "body.n + ''",
        "body.n in [body.n]",
    ] {
        let used = used(expression);
        assert!(used >= (LONG / STEP_BYTES) as u64, "{expression}: {used}");
    }
}

#[test]
fn parsing_in_a_loop_ends_where_the_budget_does() {
    let list = vec!["1"; 20_000].join(",");
    let digits = "1".repeat(100_000);
    for expression in [
        "body.l.all(x, int(body.n) == 1 || true)",
        "body.l.exists(x, double(body.n) < 0.0)",
        "body.l.all(x, !(body.n in body))",
        "body.l.exists(x, timestamp(body.n) == received)",
    ] {
        let given = Given::json(format!("{{\"n\":\"{digits}\",\"l\":[{list}]}}"));
        assert_eq!(given.eval(expression), Err(Why::Work), "{expression}");
    }
}

#[test]
fn fields_of_one_name_are_paid_for_when_they_are_put_together() {
    let long = "x".repeat(4000);
    let given = list(2000).header("x-a", &long).header("x-a", &long);
    let given = Given { budget: Budget::with(DELIVERY_WORK, 1 << 20), ..given };
    assert_eq!(given.eval("body.l.all(x, headers['x-a'] != '')"), Err(Why::Made));
    let given = list(2000).header("x-a", &long);
    assert_eq!(given.eval("body.l.all(x, headers['x-a'] != '')").as_deref(), Ok("true"), "one is not copied");
}

#[test]
fn a_budget_serves_all_expressions_of_a_delivery() {
    let given = list(1000);
    let filter = Predicate::compile("filter", "body.l.all(x, x == 1)", Known::Request).unwrap();
    let mut runs = 0_u64;
    let failure = loop {
        // A scope of its own, as each line of a body of lines has.
        match filter.holds(&given.scope(), None) {
            Ok(true) => runs += 1,
            Ok(false) => panic!("it holds"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.why, Why::Work);
    assert!((DELIVERY_WORK / 5000..=DELIVERY_WORK / 3000).contains(&runs), "{runs}");
    assert_eq!(given.budget.used(), DELIVERY_WORK);
}

#[test]
fn the_largest_delivery_fits() {
    let event = r#"{"id":"evt_1","type":"order.created","actor":{"type":"User"}}"#;
    let given = Given::json(format!("[{}]", vec![event; DELIVERY_EVENTS].join(",")));
    let scope = given.scope();
    let each = Each::compile("each", "body").unwrap();
    let filter = "each.actor.type != 'Bot' && each.type.startsWith('order.') && has(each.id) && !(each.id in ['a', 'b'])";
    let filter = Predicate::compile("filter", filter, Known::Element).unwrap();
    let topic =
        TopicTemplate::compile("topic", "shop.${tokens(each.type)}.${index}", Known::Element).unwrap();
    let data = Template::compile("data", "${each}", Known::Element).unwrap();
    for element in &each.split(&scope).unwrap() {
        assert!(filter.holds(&scope, Some(element)).unwrap());
        topic.topic(&scope, Some(element)).unwrap();
        assert_eq!(data.data(&scope, Some(element)).unwrap(), event);
    }
    let one_more = Given::json(format!("[{}]", vec!["1"; DELIVERY_EVENTS + 1].join(",")));
    let failure = each.split(&one_more.scope()).err().map(|f| f.why);
    assert_eq!(failure, Some(Why::TooMany(DELIVERY_EVENTS + 1)));
}

#[test]
fn text_and_lists_do_not_grow_without_end() {
    // 2³⁰ times a text, in 30 steps.
    let double = (0..30).fold("raw".to_owned(), |text, _| format!("[{text}].map(x, x + x)[0]"));
    let refusal = Predicate::compile("filter", &double, Known::Request).err();
    assert!(matches!(refusal, Some(LoadError { problem: Problem::TooDeep, .. })));
    let double = (0..20).fold("raw".to_owned(), |text, _| format!("[{text}].map(x, x + x)[0]"));
    let given = Given::json("x".repeat(10_000));
    assert_eq!(given.eval(&format!("size({double})")), Err(Why::Made));
    let given = list(100);
    let double = (0..15).fold("body.l".to_owned(), |text, _| format!("[{text}].map(x, x + x)[0]"));
    assert_eq!(given.eval(&format!("size({double})")), Err(Why::Made));
    // A template that puts the body many times, for each of many events.
    let given = Given::json("x".repeat(100_000));
    let template = Template::compile("data", &"${raw}".repeat(EXPRESSIONS), Known::Request).unwrap();
    let failure = (0..DELIVERY_EVENTS).find_map(|_| template.data(&given.scope(), None).err()).unwrap();
    assert_eq!(failure.why, Why::Made);
    // And after that, not one more try.
    let used = given.budget.used();
    assert_eq!(template.data(&given.scope(), None).unwrap_err().why, Why::Made);
    assert!(given.budget.used() - used < 10_000);
}

#[test]
fn json_that_does_not_fit_is_not_tried_again() {
    let given = list(10_000);
    let given = Given { budget: Budget::with(DELIVERY_WORK, 30_000), ..given };
    assert!(given.eval("body.l.filter(x, false)").is_ok());
    assert_eq!(given.eval("size(json(body))"), Ok("20007".into()));
    assert_eq!(given.eval("size(json(body))"), Err(Why::Made));
    assert_eq!(given.eval("'a' + 'b'"), Err(Why::Made), "nothing is left");
}

#[test]
fn exhaustion_is_not_a_failure_that_another_side_makes_good() {
    let given = Given { budget: Budget::with(500, 1000), ..list(1000) };
    for expression in ["body.l.all(x, true) || true", "!(body.l.all(x, true) && false)"] {
        assert_eq!(given.eval(expression), Err(Why::Work), "{expression}");
    }
    for expression in [
        "raw + raw == '' || true",
        "!(raw + raw == '' && false)",
        "[1, 2].exists(x, x == 1 ? raw + raw == '' : true)",
        "![1, 2].all(x, x == 1 ? raw + raw == '' : false)",
    ] {
        let given = Given { budget: Budget::with(DELIVERY_WORK, 1000), ..list(1000) };
        assert_eq!(given.eval(expression), Err(Why::Made), "{expression}");
    }
}

#[test]
fn an_expression_is_bounded_at_load() {
    let long = format!("'{}'", "x".repeat(TEXT_BYTES));
    assert_eq!(refused(&long), (TEXT_BYTES, Problem::TooLong(TEXT_BYTES + 2)));
    assert_eq!(refused(&format!("${{{long}}}")).1, Problem::TooLong(TEXT_BYTES + 5));
    let nested = |levels| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    let loads = |text: &str| Template::compile("test", &format!("${{{text}}}"), Known::Request).is_ok();
    assert!(loads(&nested(NESTING as usize)));
    let deep = |levels: usize, open: &str, close: &str| {
        refused(&format!("{}1{}", open.repeat(levels), close.repeat(levels))).1
    };
    let too = Problem::TooDeep;
    assert_eq!(deep(NESTING as usize + 1, "(", ")"), too);
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{1:", "}"), ("size(", ")"), ("true ? 1 : ", ""), ("[1].map(x, ", ")")]
    {
        assert_eq!(deep(500, open, close), too, "{open}");
    }
    // Chains nest nothing, and are as deep as they are long.
    assert!(loads(&vec!["1"; DEPTH].join("+")));
    assert_eq!(refused(&vec!["1"; DEPTH + 1].join("+")).1, too);
    assert_eq!(refused(&vec!["1"; TEXT_BYTES / 2].join("+")).1, too);
    assert_eq!(refused(&format!("body{}", ".a".repeat(TEXT_BYTES / 2 - 2))).1, too);
    assert_eq!(refused(&format!("body{}", "[0]".repeat(TEXT_BYTES / 3 - 2))).1, too);
    assert!(loads(&vec!["true"; 200].join("||")), "these are balanced");
    assert!(loads(&format!("[{}]", vec!["1"; NODES - 1].join(","))));
    assert_eq!(refused(&format!("[{}]", vec!["1"; NODES].join(","))).1, Problem::TooLarge);
    assert!(Predicate::compile("filter", &"!".repeat(TEXT_BYTES - 4), Known::Request).is_err());
    assert!(matches!(refused("''.matches('(a{1000}){1000}')").1, Problem::Pattern(_)));
}

/// Patterns are automata without backtracking, so that a byte costs at most a look at each of a pattern's states. These are
/// the worst that can be written: they make the engine keep as many of them alive as the size allows.
const WORST: [&str; 5] = ["(x+x+)+y", "(.*)*a", "(a?){40}a{40}", "(?:.?){100}z", r"(\w|\d|x)*[^x]{60}y"];

#[test]
fn a_pattern_costs_what_it_weighs_and_no_more_than_a_delivery_may() {
    let text = |bytes: usize| Given { raw: "x".repeat(bytes).into(), ..list(0) };
    for pattern in WORST {
        let filter = format!("raw.matches('{}')", pattern.replace('\\', "\\\\"));
        let filter = Predicate::compile("filter", &filter, Known::Request).unwrap();
        // What it costs grows with the text, byte by byte, and is the same whether it matches or not.
        let work = |bytes: usize| {
            let given = text(bytes);
            filter.holds(&given.scope(), None).map(|_| given.budget.used())
        };
        let (one, two) = (work(1000).unwrap(), work(2000).unwrap());
        assert!(two - one >= 1000 && two < 2 * one + 10, "{pattern}: {one}, {two}");
        // A body as large as one may be is over the budget before it is looked at.
        assert_eq!(work(64 << 20).unwrap_err().why, Why::Work, "{pattern}");
        // And so is a small one that is looked at often.
        let given = text(10_000);
        let failure = (0..DELIVERY_WORK / 1000).find_map(|_| filter.holds(&given.scope(), None).err());
        assert_eq!(failure.unwrap().why, Why::Work, "{pattern}");
    }
}

#[test]
fn a_pattern_that_grows_when_it_is_compiled_is_refused_at_load() {
    for pattern in
        ["(a{1000}){1000}", "((a{100}){100}){100}", "(?:.{1000}){10}", "[^x]{5000}", "(\\\\w{100}){100}"]
    {
        let (_, problem) = refused(&format!("raw.matches('{pattern}')"));
        let Problem::Pattern(why) = problem else { panic!("{pattern}: {problem:?}") };
        assert_eq!(&*why, format!("compiled, it takes over {PATTERN_BYTES} bytes"), "{pattern}");
    }
    // What would need backtracking is no pattern at all.
    for pattern in ["(a)(?=b)", "(a)\\\\1", "(?<!a)b"] {
        assert!(matches!(refused(&format!("raw.matches('{pattern}')")).1, Problem::Pattern(_)), "{pattern}");
    }
}

#[test]
fn deep_values_fit_the_stack() {
    // As deep as JSON may be, on a stack as small as any thread here has.
    let depth = 127;
    let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let work = move || {
        let given = Given::json(body);
        let wrapped = (0..20).fold("body".to_owned(), |text, _| format!("[{text}]"));
        assert_eq!(given.eval(&format!("{wrapped} == {wrapped}")).as_deref(), Ok("true"));
        assert_eq!(given.eval(&wrapped).map(|text| text.len()), Ok(2 * (depth + 20)));
        let chain = vec!["size(body)"; DEPTH - 3].join("+");
        assert!(given.eval(&chain).is_ok());
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().unwrap();
    assert!(matches!(Given::json("[".repeat(100_000)).eval("body"), Err(Why::NotJson { .. })));
    assert!(matches!(
        Given::json(format!("{}{}", "[".repeat(128), "]".repeat(128))).eval("body"),
        Err(Why::NotJson { .. })
    ));
}
