//! Settings of verifiers that a program brings along: any tree of values, in which `{env: NAME}` and `{file: PATH}` stand
//! for secrets.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::config::marks::{item, member};
use crate::config::written::SecretSource;

/// Their settings, by name. In no output but by name: a setting may be a secret as it is.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Others(pub BTreeMap<String, Value>);

impl Serialize for Others {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| (name, "(settings)")))
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The secret that a node stands for, if it does.
fn source(node: &Value) -> Option<SecretSource> {
    let map = node.as_object()?;
    let (key, value) = map.iter().next()?;
    let text = value.as_str().filter(|text| !text.is_empty())?;
    match key.as_str() {
        "env" if map.len() == 1 => Some(SecretSource::Env { env: text.to_owned() }),
        "file" if map.len() == 1 => Some(SecretSource::File { file: text.into() }),
        _ => None,
    }
}

/// Every secret in the tree, with its path below `path`.
pub(in crate::config::section) fn sources(path: &str, tree: &Value) -> Vec<(String, SecretSource)> {
    let mut found = Vec::new();
    walk(path, tree, &mut |path, source| found.push((path.to_owned(), source)));
    found
}

fn walk(path: &str, node: &Value, visit: &mut dyn FnMut(&str, SecretSource)) {
    if let Some(source) = source(node) {
        return visit(path, source);
    }
    match node {
        Value::Object(map) => {
            map.iter().for_each(|(key, node)| walk(&member(path, key), node, visit));
        }
        Value::Array(list) => {
            let items = list.iter().enumerate();
            items.for_each(|(index, node)| walk(&item(path, index), node, visit));
        }
        _ => {}
    }
}

/// The tree with every secret in its place, as text. `fetch` is asked for each, in order; none where it had nothing.
pub(in crate::config::section) fn resolve(
    path: &str,
    tree: &Value,
    fetch: &mut dyn FnMut(&str, &SecretSource) -> Option<String>,
) -> Option<Value> {
    if let Some(source) = source(tree) {
        return fetch(path, &source).map(Value::String);
    }
    match tree {
        Value::Object(map) => {
            let resolve = |(key, node): (&String, &Value)| {
                let path = member(path, key);
                Some((key.clone(), resolve(&path, node, fetch)?))
            };
            map.iter().map(resolve).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Value::Array(list) => {
            let items = list.iter().enumerate();
            let resolve = |(index, node)| resolve(&item(path, index), node, fetch);
            items.map(resolve).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        other => Some(other.clone()),
    }
}
