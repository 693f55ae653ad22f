//! The path under which topics live.

use std::fmt;

use super::{Misread, Written};

/// Bytes of the prefix; it is compared with every request's path.
const PREFIX_BYTES: usize = 256;

/// A path that needs no decoding to be compared: what it looks like is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(pub String);

impl Written for Prefix {
    const FORMAT: &'static str = "sidestream-prefix";
    const EXPECTED: &'static str =
        "a path such as /topics: it starts with / and does not end with one, of A-Z a-z 0-9 . _ ~ - and /";

    fn read(text: &str) -> Result<Self, Misread> {
        let path = text.strip_prefix('/').ok_or(Misread::Form)?;
        if text == "/" {
            let why = "expected a path below /, such as /topics: with / alone nothing would reach the app";
            return Err(Misread::Because(why.into()));
        }
        if text.len() > PREFIX_BYTES {
            return Err(Misread::Because(format!("expected a path of at most {PREFIX_BYTES} bytes").into()));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
        for segment in path.split('/') {
            if matches!(segment, "." | "..") {
                return Err(Misread::Because("expected a path without . or .. between its slashes".into()));
            }
            if segment.is_empty() || !segment.bytes().all(allowed) {
                return Err(Misread::Form);
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_by_table() {
        for text in ["/topics", "/a/b-c_d~e.f", "/.well-known/sse"] {
            assert_eq!(Prefix::read(text).unwrap().0, text);
        }
        for text in ["", "topics", "/topics/", "//topics", "/a//b", "/a b", "/a%20b", "/a?b", "/a#b", "/é"] {
            assert_eq!(Prefix::read(text), Err(Misread::Form), "{text:?}");
        }
        let long = format!("/{}", "a".repeat(PREFIX_BYTES));
        for text in ["/", "/a/../b", "/.", &long] {
            assert!(matches!(Prefix::read(text), Err(Misread::Because(_))), "{text:?}");
        }
    }
}
