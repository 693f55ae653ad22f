//! Where webhooks are handed on to, and where a value stands in one.

use std::fmt;

use http::HeaderName;

use crate::ingress::Place;
use crate::relay::{Url, UrlError};

use super::{Misread, Written};

/// The URL that webhooks are handed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayUrl {
    pub url: Url,
    text: Box<str>,
}

impl Written for RelayUrl {
    const FORMAT: &'static str = "sidestream-relay-url";
    const EXPECTED: &'static str = "a URL such as http://127.0.0.1:3000/hooks";

    fn read(text: &str) -> Result<Self, Misread> {
        match text.parse() {
            Ok(url) => Ok(Self { url, text: text.into() }),
            Err(error) => Err(Misread::Because(UrlError::to_string(&error).into())),
        }
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where a value stands in a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located(pub Place);

impl Written for Located {
    const FORMAT: &'static str = "sidestream-place";
    const EXPECTED: &'static str = "header:NAME, or body: and a JSON pointer such as body:/data/id";

    fn read(text: &str) -> Result<Self, Misread> {
        if let Some(name) = text.strip_prefix("header:") {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Misread::Form)?;
            return Ok(Self(Place::Header(name)));
        }
        let pointer = text.strip_prefix("body:").filter(|pointer| pointer.starts_with('/'));
        let pointer = pointer.ok_or(Misread::Form)?;
        // RFC 6901 §3: `~` stands before 0 or 1 alone.
        let escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if escaped { Ok(Self(Place::Body(pointer.into()))) } else { Err(Misread::Form) }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Header(name) => write!(f, "header:{name}"),
            Place::Body(pointer) => write!(f, "body:{pointer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_by_table() {
        for text in ["header:x-id", "body:/id", "body:/a~1b/~0/0"] {
            assert_eq!(Located::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Located::read("header:X-Id").unwrap().to_string(), "header:x-id");
        for text in ["", "x-id", "header:", "header:a b", "body:id", "body:", "body:/a~2", "body:/a~"] {
            assert_eq!(Located::read(text), Err(Misread::Form), "{text:?}");
        }
    }
}
