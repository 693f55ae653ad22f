//! What becomes of a slow subscriber: a word, or a mapping of one key.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{EXPECTED, Span, Text};

/// What becomes of a slow subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SlowSource {
    /// It is told a gap.
    Gap,
    /// It is disconnected after this time.
    Disconnect(Text<Span>),
}

/// As one text, so that a change of it is one change.
impl Serialize for SlowSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Gap => serializer.serialize_str("gap"),
            Self::Disconnect(Text(span)) => serializer.collect_str(&format_args!("{{disconnect: {span}}}")),
        }
    }
}

impl JsonSchema for SlowSource {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Slow".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let disconnect = serde_json::json!({
            "type": "object",
            "properties": { "disconnect": Text::<Span>::json_schema(generator) },
            "required": ["disconnect"],
            "additionalProperties": false,
        });
        json_schema!({ "anyOf": [{ "const": "gap" }, disconnect], EXPECTED: "gap, or {disconnect: 30s}" })
    }
}
