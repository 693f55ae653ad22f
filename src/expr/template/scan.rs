//! Parts a text into fixed text and the expressions in its `${…}`.
//!
//! The end of an expression is found as CEL's own lexer would find it: a `}` in a text or a comment, or one that closes a
//! map's brace, ends nothing. `$${` stands for the two characters `${`; any other `$` stands for itself, and one right
//! before an expression is written `${'$'}`.

use std::borrow::Cow;

use super::super::error::{LoadError, Problem};
use super::super::limits::{EXPRESSIONS, TEXT_BYTES};

/// A part of a text, with the byte it begins at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span<'t> {
    Fixed { at: usize, text: Cow<'t, str> },
    Expression { at: usize, text: &'t str },
}

/// Parts a text, in order; fixed parts are never empty, nor two in a row.
pub(super) fn scan(text: &str) -> Result<Vec<Span<'_>>, LoadError> {
    if text.len() > TEXT_BYTES {
        return Err(LoadError { at: TEXT_BYTES, problem: Problem::TooLong(text.len()) });
    }
    let mut spans = Vec::new();
    let mut expressions = 0;
    let (mut fixed_from, mut at) = (0, 0);
    while let Some(found) = text[at..].find("${").map(|found| at + found) {
        if text[..found].ends_with('$') && found > fixed_from {
            at = found + 2;
            continue;
        }
        fixed(&mut spans, text, fixed_from, found);
        let from = found + 2;
        let end = end(&text[from..]).ok_or(LoadError { at: found, problem: Problem::Open })?;
        expressions += 1;
        if expressions > EXPRESSIONS {
            return Err(LoadError { at: found, problem: Problem::TooMany });
        }
        spans.push(Span::Expression { at: from, text: &text[from..from + end] });
        at = from + end + 1;
        fixed_from = at;
    }
    fixed(&mut spans, text, fixed_from, text.len());
    Ok(spans)
}

fn fixed<'t>(spans: &mut Vec<Span<'t>>, text: &'t str, from: usize, to: usize) {
    let part = &text[from..to];
    if part.is_empty() {
        return;
    }
    let text = if part.contains("$${") { part.replace("$${", "${").into() } else { part.into() };
    spans.push(Span::Fixed { at: from, text });
}

/// Where the `}` is that ends the expression at the beginning of `text`.
fn end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            b'/' if bytes.get(at + 1) == Some(&b'/') => at += line(&bytes[at..]),
            b'\'' | b'"' => {
                at += quoted(&bytes[at..], is_raw(&bytes[..at]))?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Bytes to the end of a line.
fn line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())
}

/// Whether what stands before a quote makes its text raw: `r` or `br`, as a word of its own.
fn is_raw(before: &[u8]) -> bool {
    let word = before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let word = &before[before.len() - word..];
    word.eq_ignore_ascii_case(b"r") || word.eq_ignore_ascii_case(b"br")
}

/// Bytes of a quoted text, quotes included. None if it doesn't end.
fn quoted(bytes: &[u8], raw: bool) -> Option<usize> {
    let quote = *bytes.first()?;
    let width = if bytes.starts_with(&[quote; 3]) { 3 } else { 1 };
    let mut at = width;
    loop {
        match *bytes.get(at)? {
            b'\\' if !raw => at += 2,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3][..width]) => {
                return Some(at + width);
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fixed parts as they are, expressions in brackets.
    fn shown(text: &str) -> Result<String, usize> {
        let spans = scan(text).map_err(|e| e.at)?;
        Ok(spans
            .iter()
            .map(|span| match span {
                Span::Fixed { text, .. } => text.to_string(),
                Span::Expression { text, .. } => format!("[{text}]"),
            })
            .collect())
    }

    #[test]
    fn expressions_end_where_cel_ends_them() {
        for (text, want) in [
            ("", Ok("")),
            ("plain $ text } {", Ok("plain $ text } {")),
            ("a.${b}.c${d}", Ok("a.[b].c[d]")),
            ("${ {'a': {'b': 1}}['a'] }", Ok("[ {'a': {'b': 1}}['a'] ]")),
            (r#"${'}'}${"}"}"#, Ok(r#"['}']["}"]"#)),
            (r"${'\'}'}", Ok(r"['\'}']")),
            (r"${r'\'}'", Ok(r"[r'\']'")),
            (r"${bR'\'}", Ok(r"[bR'\']")),
            (r"${far'\'}'}", Ok(r"[far'\'}']")),
            ("${'''a'}''b'''}", Ok("['''a'}''b''']")),
            ("${\"\"\"}\"\"\"}", Ok("[\"\"\"}\"\"\"]")),
            ("${''}", Ok("['']")),
            ("${a // }\n}", Ok("[a // }\n]")),
            ("${a / b}", Ok("[a / b]")),
            ("$${a} $$${b} $$", Ok("${a} $${b} $$")),
            ("${a}${b}", Ok("[a][b]")),
            ("${a}$${b}", Ok("[a]${b}")),
            ("${'$'}${b}", Ok("['$'][b]")),
            ("é${é}", Ok("é[é]")),
            ("ab${", Err(2)),
            ("${a ${b}", Err(0)),
            ("${'}", Err(0)),
            (r"${'\'}", Err(0)),
            ("${'''a''}", Err(0)),
            ("${a // }", Err(0)),
            ("${{}", Err(0)),
        ] {
            assert_eq!(shown(text).as_deref(), want.as_deref(), "{text}");
        }
    }

    #[test]
    fn a_text_is_bounded() {
        let long = "x".repeat(TEXT_BYTES + 1);
        assert_eq!(scan(&long).unwrap_err().problem, Problem::TooLong(TEXT_BYTES + 1));
        assert!(scan(&long[1..]).is_ok());
        assert!(scan(&"${x}".repeat(EXPRESSIONS)).is_ok());
        let at = 4 * EXPRESSIONS;
        assert_eq!(scan(&"${x}".repeat(EXPRESSIONS + 1)), Err(LoadError { at, problem: Problem::TooMany }));
    }

    proptest! {
        #[test]
        fn fixed_text_comes_out_as_it_went_in(text in "[a-z${}'\"\\\\/ é]{0,40}") {
            let written = text.replace("${", "$${");
            prop_assert_eq!(shown(&written).unwrap(), text);
        }

        #[test]
        fn a_text_in_quotes_ends_no_expression(text in "[a-z${}/ é\"]{0,20}") {
            let written = format!("a${{'{text}'}}b");
            prop_assert_eq!(shown(&written).unwrap(), format!("a['{text}']b"));
        }

        #[test]
        fn any_text_is_parted_where_it_says(text in "[a-z${}'\"\\\\/\n é]{0,60}") {
            for span in scan(&text).unwrap_or_default() {
                if let Span::Expression { at, text: part } = span {
                    prop_assert_eq!(&text[at..at + part.len()], part);
                    prop_assert_eq!(&text[at - 2..at], "${");
                    prop_assert_eq!(&text[at + part.len()..=at + part.len()], "}");
                }
            }
        }
    }
}
