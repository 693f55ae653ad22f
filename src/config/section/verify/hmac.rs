//! `hmac`: the engine with all its parameters, for senders that are no preset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::written::{HeaderField, Signed, Span, Text};
use crate::verify;
use crate::verify::engine::{Fields, Form, Method, Parameters, TimestampAt};

use super::build::Builder;
use super::presets::tolerance;
use super::secrets::Secrets;

/// The verifier as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Hmac {
    /// The secrets, of which any may match.
    #[schemars(required)]
    pub secrets: Option<Secrets>,
    /// The header field of the signature.
    #[schemars(required)]
    pub header: Option<Text<HeaderField>>,
    /// The hash function.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-expected" = "a text of at most 64 characters"))]
    pub prefix: String,
    /// What stands between several signatures, or between a signature and the time. Without it, the field is one
    /// signature; with it, what has not the prefix is passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<Separator>,
    /// How a secret stands for the key.
    #[serde(default)]
    pub key: KeyForm,
    /// What is signed: a name in braces is a part of the request, all else is itself.
    #[serde(default = "body")]
    pub signed: Text<Signed>,
    /// Where the time of signing stands. Without it a captured request can be sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// How far the time of signing may be off, before and after.
    #[serde(default = "tolerance")]
    pub tolerance: Text<Span>,
}

/// Where the time of signing stands: `header` or `item`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Timestamp {
    /// In a header field of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Text<HeaderField>>,
    /// Behind this prefix, beside the signature: `t=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-expected" = "a text of 1 to 64 characters, such as t="))]
    pub item: Option<String>,
    /// What it counts, since 1970.
    #[serde(default)]
    pub unit: Unit,
}

/// A hash function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Algorithm {
    /// SHA-1: for senders that know nothing else.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl From<Algorithm> for verify::Algorithm {
    fn from(written: Algorithm) -> Self {
        match written {
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha384 => Self::Sha384,
            Algorithm::Sha512 => Self::Sha512,
        }
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Encoding {
    /// Hexadecimal, in either case.
    #[default]
    Hex,
    /// Hexadecimal in lower case alone.
    HexLower,
    /// Base64 of the standard alphabet, with its padding.
    Base64,
}

/// What stands between items.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-expected" = "one of \",\" \";\" \" \" \"&\" \"|\" (in quotes)"))]
pub(in crate::config) enum Separator {
    /// A comma.
    #[serde(rename = ",")]
    Comma,
    /// A semicolon.
    #[serde(rename = ";")]
    Semicolon,
    /// A space.
    #[serde(rename = " ")]
    Space,
    /// An ampersand.
    #[serde(rename = "&")]
    Ampersand,
    /// A bar.
    #[serde(rename = "|")]
    Bar,
}

impl Separator {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Space => b' ',
            Self::Ampersand => b'&',
            Self::Bar => b'|',
        }
    }
}

/// How a secret stands for the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum KeyForm {
    /// Its text is the key.
    #[default]
    Text,
    /// It is base64.
    Base64,
    /// It is hexadecimal.
    Hex,
    /// It is base64 after `whsec_`.
    Whsec,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

fn body() -> Text<Signed> {
    Text::of("{body}")
}

impl Hmac {
    /// The engine's parameters. None when something is wrong, which has been reported.
    pub(super) fn parameters(&self, builder: &mut Builder<'_, '_, '_>) -> Option<Parameters> {
        let Text(HeaderField(signature)) = self.header.clone()?;
        let span = builder.tolerance("hmac", &self.tolerance);
        let (timestamp, field) = match &self.timestamp {
            None => (None, None),
            Some(timestamp) => {
                let (at, field) = timestamp.place(builder)?;
                let unit = match timestamp.unit {
                    Unit::Seconds => verify::Unit::Seconds,
                    Unit::Milliseconds => verify::Unit::Milliseconds,
                };
                let tolerance = verify::Tolerance(span);
                (Some(verify::engine::Timestamp { at, unit, tolerance }), field)
            }
        };
        Some(Parameters {
            fields: vec![Fields { signature, id: None, timestamp: field }],
            separator: self.separator.map(Separator::byte),
            forms: vec![Form::new(&self.prefix, Method::Hmac(self.algorithm.into()))],
            encoding: match self.encoding {
                Encoding::Hex => verify::Encoding::Hex,
                Encoding::HexLower => verify::Encoding::HexLower,
                Encoding::Base64 => verify::Encoding::Base64,
            },
            signed: self.signed.0.0.clone(),
            timestamp,
            key: match self.key {
                KeyForm::Text => verify::KeyForm::Text,
                KeyForm::Base64 => verify::KeyForm::Base64,
                KeyForm::Hex => verify::KeyForm::Hex,
                KeyForm::Whsec => verify::KeyForm::Whsec,
            },
        })
    }
}

impl Timestamp {
    fn place(&self, builder: &mut Builder<'_, '_, '_>) -> Option<(TimestampAt, Option<http::HeaderName>)> {
        match (&self.header, &self.item) {
            (Some(Text(HeaderField(name))), None) => Some((TimestampAt::Field, Some(name.clone()))),
            (None, Some(item)) => Some((TimestampAt::Item(item.as_str().into()), None)),
            _ => {
                builder.refuse("hmac.timestamp", "expected either header or item");
                None
            }
        }
    }
}
