//! Origins of pages, exact or with a wildcard.

use std::fmt;

use crate::edge::{OriginError, OriginRule};

use super::{Misread, Written};

/// One origin, or a kind of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(pub OriginRule);

impl Written for Origin {
    const FORMAT: &'static str = "sidestream-origin";
    const EXPECTED: &'static str =
        "an origin such as https://app.example, http://localhost:3000, \"https://*.example.com\" or \"*\"";

    fn read(text: &str) -> Result<Self, Misread> {
        text.parse().map(Self).map_err(|error| match error {
            OriginError::Form => Misread::Form,
            other => Misread::Because(other.to_string().into()),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
