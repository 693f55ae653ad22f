//! The template of a topic, where a sender's value can't reach further than its place.
//!
//! Each `${…}` fills one token, or a part of one: what a token can't hold, `.`, `*` and `~` included, is escaped as `~XX`
//! for each of its bytes (contract, Names). The escape is undone in one way only, so two values never make one topic. The
//! fixed text is checked at load, and no escape is half fixed and half filled. Where a value means several tokens it is
//! `${tokens(x)}`, alone between dots: it is parted at its dots, and each part escaped.

use std::fmt::Write;

use crate::event::limits::{TOPIC_BYTES, TOPIC_TOKENS};
use crate::event::{NameError, RESERVED_PREFIX, Topic};

use super::super::compile::{Compiled, Known, Piece, Role, compile};
use super::super::error::{Failed, Failure, LoadError, Problem, Why};
use super::super::eval::Evaluation;
use super::super::program::{Needs, Program};
use super::super::scope::{Element, Scope};
use super::super::value::Value;
use super::Part;
use super::scan::{Span, scan};

/// A topic with any number of `${expression}` in it, compiled.
pub struct TopicTemplate {
    name: &'static str,
    tokens: Vec<Token>,
    needs: Needs,
}

enum Token {
    /// One token, of parts that are never nothing.
    One(Vec<Part>),
    /// As many as the value has.
    Several(Program),
}

impl TopicTemplate {
    /// Compiles `text`, which failures name by `name`.
    ///
    /// # Errors
    /// [`LoadError`]: what is wrong at which byte of `text`, fixed parts that no topic has included.
    pub fn compile(name: &'static str, text: &str, known: Known) -> Result<Self, LoadError> {
        let spans = scan(text)?;
        let pieces: Vec<Piece<'_>> =
            spans.iter().enumerate().filter_map(|(n, span)| piece(&spans, n, span)).collect();
        let mut programs = compile(&pieces, known)?.into_iter();
        let mut build = Build { tokens: Vec::new(), open: Vec::new() };
        let mut needs = Needs::default();
        for span in &spans {
            match span {
                Span::Fixed { at, text } => build.fixed(*at, text)?,
                Span::Expression { at, .. } => match programs.next() {
                    Some(Compiled::Plain(program)) => {
                        needs = needs.or(program.needs);
                        build.open.push(Part::Filled(program));
                    }
                    Some(Compiled::Tokens(program)) => {
                        needs = needs.or(program.needs);
                        build.tokens.push(Token::Several(program));
                    }
                    None => return Err(LoadError { at: *at, problem: Problem::Parser }),
                },
            }
        }
        let tokens = build.end(text)?;
        Ok(Self { name, tokens, needs })
    }

    /// Whether it looks into the body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.needs.body
    }

    /// The topic. It has as many tokens as the template, and as `tokens(…)` says.
    ///
    /// # Errors
    /// [`Failure`]; also for empty values, for lists, maps and null, and where what comes out is no topic.
    pub fn topic<'v>(
        &'v self,
        scope: &'v Scope<'_>,
        element: Option<&Element<'v>>,
    ) -> Result<Topic, Failure> {
        self.render(scope, element).map_err(|failed| failed.named(self.name))
    }

    fn render<'v>(&'v self, scope: &'v Scope<'_>, element: Option<&Element<'v>>) -> Result<Topic, Failed> {
        let mut evaluation = Evaluation::new(scope, element);
        let mut topic = String::new();
        for (n, token) in self.tokens.iter().enumerate() {
            if n > 0 {
                topic.push('.');
            }
            match token {
                Token::One(parts) => {
                    for part in parts {
                        match part {
                            Part::Fixed(text) => topic.push_str(text),
                            Part::Filled(program) => fill(&mut evaluation, program, &mut topic, escape)?,
                        }
                    }
                }
                Token::Several(program) => fill(&mut evaluation, program, &mut topic, escape_tokens)?,
            }
        }
        Topic::parse(&topic).map_err(|e| Failed::new(0, Why::Name(e)))
    }
}

fn piece<'t>(spans: &[Span<'t>], n: usize, span: &Span<'t>) -> Option<Piece<'t>> {
    let Span::Expression { at, text } = span else { return None };
    let before = n.checked_sub(1).and_then(|before| spans.get(before));
    let opens = match before {
        None => true,
        Some(Span::Fixed { text, .. }) => text.ends_with('.'),
        Some(Span::Expression { .. }) => false,
    };
    let closes = match spans.get(n + 1) {
        None => true,
        Some(Span::Fixed { text, .. }) => text.starts_with('.'),
        Some(Span::Expression { .. }) => false,
    };
    let role = if opens && closes { Role::WholeToken } else { Role::Plain };
    Some(Piece { text, at: *at, role })
}

/// A topic's tokens while its text is read.
struct Build {
    tokens: Vec<Token>,
    /// Parts of the token that may go on.
    open: Vec<Part>,
}

impl Build {
    fn fixed(&mut self, at: usize, text: &str) -> Result<(), LoadError> {
        let mut from = at;
        for (n, part) in text.split('.').enumerate() {
            // A dot follows whatever there is: a token, `tokens(…)`, or nothing, which is wrong.
            if n > 0 {
                self.close(from.saturating_sub(1), n == 1 && text.starts_with('.') && at > 0)?;
            }
            if !part.is_empty() {
                // As a topic of its own: its characters, and no escape that the next part would end.
                Topic::parse(part).map_err(|e| LoadError { at: from, problem: Problem::Topic(e) })?;
                self.open.push(Part::Fixed(part.into()));
            }
            from += part.len() + 1;
        }
        Ok(())
    }

    fn close(&mut self, at: usize, after_expression: bool) -> Result<(), LoadError> {
        if !self.open.is_empty() {
            self.tokens.push(Token::One(std::mem::take(&mut self.open)));
            return Ok(());
        }
        if after_expression && matches!(self.tokens.last(), Some(Token::Several(_))) {
            return Ok(());
        }
        Err(LoadError { at, problem: Problem::Topic(NameError::EmptyToken) })
    }

    fn end(mut self, text: &str) -> Result<Vec<Token>, LoadError> {
        let refuse = |at, error| Err(LoadError { at, problem: Problem::Topic(error) });
        if text.is_empty() {
            return refuse(0, NameError::Empty);
        }
        self.close(text.len(), !text.ends_with('.'))?;
        if self.tokens.len() > TOPIC_TOKENS {
            return refuse(0, NameError::TooManyTokens(self.tokens.len()));
        }
        let mut fixed = 0;
        for token in &self.tokens {
            fixed += 1;
            if let Token::One(parts) = token {
                fixed +=
                    parts.iter().map(|p| if let Part::Fixed(t) = p { t.len() } else { 1 }).sum::<usize>();
            }
        }
        if fixed - 1 > TOPIC_BYTES {
            return refuse(0, NameError::TooLong(fixed - 1));
        }
        if let [Token::One(parts), _, ..] = self.tokens.as_slice()
            && let [Part::Fixed(first)] = parts.as_slice()
            && RESERVED_PREFIX.strip_suffix('.') == Some(&**first)
        {
            return refuse(0, NameError::Reserved);
        }
        Ok(self.tokens)
    }
}

/// Puts a value's text into a topic.
fn fill<'v>(
    evaluation: &mut Evaluation<'v, '_, '_>,
    program: &'v Program,
    topic: &mut String,
    put: fn(&str, &mut String) -> Result<(), Why>,
) -> Result<(), Failed> {
    let value: Value<'v> = evaluation.node(&program.root)?;
    let filled = match value.text() {
        None => Err(Why::NotText(value.kind())),
        // Escaped it is no shorter: it needs no look at the rest to know that it is too long.
        Some(text) if text.len() > TOPIC_BYTES => Err(Why::Name(NameError::TooLong(text.len()))),
        Some(text) => put(&text, topic),
    };
    filled.map_err(|why| Failed::new(program.root.at, why))
}

/// A value as (a part of) one token.
fn escape(value: &str, topic: &mut String) -> Result<(), Why> {
    if value.is_empty() {
        return Err(Why::Empty);
    }
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b':' | b'@' => topic.push(byte.into()),
            // Writing to a String has no failure.
            other => drop(write!(topic, "~{other:02X}")),
        }
    }
    Ok(())
}

/// A value as as many tokens as it has between its dots.
fn escape_tokens(value: &str, topic: &mut String) -> Result<(), Why> {
    for (n, token) in value.split('.').enumerate() {
        if n > 0 {
            topic.push('.');
        }
        escape(token, topic)?;
    }
    Ok(())
}
