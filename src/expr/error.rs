//! What can be wrong with an expression: when it is loaded, and when it is evaluated.
//!
//! Both name a place in the text that the operator wrote. A failure of evaluation tells kinds, keys that stand in the
//! expression itself, and counts; never a value of the request, which may be a secret.

use std::fmt;

use crate::event::NameError;

use super::limits::{DEPTH, EXPRESSIONS, NESTING, NODES, TEXT_BYTES};
use super::value::Kind;

/// Why a text can't be used. Shown to the operator, at load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct LoadError {
    /// Where, in bytes from the beginning of the text.
    pub at: usize,
    /// What is wrong, and what is allowed.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Over [`TEXT_BYTES`].
    #[error("it has {0} bytes; at most {TEXT_BYTES} are allowed")]
    TooLong(usize),
    /// Over [`EXPRESSIONS`].
    #[error("more than {EXPRESSIONS} expressions in one template")]
    TooMany,
    /// Over [`NESTING`] or [`DEPTH`].
    #[error(
        "it is too deep: at most {NESTING} brackets in one another, and {DEPTH} operations on one another"
    )]
    TooDeep,
    /// Over [`NODES`].
    #[error("it is too large: at most {NODES} operations, names and literals in one expression")]
    TooLarge,
    /// `${` whose `}` is missing.
    #[error("this ${{ is not closed by }}; write $${{ for the characters themselves")]
    Open,
    /// Nothing to evaluate.
    #[error("there is no expression here")]
    Nothing,
    /// Not CEL.
    #[error("not a CEL expression: {0}")]
    Syntax(Box<str>),
    /// The parser itself gave up.
    #[error("the CEL parser can't read this")]
    Parser,
    /// CEL, but not offered here.
    #[error("{0} can't be used here")]
    Unsupported(&'static str),
    /// No such variable.
    #[error("there is no variable {name:?}; there are {known}")]
    Variable {
        /// As written.
        name: Box<str>,
        /// Those there are.
        known: &'static str,
    },
    /// `each` or `index` where nothing is split.
    #[error("`{0}` is known only in expressions on the elements of `each`")]
    Element(&'static str),
    /// No such function.
    #[error("there is no function {name:?}; there are {known}")]
    Function {
        /// As written.
        name: Box<str>,
        /// Those there are.
        known: &'static str,
    },
    /// A function called in another way than it is meant to.
    #[error("write {0}")]
    Call(&'static str),
    /// The pattern of `matches` is not one.
    #[error("not a regular expression: {0}")]
    Pattern(Box<str>),
    /// The pattern of `matches` is computed.
    #[error(
        "the pattern of `matches` must be a literal: one that a request could shape could cost without bound"
    )]
    PatternNotLiteral,
    /// `tokens` elsewhere than around a whole `${…}` of a topic.
    #[error("`tokens` stands in a topic only, as the whole of a ${{…}} that is alone between dots")]
    Tokens,
    /// A topic's fixed text is none of a topic.
    #[error("this can't be part of a topic: {0}")]
    Topic(NameError),
    /// A fixed type is none.
    #[error("this can't be a type: {0}")]
    Type(NameError),
    /// A filter that says neither yes nor no.
    #[error("a bool is wanted, true for the events to keep; {0}")]
    NeverBool(Box<str>),
    /// One expression is wanted, and nothing beside it.
    #[error("one expression is wanted, such as ${{body.events}}, and nothing beside it")]
    NotOne,
}

/// Why a value could not be had. Shown to the operator, never to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}, at byte {at}: {why}")]
pub struct Failure {
    /// What the expression is for: `topic`, `filter`, …
    pub name: &'static str,
    /// Where in its text, in bytes.
    pub at: usize,
    /// What was wrong.
    pub why: Why,
}

/// What was wrong in an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A map has no such key. Named where it stands in the expression.
    #[error("there is no key{}", Named(.0.as_deref()))]
    Key(Option<Box<str>>),
    /// A list is shorter.
    #[error("the list has no such element")]
    Index,
    /// An operation on a kind it isn't made for.
    #[error("`{operation}` is not for {}", Kinds(.kinds))]
    Kind {
        /// As it is written in CEL.
        operation: &'static str,
        /// What it was given.
        kinds: Box<[Kind]>,
    },
    /// A number beyond its kind.
    #[error("`{0}` leaves the range of its kind")]
    Range(&'static str),
    /// `/ 0` or `% 0`.
    #[error("division by zero")]
    Zero,
    /// A text that a conversion can't read.
    #[error("`{0}` can't read this text")]
    Unreadable(&'static str),
    /// A map literal names a key twice.
    #[error("a key stands twice in a map")]
    Twice,
    /// There is no body to look into.
    #[error("the request has no body that can be looked into")]
    NoBody,
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// `raw` or a header as text, and it isn't.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A filter must say yes or no.
    #[error("it must give a bool, and gave {0}")]
    NotBool(Kind),
    /// `each` must give a list.
    #[error("it must give a list, and gave {0}")]
    NotList(Kind),
    /// A name can't be made of this.
    #[error("it must give text, a number or a bool, and gave {0}")]
    NotText(Kind),
    /// A name can't be made of nothing.
    #[error("it gave empty text")]
    Empty,
    /// A list of more elements than a delivery has events.
    #[error("it gave {0} elements; at most {max} events fit a delivery", max = crate::event::limits::DELIVERY_EVENTS)]
    TooMany(usize),
    /// The result is no topic or no type.
    #[error("the result can't be used: {0}")]
    Name(NameError),
    /// The delivery's work is used up.
    #[error("it is too much work for one delivery")]
    Work,
    /// The delivery's room is used up.
    #[error("it makes more text or lists than one delivery may")]
    Made,
    /// JSON has no form for infinity and what is no number.
    #[error("a number that JSON can't hold")]
    NotFinite,
}

impl Why {
    /// Whether `||`, `&&`, `all` and `exists` must not go on past it.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Work | Self::Made)
    }
}

/// A failure on its way out of an evaluation: small, as every step returns one or a value.
#[derive(Debug)]
pub(super) struct Failed(Box<(u32, Why)>);

impl Failed {
    pub(super) fn new(at: u32, why: Why) -> Self {
        Self(Box::new((at, why)))
    }

    pub(super) fn is_final(&self) -> bool {
        self.0.1.is_final()
    }

    pub(super) fn named(self, name: &'static str) -> Failure {
        let (at, why) = *self.0;
        Failure { name, at: at as usize, why }
    }
}

struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, " {key:?}"),
            None => f.write_str(" like the one asked for"),
        }
    }
}

struct Kinds<'a>(&'a [Kind]);

impl fmt::Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, kind) in self.0.iter().enumerate() {
            let before = if i == 0 { "" } else { " and " };
            write!(f, "{before}{kind}")?;
        }
        Ok(())
    }
}
