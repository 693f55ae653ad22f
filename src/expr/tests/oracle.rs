//! Against the `cel` crate's own evaluator: on what both have, they must agree.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Program, Value};
use proptest::prelude::*;

use super::*;

const BODY: &str = r#"{"n":7,"m":-2,"z":0,"s":"abc","t":"","b":true,"f":1.5,"nil":null,"l":[1,2,3],"ls":["a","b"],
    "o":{"k":1,"s":"abc","l":[{"a":1},{"a":2}]},"e":[],"eo":{}}"#;

fn to_cel(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => {
            n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int)
        }
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(list) => Value::List(Arc::new(list.iter().map(to_cel).collect())),
        serde_json::Value::Object(map) => {
            let map: HashMap<Key, Value> = map.iter().map(|(k, v)| (k.as_str().into(), to_cel(v))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// None for what JSON can't hold.
fn from_cel(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::UInt(n) => (*n).into(),
        Value::Float(n) => serde_json::Number::from_f64(*n)?.into(),
        Value::String(text) => text.as_str().into(),
        Value::List(list) => list.iter().map(from_cel).collect::<Option<Vec<_>>>()?.into(),
        Value::Map(map) => {
            let entries = map.map.iter().map(|(k, v)| Some((k.to_string(), from_cel(v)?)));
            serde_json::Value::Object(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Number,
    Text,
    Truth,
    List,
}

/// Expressions of a kind, now and then of another, so that failures are compared too. `x` is a number.
fn expressions(wanted: Wanted, depth: u32) -> BoxedStrategy<String> {
    use Wanted::{List, Number, Text, Truth};
    let leaf = prop::sample::select(match wanted {
        Number => vec![
            "body.n",
            "body.m",
            "body.z",
            "body.o.k",
            "body.l[0]",
            "x",
            "1",
            "-2",
            "body.o.l[1].a",
            "body.l[3]",
        ],
        Text => vec![
            "body.s",
            "body.t",
            "body.o.s",
            "body['s']",
            "'abc'",
            "'a'",
            "''",
            "body.ls[1]",
            "body.missing",
        ],
        Truth => {
            vec!["body.b", "true", "false", "has(body.n)", "has(body.q)", "has(body.o.k)", "body.nil == null"]
        }
        List => vec!["body.l", "body.e", "[1, 2]", "[x, body.n]", "body.o.l.map(e, e.a)", "[3, 3]"],
    });
    let mut noise = vec!["body.nil", "2u", "2.5", "body.f", "body.ls", "null"];
    // The other evaluator adds a map to a list; in CEL there is no such `+`.
    if !matches!(wanted, List) {
        noise.extend(["{'k': 1}", "body.o", "body.eo"]);
    }
    let noise = prop::sample::select(noise);
    let leaf = prop_oneof![24 => leaf, 1 => noise].prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    let sub = |kind| expressions(kind, depth - 1);
    let two = |kind, signs: Vec<&'static str>| {
        (sub(kind), prop::sample::select(signs), sub(kind))
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
    };
    let choice =
        (sub(Truth), sub(wanted), sub(wanted)).prop_map(|(when, a, b)| format!("({when} ? {a} : {b})"));
    let over = |names: Vec<&'static str>, body| {
        (sub(List), prop::sample::select(names), sub(body))
            .prop_map(|(list, name, body)| format!("{list}.{name}(x, {body})"))
    };
    let own = match wanted {
        Number => prop_oneof![
            3 => two(Number, vec!["+", "-", "*", "/", "%"]),
            1 => prop_oneof![sub(List), sub(Text)].prop_map(|a| format!("size({a})")),
            1 => sub(Number).prop_map(|a| format!("-({a})")),
            1 => (sub(List), sub(Number)).prop_map(|(list, at)| format!("{list}[{at}]")),
            1 => sub(Number).prop_map(|a| format!("int(string({a}))")),
            1 => sub(Number).prop_map(|a| format!("int(double({a}) / 2.0)")),
        ]
        .boxed(),
        Text => prop_oneof![two(Text, vec!["+"]), sub(Number).prop_map(|a| format!("string({a})"))].boxed(),
        Truth => prop_oneof![
            3 => two(Number, vec!["==", "!=", "<", "<=", ">", ">="]),
            1 => two(Text, vec!["==", "!=", "<", ">="]),
            2 => two(Truth, vec!["&&", "||"]),
            1 => two(List, vec!["==", "!="]),
            1 => (sub(Number), sub(List)).prop_map(|(a, list)| format!("({a} in {list})")),
            1 => (sub(Text), sub(Text)).prop_map(|(a, b)| format!("{a}.contains({b})")),
            1 => (sub(Text), sub(Text)).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
            1 => (sub(Text), sub(Number)).prop_map(|(a, b)| format!("({a} == {b})")),
            1 => sub(Truth).prop_map(|a| format!("!({a})")),
            3 => over(vec!["all", "exists", "exists_one"], Truth),
        ]
        .boxed(),
        List => {
            prop_oneof![two(List, vec!["+"]), over(vec!["map"], Number), over(vec!["filter"], Truth)].boxed()
        }
    };
    prop_oneof![2 => leaf, 6 => own, 1 => choice].boxed()
}

fn any_expression() -> impl Strategy<Value = String> {
    let kinds = [Wanted::Number, Wanted::Text, Wanted::Truth, Wanted::List];
    prop::sample::select(kinds.to_vec()).prop_flat_map(|kind| expressions(kind, 3))
}

/// Both results: JSON, or none where it fails.
fn both(expression: &str) -> Option<(Option<serde_json::Value>, Option<serde_json::Value>)> {
    // `x` outside a macro: ours refuses at load what the other refuses when it is evaluated.
    let expression = format!("[1].map(x, {expression})[0]");
    let text = format!("${{json({expression})}}");
    let ours = Template::compile("test", &text, Known::Request).ok()?;
    let given = Given::json(BODY);
    let ours = ours.data(&given.scope(), None).ok();
    let ours = ours.map(|text| serde_json::from_slice(&text).unwrap());

    let mut context = Context::default();
    context.add_variable_from_value("body", to_cel(&serde_json::from_str(BODY).unwrap()));
    let theirs = Program::compile(&expression).unwrap().execute(&context).ok();
    Some((ours, theirs.as_ref().and_then(from_cel)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_evaluators_agree(expression in any_expression()) {
        if let Some((ours, theirs)) = both(&expression) {
            prop_assert_eq!(ours, theirs, "{}", expression);
        }
    }
}
