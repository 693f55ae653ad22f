//! Names of header fields.

use std::fmt;

use http::HeaderName;

use super::{Misread, Written};

/// The name of a header field, in whichever case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderField(pub HeaderName);

impl Written for HeaderField {
    const FORMAT: &'static str = "sidestream-header-name";
    const EXPECTED: &'static str = "the name of a header field such as X-Signature";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$");

    fn read(text: &str) -> Result<Self, Misread> {
        text.parse().map(Self).map_err(|_| Misread::Form)
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_table() {
        for (text, shown) in [("X-Signature", "x-signature"), ("a", "a"), ("x_y.z!", "x_y.z!")] {
            assert_eq!(HeaderField::read(text).unwrap().to_string(), shown);
        }
        for text in ["", "x y", "x:", "x:y", "x\n", "\u{e9}", "x,y", "(x)"] {
            assert_eq!(HeaderField::read(text), Err(Misread::Form), "{text:?}");
        }
    }
}
