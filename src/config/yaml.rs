//! YAML text to a tree of values. The only file that names `serde_yaml`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::problem::Position;

/// Parses one document. An empty one is null.
///
/// Of a key that is given twice the first counts here; [`super::marks`] refuses the second, with its place.
///
/// # Errors
/// The first thing that is no YAML, with its place where known.
pub(super) fn parse(text: &str) -> Result<Value, (Option<Position>, String)> {
    match serde_yaml::from_str::<Tree>(text) {
        Ok(tree) => Ok(tree.0),
        Err(error) => {
            let position = error.location().map(|l| Position { line: l.line(), column: l.column() });
            Err((position, format!("not valid YAML: {}", without_place(&error.to_string(), position))))
        }
    }
}

/// The message without the place that stands before it anyway.
fn without_place(message: &str, position: Option<Position>) -> String {
    match position {
        Some(Position { line, column }) => {
            message.replacen(&format!(" at line {line} column {column}"), "", 1)
        }
        None => message.to_owned(),
    }
}

/// A tree as the validator wants it: text keys, and whole numbers as integers however they were written.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        /// Up to here every whole `f64` is one integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return Ok(Value::from(value as i64));
        }
        // Neither JSON nor any key of ours knows infinity: as text it is refused like any other wrong value.
        Ok(Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(value)) = items.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Tree(key), Tree(value))) = entries.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => other.to_string(),
            };
            map.entry(key).or_insert(value);
        }
        Ok(Value::Object(map))
    }

    /// A tagged value; the tag itself is refused by [`super::marks`].
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (Tree(_), content) = tagged.variant()?;
        content.newtype_variant::<Tree>().map(|tree| tree.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn values_as_a_validator_wants_them() {
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("# nothing\n---\n").unwrap(), Value::Null);
        assert_eq!(
            parse("a: 1e5\nb: 2.5\nc: .inf\n1: x\ntrue: y\nd: [~, yes, 'z']").unwrap(),
            json!({"a": 100_000, "b": 2.5, "c": "inf", "1": "x", "true": "y", "d": [null, "yes", "z"]})
        );
        assert_eq!(parse("a: 99999999999999999999999").unwrap(), json!({"a": 1e23}));
        assert_eq!(parse("a: !tag x\na: 2").unwrap(), json!({"a": "x"}));
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let (position, message) = parse("a: [1, 2\nb: 3").unwrap_err();
        assert_eq!(position.unwrap().line, 2);
        assert!(message.starts_with("not valid YAML: "), "{message}");
        assert!(parse("a: 1\n---\nb: 2").unwrap_err().1.contains("more than one document"));
    }

    #[test]
    fn bombs_do_not_go_off() {
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let row = vec![format!("*a{}", i - 1); 9].join(", ");
            writeln!(laughs, "a{i}: &a{i} [{row}]").unwrap();
        }
        assert!(parse(&laughs).is_err());
    }
}
