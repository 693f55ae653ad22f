//! What can be said of an expression's kind before there is a request: enough to find a filter that can never be one.

use super::program::{Binary, Function, Macro, Node, Op, Variable};
use super::value::Kind;

/// What an expression gives, whatever the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Static {
    /// A value of this kind, or it fails.
    Kind(Kind),
    /// One of several kinds, or it fails; but no bool.
    NoBool,
    /// It depends.
    Unknown,
}

impl Static {
    /// In words, where it is no bool for certain.
    pub(super) fn never_bool(self) -> Option<String> {
        match self {
            Self::Kind(Kind::Bool) | Self::Unknown => None,
            Self::Kind(kind) => Some(format!("this gives {kind}, whatever the request")),
            Self::NoBool => Some("this never gives one, whatever the request".to_owned()),
        }
    }

    /// Of two, one of which it is.
    fn either(self, other: Self) -> Self {
        match (self.never_bool(), other.never_bool()) {
            _ if self == other => self,
            (Some(_), Some(_)) => Self::NoBool,
            _ => Self::Unknown,
        }
    }
}

/// What `node` gives.
pub(super) fn kind(node: &Node) -> Static {
    use Static::{NoBool, Unknown};
    Static::Kind(match &node.op {
        Op::Null => Kind::Null,
        Op::Bool(_) | Op::Has(..) | Op::Not(_) | Op::And(_) | Op::Or(_) | Op::Matches(..) => Kind::Bool,
        Op::Int(_) => Kind::Int,
        Op::Uint(_) => Kind::Uint,
        Op::Double(_) => Kind::Double,
        Op::Text(_) => Kind::Text,
        Op::Kind(_) => Kind::Kind,
        Op::List(_) => Kind::List,
        Op::Map(_) => Kind::Map,
        Op::Variable(variable) => return self::variable(*variable),
        Op::Select(of, _) => return field(of),
        Op::Index(both) => return field(&both[0]),
        Op::Negate(_) => return NoBool,
        Op::If(all) => return kind(&all[1]).either(kind(&all[2])),
        Op::Binary(operation, both) => return binary(*operation, kind(&both[0])),
        Op::Call(function, arguments) => return call(*function, arguments),
        Op::Each(each) => match each.kind {
            Macro::All | Macro::Exists | Macro::ExistsOne => Kind::Bool,
            Macro::Map | Macro::Filter => Kind::List,
        },
        Op::Local(_) => return Unknown,
    })
}

fn variable(variable: Variable) -> Static {
    Static::Kind(match variable {
        Variable::Body | Variable::Each => return Static::Unknown,
        Variable::Raw | Variable::Path | Variable::Source | Variable::Method => Kind::Text,
        Variable::Headers | Variable::Query => Kind::Map,
        Variable::Received => Kind::Moment,
        Variable::Index => Kind::Int,
    })
}

/// A field of the request's head is text.
fn field(of: &Node) -> Static {
    match of.op {
        Op::Variable(Variable::Headers | Variable::Query) => Static::Kind(Kind::Text),
        _ => Static::Unknown,
    }
}

fn binary(operation: Binary, left: Static) -> Static {
    match (operation, left) {
        (Binary::Add, Static::Kind(Kind::Text | Kind::List))
        | (
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder,
            Static::Kind(Kind::Int | Kind::Uint | Kind::Double),
        ) => left,
        (Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder, _) => {
            Static::NoBool
        }
        _ => Static::Kind(Kind::Bool),
    }
}

fn call(function: Function, arguments: &[Node]) -> Static {
    Static::Kind(match function {
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Bool => Kind::Bool,
        Function::Size | Function::Int | Function::Part(_) => Kind::Int,
        Function::Uint => Kind::Uint,
        Function::Double => Kind::Double,
        Function::Text | Function::Lower | Function::Json | Function::Sha256 => Kind::Text,
        Function::Moment => Kind::Moment,
        Function::Span => Kind::Span,
        Function::Kind => Kind::Kind,
        Function::Dyn => return arguments.first().map_or(Static::Unknown, kind),
    })
}
