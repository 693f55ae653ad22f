//! An expression as it is evaluated: names resolved, functions chosen, patterns compiled, all when it was loaded.

use regex::Regex;

use super::value::Kind;

/// One compiled expression.
pub(super) struct Program {
    pub root: Node,
    /// What it asks of a delivery.
    pub needs: Needs,
}

/// Which parts of a delivery an expression may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub body: bool,
}

impl Needs {
    pub(super) fn or(self, other: Self) -> Self {
        Self { body: self.body || other.body }
    }
}

/// An operation, and where it stands in the text.
pub(super) struct Node {
    pub at: u32,
    pub op: Op,
}

pub(super) enum Op {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Kind(Kind),
    Variable(Variable),
    /// The variable of a macro around it, counted from the outermost.
    Local(usize),
    /// `a.key`
    Select(Box<Node>, Box<str>),
    /// `has(a.key)`
    Has(Box<Node>, Box<str>),
    /// `a[b]`
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `a ? b : c`
    If(Box<[Node; 3]>),
    Binary(Binary, Box<[Node; 2]>),
    Call(Function, Box<[Node]>),
    Matches(Box<Node>, Box<Pattern>),
    List(Box<[Node]>),
    Map(Box<[[Node; 2]]>),
    Each(Box<Loop>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Body,
    Raw,
    Headers,
    Query,
    Path,
    Source,
    Method,
    Received,
    Each,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

impl Binary {
    pub(super) const ALL: [(&str, Self); 12] = [
        ("_+_", Self::Add),
        ("_-_", Self::Subtract),
        ("_*_", Self::Multiply),
        ("_/_", Self::Divide),
        ("_%_", Self::Remainder),
        ("_==_", Self::Equal),
        ("_!=_", Self::Unequal),
        ("_<_", Self::Less),
        ("_<=_", Self::LessEqual),
        ("_>_", Self::Greater),
        ("_>=_", Self::GreaterEqual),
        ("@in", Self::In),
    ];

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Text,
    Int,
    Uint,
    Double,
    Bool,
    Moment,
    Span,
    Kind,
    Dyn,
    Lower,
    Json,
    Sha256,
    Part(Part),
}

impl Function {
    /// Whether it makes something else of a text by looking at each of its bytes.
    pub(super) const fn parses(self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double | Self::Bool | Self::Moment | Self::Span)
    }
}

/// A part of a timestamp or duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A regular expression, with what a byte that it looks at costs: by its compiled size, as a text can be made on which
/// it looks at all of itself for every byte.
pub(super) struct Pattern {
    pub regex: Regex,
    /// Steps for a byte.
    pub weight: u64,
}

/// A macro over the elements of a list or the keys of a map.
pub(super) struct Loop {
    pub kind: Macro,
    pub range: Node,
    /// `map` with three arguments: which elements.
    pub when: Option<Node>,
    pub body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl Macro {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Map => "map",
            Self::Filter => "filter",
        }
    }
}
