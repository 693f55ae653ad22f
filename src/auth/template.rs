//! `allow`: a pattern with claims in it, such as `users.{sub}.**`.
//!
//! A `{claim}` fills one token, or the part of one that the template leaves open: what a token can't hold, `.`, `*` and `~`
//! included, is escaped as `~XX` for each of its bytes (contract, Names). A token holds at most one, so that two different
//! values never come to the same pattern: with `{a}-{b}`, `x-y` and `z` would be as good as `x` and `y-z`. No escape is
//! half written and half filled.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

use crate::event::limits::TOPIC_BYTES;
use crate::event::{NameError, Pattern};

/// Bytes of a claim's name at most. Some are URLs (RFC 7519, section 4.2).
const CLAIM_BYTES: usize = 256;

/// A pattern with claims in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    tokens: Box<[Token]>,
}

#[derive(Clone, PartialEq, Eq)]
enum Token {
    /// As it is written; wildcards too.
    Fixed(Box<str>),
    /// A claim, with what is written before and after it.
    Filled { before: Box<str>, claim: Box<str>, after: Box<str> },
}

/// Why a text is no [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{` that does not end, a `}` that does not begin, or one in another.
    #[error("{{ and }} don't pair; expected {{claim}}, as in users.{{sub}}.**")]
    Braces,
    /// `${…}`, as sources write expressions.
    #[error("${{…}} is for the expressions of sources; expected {{claim}}, as in users.{{sub}}.**")]
    Expression,
    /// What stands between braces is no name.
    #[error(
        "what stands in {{}} is no claim's name; expected 1 to {CLAIM_BYTES} bytes without spaces, as in {{sub}}"
    )]
    Claim,
    /// Two claims in one token.
    #[error("two claims in one token can mean the same for different bearers; expected a dot between them")]
    Two,
    /// The rest is no pattern.
    #[error("no pattern: {0}")]
    Name(#[from] NameError),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains("${") {
            return Err(TemplateError::Expression);
        }
        let tokens = split(text)?.into_iter().map(token).collect::<Result<Box<[_]>, _>>()?;
        // With one letter in the place of each claim, which is the least and the most harmless that may stand there.
        let mut sample = String::new();
        for (n, token) in tokens.iter().enumerate() {
            sample.push_str(if n > 0 { "." } else { "" });
            match token {
                Token::Fixed(fixed) => sample.push_str(fixed),
                Token::Filled { before, after, .. } => {
                    // Writing to a String has no failure.
                    let _ = write!(sample, "{before}x{after}");
                }
            }
        }
        Pattern::parse(&sample)?;
        Ok(Self { tokens })
    }

    /// Whether it is the same for every bearer.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Fixed(_)))
    }

    /// The pattern for a bearer with these claims. None, so that it grants nothing, where a claim is missing, or empty, or
    /// neither a text nor a whole number of at most 64 bits nor true or false, or where the pattern would be longer than
    /// one may be.
    #[must_use]
    pub fn fill(&self, claims: &Map<String, Value>) -> Option<Pattern> {
        let mut pattern = String::new();
        for (n, token) in self.tokens.iter().enumerate() {
            pattern.push_str(if n > 0 { "." } else { "" });
            match token {
                Token::Fixed(fixed) => pattern.push_str(fixed),
                Token::Filled { before, claim, after } => {
                    pattern.push_str(before);
                    escape(claims.get(&**claim)?, &mut pattern)?;
                    pattern.push_str(after);
                }
            }
        }
        Pattern::parse(&pattern).ok()
    }
}

/// The text between dots that are not in braces.
fn split(text: &str) -> Result<Vec<&str>, TemplateError> {
    let (mut tokens, mut from, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match (c, inside) {
            ('{', false) => inside = true,
            ('}', true) => inside = false,
            ('{', true) | ('}', false) => return Err(TemplateError::Braces),
            ('.', false) => {
                tokens.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    tokens.push(&text[from..]);
    if inside { Err(TemplateError::Braces) } else { Ok(tokens) }
}

/// One token, of which the braces are known to pair.
fn token(text: &str) -> Result<Token, TemplateError> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(Token::Fixed(text.into())) };
    let (claim, after) = rest.split_once('}').ok_or(TemplateError::Braces)?;
    if after.contains('{') {
        return Err(TemplateError::Two);
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if claim.is_empty() || claim.len() > CLAIM_BYTES || claim.contains(odd) {
        return Err(TemplateError::Claim);
    }
    Ok(Token::Filled { before: before.into(), claim: claim.into(), after: after.into() })
}

/// A claim's value as (a part of) one token.
fn escape(value: &Value, pattern: &mut String) -> Option<()> {
    let number;
    let text = match value {
        Value::String(text) => text.as_str(),
        // No fraction, and nothing beyond 64 bits: it would have been rounded, and two bearers would be one.
        Value::Number(n) if n.is_i64() || n.is_u64() => {
            number = n.to_string();
            &number
        }
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        _ => return None,
    };
    // Escaped it is no shorter.
    if text.is_empty() || text.len() > TOPIC_BYTES {
        return None;
    }
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b':' | b'@' => pattern.push(byte.into()),
            // Writing to a String has no failure.
            other => drop(write!(pattern, "~{other:02X}")),
        }
    }
    Some(())
}

/// As it is written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, token) in self.tokens.iter().enumerate() {
            f.write_str(if n > 0 { "." } else { "" })?;
            match token {
                Token::Fixed(fixed) => f.write_str(fixed)?,
                Token::Filled { before, claim, after } => write!(f, "{before}{{{claim}}}{after}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({self})")
    }
}
