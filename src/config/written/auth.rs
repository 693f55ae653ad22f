//! What tokens grant, and where else they may be, as it is written.

use std::fmt;

use crate::auth::{Template, TemplateError};
use crate::net::{Url, UrlError};

use super::{Misread, Written};

/// Bytes of a cookie's or a claim's name. Longer ones are a slip.
const NAME_BYTES: usize = 256;

/// Claims that have a meaning of their own (RFC 7519, section 4.1), which is none of topics.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// A pattern with claims in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowTemplate(pub Template);

impl Written for AllowTemplate {
    const FORMAT: &'static str = "sidestream-allow";
    const EXPECTED: &'static str = "a pattern with claims in it such as \"users.{sub}.**\" (in quotes)";

    fn read(text: &str) -> Result<Self, Misread> {
        Template::parse(text).map(Self).map_err(|why| Misread::Because(TemplateError::to_string(&why).into()))
    }
}

impl fmt::Display for AllowTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of the claim that lists patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicsClaim(pub String);

impl Written for TopicsClaim {
    const FORMAT: &'static str = "sidestream-topics-claim";
    const EXPECTED: &'static str = "the name of a claim, of 1 to 256 bytes without spaces";

    fn read(text: &str) -> Result<Self, Misread> {
        if REGISTERED.contains(&text) {
            let why =
                format!("{text} means something else in every token (RFC 7519); expected another claim");
            return Err(Misread::Because(why.into()));
        }
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let good = (1..=NAME_BYTES).contains(&text.len()) && !text.contains(odd);
        if good { Ok(Self(text.to_owned())) } else { Err(Misread::Form) }
    }
}

impl fmt::Display for TopicsClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A cookie's name: a token (RFC 6265, section 4.1.1; RFC 2616, section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieName(pub String);

impl Written for CookieName {
    const FORMAT: &'static str = "sidestream-cookie-name";
    const EXPECTED: &'static str =
        "a cookie's name: 1 to 256 of A-Z a-z 0-9 and ! # $ % & ' * + - . ^ _ ` | ~";
    const PATTERN: Option<&'static str> = Some(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$");

    fn read(text: &str) -> Result<Self, Misread> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let good = (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(token);
        if good { Ok(Self(text.to_owned())) } else { Err(Misread::Form) }
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the app is asked. Shown as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskUrl(pub Url, String);

impl Written for AskUrl {
    const FORMAT: &'static str = "sidestream-forward-url";
    const EXPECTED: &'static str =
        "a URL such as http://127.0.0.1:3000/may-listen, or unix:/socket:/may-listen";

    fn read(text: &str) -> Result<Self, Misread> {
        text.parse().map(|url| Self(url, text.to_owned())).map_err(|why| match why {
            UrlError::Form => Misread::Form,
            why => Misread::Because(why.to_string().into()),
        })
    }
}

impl fmt::Display for AskUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_table() {
        for text in ["session_token", "__Host-session", "a!#$%&'*+-.^_`|~9"] {
            assert_eq!(CookieName::read(text).unwrap().to_string(), text);
        }
        for text in ["", "a b", "a=b", "a;b", "a,b", "\"a\"", "a\0", "é", "a/b", "(a)", &"a".repeat(257)] {
            assert_eq!(CookieName::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in ["topics", "https://id.example/topics", "x"] {
            assert_eq!(TopicsClaim::read(text).unwrap().to_string(), text);
        }
        for text in ["", " ", "a b", "a\n", &"a".repeat(257)] {
            assert_eq!(TopicsClaim::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in REGISTERED {
            assert!(matches!(TopicsClaim::read(text), Err(Misread::Because(_))), "{text}");
        }
    }

    #[test]
    fn templates_and_urls() {
        assert_eq!(AllowTemplate::read("users.{sub}.**").unwrap().to_string(), "users.{sub}.**");
        assert!(matches!(AllowTemplate::read("users.{sub"), Err(Misread::Because(_))));
        let shown = "http://127.0.0.1:3000/may-listen";
        assert_eq!(AskUrl::read(shown).unwrap().to_string(), shown);
        assert_eq!(AskUrl::read("127.0.0.1:3000"), Err(Misread::Form));
        assert!(matches!(AskUrl::read("http://u:p@a/"), Err(Misread::Because(_))));
    }
}
