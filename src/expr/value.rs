//! The values of CEL. What comes from the request is borrowed from it: reading `body.a.b` copies nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::json::{Json, Object};
use super::scope::Fields;
use super::time::{Moment, Span};

/// What kind of value it is, by its name in CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// True or false.
    Bool,
    /// A whole number, 64 bits with a sign.
    Int,
    /// A whole number, 64 bits without one.
    Uint,
    /// A number with a fraction.
    Double,
    /// Text.
    Text,
    /// A point in time.
    Moment,
    /// A length of time.
    Span,
    /// A list.
    List,
    /// A map.
    Map,
    /// A kind, as `type(x)` gives it.
    Kind,
}

impl Kind {
    /// Its name in CEL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Moment => "google.protobuf.Timestamp",
            Self::Span => "google.protobuf.Duration",
            Self::List => "list",
            Self::Map => "map",
            Self::Kind => "type",
        }
    }

    /// The kind that an identifier names in CEL, such as `string` in `type(x) == string`.
    pub(super) fn named(name: &str) -> Option<Self> {
        [
            Self::Null,
            Self::Bool,
            Self::Int,
            Self::Uint,
            Self::Double,
            Self::Text,
            Self::List,
            Self::Map,
            Self::Kind,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Moment => "timestamp",
            Self::Span => "duration",
            other => other.name(),
        })
    }
}

/// A value while an expression is evaluated. It has no Debug: it may be a secret.
#[derive(Clone)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'v>),
    Moment(Moment),
    Span(Span),
    List(List<'v>),
    Map(Map<'v>),
    Kind(Kind),
}

/// Text: seen in the request or the expression, or made by an operation.
#[derive(Clone)]
pub(super) enum Text<'v> {
    Seen(&'v str),
    Made(Arc<str>),
}

/// A list of the body, or one that an expression made.
#[derive(Clone)]
pub(super) enum List<'v> {
    Seen(&'v [Json<'v>]),
    Made(Arc<[Value<'v>]>),
}

/// A map of the body, the header fields, or a map that an expression wrote out.
#[derive(Clone)]
pub(super) enum Map<'v> {
    Seen(&'v Object<'v>),
    Headers(Fields<'v>),
    /// As few as the expression's text has, so that they are looked through in order.
    Made(Arc<[(Value<'v>, Value<'v>)]>),
}

impl<'v> Value<'v> {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::Double(_) => Kind::Double,
            Self::Text(_) => Kind::Text,
            Self::Moment(_) => Kind::Moment,
            Self::Span(_) => Kind::Span,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Kind(_) => Kind::Kind,
        }
    }

    pub(super) fn seen(text: &'v str) -> Self {
        Self::Text(Text::Seen(text))
    }

    pub(super) fn made(text: &str) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// What `string(x)` gives, and what a template puts for it; none for those that have no one form.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Int(n) => Cow::Owned(n.to_string()),
            Self::Uint(n) => Cow::Owned(n.to_string()),
            Self::Double(n) => Cow::Owned(number(*n)),
            Self::Moment(moment) => Cow::Owned(moment.to_string()),
            Self::Span(span) => Cow::Owned(span.to_string()),
            Self::Kind(kind) => Cow::Borrowed(kind.name()),
            Self::Null | Self::List(_) | Self::Map(_) => return None,
        })
    }
}

/// A double as the shortest text that reads as the same number: plain digits where they are few, else with an exponent.
fn number(n: f64) -> String {
    const PLAIN: std::ops::Range<f64> = 1e-6..1e21;
    if n == 0.0 || PLAIN.contains(&n.abs()) || !n.is_finite() { n.to_string() } else { format!("{n:e}") }
}

impl<'v> From<&'v Json<'v>> for Value<'v> {
    fn from(json: &'v Json<'v>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Int(n) => Self::Int(*n),
            Json::Uint(n) => Self::Uint(*n),
            Json::Double(n) => Self::Double(*n),
            Json::Seen(text) => Self::seen(text),
            Json::Made(text) => Self::seen(text),
            Json::List(list) => Self::List(List::Seen(list)),
            Json::Map(map) => Self::Map(Map::Seen(map)),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Seen(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'v> List<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Seen(list) => list.len(),
            Self::Made(list) => list.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'v>> {
        match self {
            Self::Seen(list) => list.get(index).map(Value::from),
            Self::Made(list) => list.get(index).cloned(),
        }
    }
}
