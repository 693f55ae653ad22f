//! What a signature covers, as one text: `{timestamp}.{body}`.

use std::fmt;

use crate::verify::engine::Part;

use super::{Misread, Written};

/// What is signed, in order. A name in braces stands for a part of the request, `{{` and `}}` for a brace, and all else
/// for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed(pub Vec<Part>);

impl Written for Signed {
    const FORMAT: &'static str = "sidestream-signed";
    const EXPECTED: &'static str = "what is signed, such as \"{body}\" or \"{timestamp}.{body}\" (in quotes; also {method}, {target} \
         and {header:NAME})";

    fn read(text: &str) -> Result<Self, Misread> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..];
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                literal.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let (name, after) =
                brace.strip_prefix('{').and_then(|brace| brace.split_once('}')).ok_or(Misread::Form)?;
            end(&mut literal, &mut parts);
            parts.push(part(name)?);
            rest = after;
        }
        literal.push_str(rest);
        end(&mut literal, &mut parts);
        if parts.is_empty() { Err(Misread::Form) } else { Ok(Self(parts)) }
    }
}

fn end(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::literal(literal));
        literal.clear();
    }
}

fn part(name: &str) -> Result<Part, Misread> {
    match name {
        "body" => Ok(Part::Body),
        "timestamp" => Ok(Part::Timestamp),
        "method" => Ok(Part::Method),
        "target" => Ok(Part::Target),
        _ => {
            let header = name.strip_prefix("header:").and_then(|name| name.parse().ok());
            header.map(Part::Header).ok_or_else(|| {
                let known = "expected {body}, {timestamp}, {method}, {target} or {header:NAME} in braces";
                Misread::Because(known.into())
            })
        }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Body => f.write_str("{body}"),
            Part::Timestamp => f.write_str("{timestamp}"),
            Part::Method => f.write_str("{method}"),
            Part::Target => f.write_str("{target}"),
            Part::Header(name) => write!(f, "{{header:{name}}}"),
            // No text is read as one.
            Part::Id => f.write_str("{id}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_by_table() {
        let header = Part::Header("x-tenant".parse().unwrap());
        for (text, parts) in [
            ("{body}", vec![Part::Body]),
            (
                "v0:{timestamp}:{body}",
                vec![Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body],
            ),
            (
                "{method} {target}\n{header:x-tenant}\n{body}",
                vec![
                    Part::Method,
                    Part::literal(" "),
                    Part::Target,
                    Part::literal("\n"),
                    header,
                    Part::literal("\n"),
                    Part::Body,
                ],
            ),
            ("{{{body}}}", vec![Part::literal("{"), Part::Body, Part::literal("}")]),
            ("plain", vec![Part::literal("plain")]),
        ] {
            let read = Signed::read(text).unwrap();
            assert_eq!(read.0, parts, "{text}");
            assert_eq!(read.to_string(), text);
        }
        for text in ["", "{body", "body}", "{", "}", "{body}}"] {
            assert_eq!(Signed::read(text), Err(Misread::Form), "{text}");
        }
        for text in ["{}", "{ body }", "{id}", "{header:}", "{header:a b}", "{{{x}}}", "{bo{dy}"] {
            assert!(matches!(Signed::read(text), Err(Misread::Because(_))), "{text}");
        }
    }
}
