//! The JSON Schema of the configuration, and every way in which a file misses it.
//!
//! The schema is generated from the raw twins, so it cannot differ from what is deserialised. Its validator finds all
//! errors with their paths; the messages are our own, built from what the schema expects at that path, since a
//! validator's words (`anyOf`, "is not valid under any of the given schemas") help nobody who wrote a YAML file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::marks::{item, member};
use super::section::Root;
use super::written::{self, EXPECTED, KINDS, Misread, SECRET};

/// Characters of a wrong value that are quoted back.
const QUOTED_CHARS: usize = 40;

/// The schema as published by `sidestream schema`.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = Value::from(settings.into_generator().into_root_schema_for::<Root>());
    tidy(&mut schema);
    schema["title"] = "sidestream".into();
    schema
});

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let options = KINDS.iter().fold(options, |options, (format, check)| {
        options.with_format(*format, move |text: &str| check(text).is_none())
    });
    options.build(&SCHEMA).expect("the generated schema is one")
});

/// Removes from a generated schema what misleads: null where a key is merely optional, and defaults that are not
/// written (`null`) or that repeat those of the keys within.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(options)) = map.get_mut("anyOf") {
                options.retain(|option| option.get("type") != Some(&"null".into()));
                if options.len() == 1
                    && let Some(Value::Object(only)) = options.pop()
                {
                    map.remove("anyOf");
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if types.len() == 1 {
                    let only = types.remove(0);
                    map.insert("type".into(), only);
                }
            }
            if matches!(map.get("default"), Some(Value::Null | Value::Object(_))) {
                map.remove("default");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// One miss: where, whether the key or its value is meant, and what is expected.
pub(super) struct Miss {
    pub path: String,
    pub about: About,
    pub message: String,
}

/// Which part of an entry a message is about, and so where it points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Key,
    Value,
}

/// Removes sections and lists that are written without content (`edge:` and nothing below): they are as good as not
/// written, and common once every key below has been commented out.
pub(super) fn drop_empty(value: &mut Value) {
    fn walk(value: &mut Value, schema: &Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, value| {
                    let kind = schema["properties"][key]["type"].as_str();
                    !(value.is_null() && matches!(kind, Some("object" | "array")))
                });
                map.iter_mut().for_each(|(key, value)| walk(value, &schema["properties"][key]));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| walk(value, &schema["items"])),
            _ => {}
        }
    }
    if value.is_null() {
        *value = Value::Object(serde_json::Map::new());
    }
    walk(value, &SCHEMA);
}

/// Finds every miss in `value`, and takes what is wrong out of it, so that the rest can still be checked: a key goes
/// back to its default, an item of a list becomes empty.
pub(super) fn validate(value: &mut Value) -> Vec<Miss> {
    let mut misses = BTreeMap::new();
    let mut wrong = Vec::new();
    for error in VALIDATOR.iter_errors(value) {
        let place = Place::of(error.instance_path().iter());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    let unknown = place.child(key);
                    misses.insert(unknown.path.clone(), (About::Key, unknown_key(key, place.schema)));
                    wrong.push(unknown.steps);
                }
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let expected = expectation(&place.schema["properties"][key]);
                let path = member(&place.path, key);
                misses.insert(path, (About::Key, format!("missing; expected {expected}")));
            }
            _ => {
                misses
                    .entry(place.path)
                    .or_insert((About::Value, wrong_value(error.instance(), place.schema)));
                wrong.push(place.steps);
            }
        }
    }
    for steps in &wrong {
        remove(value, steps);
    }
    misses.into_iter().map(|(path, (about, message))| Miss { path, about, message }).collect()
}

/// A place in the tree: as text, as steps, and what the schema says of it.
struct Place {
    path: String,
    steps: Vec<Step>,
    schema: &'static Value,
}

#[derive(Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl Place {
    fn of<'a>(segments: impl Iterator<Item = LocationSegment<'a>>) -> Self {
        let mut place = Self { path: String::new(), steps: Vec::new(), schema: &SCHEMA };
        for segment in segments {
            place = match segment {
                LocationSegment::Property(key) => place.child(&key),
                LocationSegment::Index(index) => Self {
                    path: item(&place.path, index),
                    steps: [place.steps, vec![Step::Item(index)]].concat(),
                    schema: &place.schema["items"],
                },
            };
        }
        place
    }

    fn child(&self, key: &str) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step::Key(key.to_owned()));
        Self { path: member(&self.path, key), steps, schema: &self.schema["properties"][key] }
    }
}

fn remove(value: &mut Value, steps: &[Step]) {
    match (steps, value) {
        ([], root) => *root = Value::Object(serde_json::Map::new()),
        ([Step::Key(key)], Value::Object(map)) => {
            map.remove(key);
        }
        ([Step::Key(key), rest @ ..], Value::Object(map)) => {
            if let Some(value) = map.get_mut(key) {
                remove(value, rest);
            }
        }
        // An item is never taken out: the paths of those behind it would be wrong.
        ([Step::Item(index), rest @ ..], Value::Array(list)) => {
            if let Some(value) = list.get_mut(*index) {
                remove(value, rest);
            }
        }
        _ => {}
    }
}

fn unknown_key(key: &str, schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else { return "unknown key".into() };
    let allowed: Vec<&str> = properties.keys().map(String::as_str).collect();
    let near = nearest(key, &allowed).map(|near| format!(" did you mean {near}?")).unwrap_or_default();
    format!("unknown key;{near} allowed here: {}", allowed.join(", "))
}

fn wrong_value(value: &Value, schema: &Value) -> String {
    let got = if schema[SECRET] == true { kind_of(value).to_owned() } else { quoted(value) };
    let format = schema["format"].as_str().unwrap_or_default();
    match value.as_str().and_then(|text| written::check(format, text)) {
        Some(Misread::Because(why)) => format!("{why}; got {got}"),
        _ => format!("expected {}; got {got}", expectation(schema)),
    }
}

/// What the schema expects, in words that follow "expected".
fn expectation(schema: &Value) -> String {
    if let Some(text) = schema[EXPECTED].as_str() {
        return text.to_owned();
    }
    let words = |list: &Value| -> Vec<String> {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(|v| v.as_str().or_else(|| v["const"].as_str()).map(str::to_owned)).collect()
    };
    let choices =
        [words(&schema["enum"]), words(&schema["oneOf"]), words(&Value::Array(vec![schema.clone()]))];
    if let Some(choices) = choices.iter().find(|choices| !choices.is_empty()) {
        return choices.join(" or ");
    }
    match schema["type"].as_str() {
        Some("integer") => format!("a whole number from {} to {}", schema["minimum"], schema["maximum"]),
        Some("array") => match schema["maxItems"].as_u64() {
            Some(most) => format!("a list of at most {most} items"),
            None => "a list".into(),
        },
        Some("object") => match schema["properties"].as_object() {
            Some(keys) => {
                format!("a mapping with the keys {}", keys.keys().cloned().collect::<Vec<_>>().join(", "))
            }
            None => "a mapping".into(),
        },
        Some(other) => format!("a {other}"),
        None => "another value".into(),
    }
}

/// A wrong value, short enough to be quoted back.
fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Array(_) | Value::Object(_) => kind_of(value).into(),
        other => {
            let text = other.to_string();
            match text.char_indices().nth(QUOTED_CHARS) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty text",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The allowed key that `key` is most likely a slip of, if one is near enough.
pub(super) fn nearest<'a>(key: &str, allowed: &[&'a str]) -> Option<&'a str> {
    /// Longer keys are no slips of ours, whose longest has 18 bytes; the bound keeps the comparison cheap.
    const LONGEST: usize = 32;
    if key.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let distance = |other: &str| distance(&plain(key), &plain(other));
    let near = allowed.iter().map(|other| (distance(other), *other)).min()?;
    (near.0 <= near.1.len() / 3).then_some(near.1)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let allowed = ["heartbeat", "listen", "prefix", "max_connection_age"];
        for (key, want) in [
            ("hearbeat", Some("heartbeat")),
            ("heartbaet", Some("heartbeat")),
            ("Listen", Some("listen")),
            ("max-connection-age", Some("max_connection_age")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(key, &allowed), want, "{key}");
        }
    }

    #[test]
    fn the_schema_promises_no_null_and_describes_every_key() {
        fn walk(schema: &Value, path: &str) {
            assert_ne!(schema["type"], "null", "{path}");
            for (key, child) in schema["properties"].as_object().into_iter().flatten() {
                assert!(child["description"].is_string(), "{path}.{key} has no description");
                walk(child, &format!("{path}.{key}"));
            }
            if schema["items"].is_object() {
                walk(&schema["items"], &format!("{path}[]"));
            }
        }
        walk(&SCHEMA, "");
    }
}
