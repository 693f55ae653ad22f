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

/// Expressions that are mostly of one kind, and now and then of another.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "body.n",
            "body.m",
            "body.z",
            "body.s",
            "body.t",
            "body.b",
            "body.f",
            "body.nil",
            "body.l",
            "body.ls",
            "body.o",
            "body.o.k",
            "body.o.s",
            "body.o.l",
            "body.e",
            "body.eo",
            "body.missing",
            "body.o.missing",
            "body.l[0]",
            "body['s']",
            "body.o['k']",
            "body.l[3]",
            "body.o.l[1].a",
            "1",
            "0",
            "2u",
            "2.5",
            "-1",
            "'abc'",
            "'a'",
            "''",
            "true",
            "false",
            "null",
            "[1, 2]",
            "['a']",
            "{'k': 1}",
            "[]",
            "{}",
            "x",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let binary = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||", "==", "!=", "&&", "||",
        ]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        let method = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
        let function = prop::sample::select(vec!["size", "int", "double", "string", "uint", "!", "-"]);
        prop_oneof![
            4 => (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            2 => (inner.clone(), macros, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}(x, {b})")),
            1 => (inner.clone(), method, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
            2 => (function, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            1 => prop::sample::select(vec!["has(body.n)", "has(body.missing)", "has(body.o.k)", "has(body.o.q)", "has(body.s.q)"])
                .prop_map(str::to_owned),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
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
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn both_evaluators_agree(expression in expressions()) {
        if let Some((ours, theirs)) = both(&expression) {
            prop_assert_eq!(ours, theirs, "{}", expression);
        }
    }
}
