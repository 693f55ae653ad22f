//! A source's name, path and topic.

use std::fmt;

use crate::ingress;

use super::{Misread, Written};

/// Bytes of a source's name. It labels metrics and is repeated in every scrape.
const NAME_BYTES: usize = 64;

/// What requests are counted under that are for no source.
const NO_SOURCE: &str = "unknown";

/// A source's name: a word that is safe as a metric's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceName(pub String);

impl Written for SourceName {
    const FORMAT: &'static str = "sidestream-source-name";
    const EXPECTED: &'static str = "a name of 1 to 64 of A-Z a-z 0-9 _ - and .";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9_.-]{1,64}$");

    fn read(text: &str) -> Result<Self, Misread> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if text == NO_SOURCE {
            let why = "expected another name: requests that are for no source are counted as unknown";
            return Err(Misread::Because(why.into()));
        }
        let good = (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(Misread::Form) }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a source is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourcePath(pub ingress::SourcePath);

impl Written for SourcePath {
    const FORMAT: &'static str = "sidestream-source-path";
    const EXPECTED: &'static str = "a path such as /webhooks/github or /webhooks/{topic}";

    fn read(text: &str) -> Result<Self, Misread> {
        ingress::SourcePath::parse(text).map(Self).map_err(|error| Misread::Because(error.to_string().into()))
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        assert!(SourceName::read("github_v2.eu-1").is_ok());
        assert!(SourceName::read("default").is_ok());
        assert!(matches!(SourceName::read("unknown"), Err(Misread::Because(_))));
        for text in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            assert_eq!(SourceName::read(text), Err(Misread::Form), "{text:?}");
        }
        assert_eq!(SourcePath::read("/webhooks/{topic}").unwrap().to_string(), "/webhooks/{topic}");
        assert!(matches!(SourcePath::read("/hooks/a"), Err(Misread::Because(_))));
    }
}
