//! Values that are written as text and mean more: durations, sizes, ranges, addresses, names.
//!
//! A kind says once how it is read, how it is shown and what is expected of it. From that follow its part of the JSON
//! Schema, its check while the schema is validated (so that all wrong values are found together), its deserialisation
//! and its message. A new kind is added to [`check`].

mod auth;
mod duration;
mod header;
mod jwt;
mod listen;
mod names;
mod origin;
mod prefix;
mod proxy;
mod relay;
mod secret;
mod signed;
mod size;
mod slow;
mod source;
mod upstream;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) use auth::{AllowTemplate, AskUrl, CookieName, TopicsClaim};
pub(super) use duration::{Age, Span, SpanRange, show as show_duration};
pub(super) use header::HeaderField;
pub(super) use jwt::{KeySetUrl, TokenAlgorithm};
pub(super) use listen::Listen;
pub(super) use names::{RuleMatch, RuleName};
pub(super) use origin::Origin;
pub(super) use prefix::Prefix;
pub(super) use proxy::Proxy;
pub(super) use relay::{Located, RelayUrl};
pub(super) use secret::{Environment, SecretSource};
pub(super) use signed::Signed;
pub(super) use size::{Size, show as show_size};
pub(super) use slow::SlowSource;
pub(super) use source::{SourceName, SourcePath};
pub(super) use upstream::AppUrl;

/// Where a schema node says, for people, what is expected.
pub(super) const EXPECTED: &str = "x-expected";

/// Marks a schema node whose value is never shown.
pub(super) const SECRET: &str = "x-secret";

/// Bytes of a unix socket's path: `sun_path` holds 108 with its NUL.
const SOCKET_PATH_BYTES: usize = 107;

/// Why a text was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// It has not the form that [`Written::EXPECTED`] describes.
    Form,
    /// It has the form, but is refused for this reason.
    Because(Cow<'static, str>),
}

/// A kind of value that is written as text.
pub(super) trait Written: Sized + fmt::Display {
    /// The name in the schema's `format`; prefixed, since JSON Schema has a `duration` of its own.
    const FORMAT: &'static str;
    /// What is expected, for people, to follow "expected".
    const EXPECTED: &'static str;
    /// The form as a regular expression for editors, where one is short enough to be useful.
    const PATTERN: Option<&'static str> = None;

    /// Reads the text.
    fn read(text: &str) -> Result<Self, Misread>;
}

/// Why `text` is no value of the kind with the schema format `format`; none when it is one, or the kind is not ours.
pub(super) fn check(format: &str, text: &str) -> Option<Misread> {
    let (_, check) = KINDS.iter().find(|(name, _)| *name == format)?;
    check(text)
}

/// A kind's name, and why a text is not of it.
type Kind = (&'static str, fn(&str) -> Option<Misread>);

/// Every kind.
pub(super) const KINDS: &[Kind] = &[
    kind::<Span>(),
    kind::<SpanRange>(),
    kind::<Age>(),
    kind::<Size>(),
    kind::<Listen>(),
    kind::<AppUrl>(),
    kind::<Prefix>(),
    kind::<RuleName>(),
    kind::<Proxy>(),
    kind::<RuleMatch>(),
    kind::<Origin>(),
    kind::<SourceName>(),
    kind::<SourcePath>(),
    kind::<Located>(),
    kind::<RelayUrl>(),
    kind::<HeaderField>(),
    kind::<Signed>(),
    kind::<TokenAlgorithm>(),
    kind::<KeySetUrl>(),
    kind::<AllowTemplate>(),
    kind::<TopicsClaim>(),
    kind::<CookieName>(),
    kind::<AskUrl>(),
];

const fn kind<T: Written>() -> Kind {
    (T::FORMAT, |text| T::read(text).err())
}

/// A [`Written`] value in the raw twin. Shown in its canonical form, so that `60s` and `1m` are no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<T>(pub T);

impl<T: Written> Text<T> {
    /// A default, from its text.
    ///
    /// # Panics
    /// When the text is not of the kind: a mistake in this program, which the defaults' test finds.
    pub(super) fn of(text: &str) -> Self {
        match T::read(text) {
            Ok(value) => Self(value),
            Err(why) => panic!("the default {text:?} is no {}: {why:?}", T::FORMAT),
        }
    }
}

impl<T: Written> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text)
            .map(Self)
            .map_err(|_| serde::de::Error::custom(format_args!("expected {}; got {text:?}", T::EXPECTED)))
    }
}

impl<T: Written> JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string", "format": T::FORMAT, EXPECTED: T::EXPECTED });
        if let Some(pattern) = T::PATTERN {
            schema.insert("pattern".into(), pattern.into());
        }
        schema
    }
}

/// An item of a list of [`Text`]s. One that was refused has become empty, so that the paths of those behind it stay right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, bound = "T: Written")]
pub(super) enum Item<T> {
    Written(Text<T>),
    Refused {},
}

impl<T> Item<T> {
    /// The value, if it was not refused.
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Written(Text(value)) => Some(value),
            Self::Refused {} => None,
        }
    }
}

impl<T: Written> JsonSchema for Item<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Text::<T>::json_schema(generator)
    }
}
