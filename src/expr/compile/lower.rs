//! From the parser's tree to ours: every name is resolved and every bound checked, at its place in the text.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SourceInfo};

use super::functions::{NAMES, Named, Signature, Style, looping, signature};
use super::pattern::pattern;
use super::{Compiled, Known, Piece, Role};
use crate::expr::error::{LoadError, Problem};
use crate::expr::limits::{DEPTH, NODES};
use crate::expr::program::{Binary, Loop, Macro, Needs, Node, Op, Program, Variable};
use crate::expr::value::Kind;

const VARIABLES: &str = "body, headers, method, path, query, raw, received, source";
const WITH_ELEMENT: &str = "body, each, headers, index, method, path, query, raw, received, source";

/// Resolves and bounds one expression.
pub(super) fn lower(
    tree: &IdedExpr,
    info: &SourceInfo,
    piece: &Piece<'_>,
    known: Known,
) -> Result<Compiled, LoadError> {
    let mut lowering =
        Lowering { info, piece, known, locals: Vec::new(), nodes: 0, depth: 0, needs: Needs::default() };
    if piece.role == Role::WholeToken
        && let Expr::Call(call) = &tree.expr
        && call.func_name == "tokens"
        && let (None, [argument]) = (&call.target, call.args.as_slice())
    {
        let root = lowering.node(argument)?;
        return Ok(Compiled::Tokens(Program { root, needs: lowering.needs }));
    }
    let root = lowering.node(tree)?;
    Ok(Compiled::Plain(Program { root, needs: lowering.needs }))
}

struct Lowering<'t> {
    info: &'t SourceInfo,
    piece: &'t Piece<'t>,
    known: Known,
    /// Variables of the macros around, the outermost first.
    locals: Vec<&'t str>,
    nodes: usize,
    depth: usize,
    needs: Needs,
}

impl<'t> Lowering<'t> {
    /// Where a node stands: an operator's sign, a call's bracket, else its first byte.
    fn at(&self, tree: &IdedExpr) -> usize {
        let within = self.info.offset_for(tree.id).map_or(0, |(start, _)| start as usize);
        self.piece.at + within.min(self.piece.text.len())
    }

    fn refuse<T>(&self, tree: &IdedExpr, problem: Problem) -> Result<T, LoadError> {
        Err(LoadError { at: self.at(tree), problem })
    }

    fn node(&mut self, tree: &'t IdedExpr) -> Result<Node, LoadError> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(LoadError { at: self.piece.at, problem: Problem::TooLarge });
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(LoadError { at: self.piece.at, problem: Problem::TooDeep });
        }
        let op = self.op(tree)?;
        self.depth -= 1;
        // A text has at most `TEXT_BYTES`, so that its places fit.
        Ok(Node { at: self.at(tree) as u32, op })
    }

    fn boxed(&mut self, tree: &'t IdedExpr) -> Result<Box<Node>, LoadError> {
        self.node(tree).map(Box::new)
    }

    fn all(&mut self, trees: &'t [IdedExpr]) -> Result<Box<[Node]>, LoadError> {
        trees.iter().map(|tree| self.node(tree)).collect()
    }

    fn op(&mut self, tree: &'t IdedExpr) -> Result<Op, LoadError> {
        match &tree.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Null => Ok(Op::Null),
                LiteralValue::Boolean(b) => Ok(Op::Bool(*b.inner())),
                LiteralValue::Int(n) => Ok(Op::Int(*n.inner())),
                LiteralValue::UInt(n) => Ok(Op::Uint(*n.inner())),
                LiteralValue::Double(n) => Ok(Op::Double(*n.inner())),
                LiteralValue::String(text) => Ok(Op::Text(text.inner().into())),
                LiteralValue::Bytes(_) => self.refuse(tree, Problem::Unsupported("a bytes literal")),
            },
            Expr::Ident(name) => self.name(tree, name),
            Expr::Select(select) => {
                Ok(Op::Select(self.boxed(&select.operand)?, select.field.as_str().into()))
            }
            Expr::List(list) => Ok(Op::List(self.all(&list.elements)?)),
            Expr::Map(map) => self.map(tree, map),
            Expr::Call(call) => self.call(tree, call),
            Expr::Struct(_) => self.refuse(tree, Problem::Unsupported("a message literal")),
            // The macros that would make one are not expanded, and what can't be parsed was refused before.
            Expr::Comprehension(_) | Expr::Unspecified => self.refuse(tree, Problem::Parser),
        }
    }

    fn map(&mut self, tree: &'t IdedExpr, map: &'t MapExpr) -> Result<Op, LoadError> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return self.refuse(tree, Problem::Unsupported("a message literal"));
            };
            entries.push([self.node(&entry.key)?, self.node(&entry.value)?]);
        }
        Ok(Op::Map(entries.into()))
    }

    fn name(&mut self, tree: &IdedExpr, name: &'t str) -> Result<Op, LoadError> {
        if let Some(place) = self.locals.iter().rposition(|local| *local == name) {
            return Ok(Op::Local(place));
        }
        let variable = match name {
            "body" => Variable::Body,
            "raw" => Variable::Raw,
            "headers" => Variable::Headers,
            "query" => Variable::Query,
            "path" => Variable::Path,
            "source" => Variable::Source,
            "method" => Variable::Method,
            "received" => Variable::Received,
            "each" if self.known == Known::Request => {
                return self.refuse(tree, Problem::Element("each"));
            }
            "index" if self.known == Known::Request => {
                return self.refuse(tree, Problem::Element("index"));
            }
            "each" => Variable::Each,
            "index" => Variable::Index,
            other => {
                if let Some(kind) = Kind::named(other) {
                    return Ok(Op::Kind(kind));
                }
                let known = if self.known == Known::Element { WITH_ELEMENT } else { VARIABLES };
                return self.refuse(tree, Problem::Variable { name: name.into(), known });
            }
        };
        self.needs.body |= variable == Variable::Body;
        Ok(Op::Variable(variable))
    }

    fn call(&mut self, tree: &'t IdedExpr, call: &'t CallExpr) -> Result<Op, LoadError> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return match looping(name, call.args.len()) {
                Some(Ok(kind)) => self.looping(kind, target, &call.args),
                Some(Err(problem)) => self.refuse(tree, problem),
                None => self.function(tree, name, Some(target), &call.args),
            };
        }
        if let [left, right] = call.args.as_slice() {
            if let Some((_, binary)) = Binary::ALL.into_iter().find(|(sign, _)| *sign == name) {
                return Ok(Op::Binary(binary, self.pair(left, right)?));
            }
            match name {
                "_&&_" => return Ok(Op::And(self.pair(left, right)?)),
                "_||_" => return Ok(Op::Or(self.pair(left, right)?)),
                "_[_]" => return Ok(Op::Index(self.pair(left, right)?)),
                _ => {}
            }
        }
        match (name, call.args.as_slice()) {
            ("!_", [operand]) => Ok(Op::Not(self.boxed(operand)?)),
            ("-_", [operand]) => Ok(Op::Negate(self.boxed(operand)?)),
            ("_?_:_", [when, yes, no]) => {
                Ok(Op::If(Box::new([self.node(when)?, self.node(yes)?, self.node(no)?])))
            }
            _ => self.function(tree, name, None, &call.args),
        }
    }

    fn pair(&mut self, left: &'t IdedExpr, right: &'t IdedExpr) -> Result<Box<[Node; 2]>, LoadError> {
        Ok(Box::new([self.node(left)?, self.node(right)?]))
    }

    fn looping(
        &mut self,
        kind: Macro,
        list: &'t IdedExpr,
        arguments: &'t [IdedExpr],
    ) -> Result<Op, LoadError> {
        let range = self.node(list)?;
        let [name, arguments @ ..] = arguments else { return self.refuse(list, Problem::Parser) };
        let Expr::Ident(local) = &name.expr else {
            return self.refuse(name, Problem::Call("a name for the element, as x in list.all(x, x > 0)"));
        };
        self.locals.push(local);
        let nodes = self.all(arguments);
        self.locals.pop();
        let mut nodes = nodes?.into_vec();
        let body = nodes.pop();
        let when = nodes.pop();
        match body {
            Some(body) => Ok(Op::Each(Box::new(Loop { kind, range, when, body }))),
            None => self.refuse(name, Problem::Parser),
        }
    }

    fn function(
        &mut self,
        tree: &'t IdedExpr,
        name: &str,
        target: Option<&'t IdedExpr>,
        arguments: &'t [IdedExpr],
    ) -> Result<Op, LoadError> {
        let Some(Signature { function, style, arguments: wanted, form }) = signature(name) else {
            if let Some(Err(problem)) = looping(name, 0) {
                return self.refuse(tree, problem);
            }
            return self.refuse(tree, Problem::Function { name: name.into(), known: NAMES });
        };
        let right_style = match style {
            Style::Global => target.is_none(),
            Style::Method => target.is_some(),
            Style::Either => true,
        };
        if !right_style || arguments.len() + usize::from(target.is_some()) != wanted {
            return self.refuse(tree, Problem::Call(form));
        }
        let mut given = target.into_iter().chain(arguments);
        match function {
            Named::Tokens => self.refuse(tree, Problem::Tokens),
            Named::Has => match given.next().map(|tree| &tree.expr) {
                Some(Expr::Select(select)) => {
                    Ok(Op::Has(self.boxed(&select.operand)?, select.field.as_str().into()))
                }
                _ => self.refuse(tree, Problem::Call(form)),
            },
            Named::Matches => match (given.next(), given.next()) {
                (
                    Some(text),
                    Some(IdedExpr { id: _, expr: Expr::Literal(LiteralValue::String(literal)) }),
                ) => {
                    let text = self.boxed(text)?;
                    match pattern(literal.inner()) {
                        Ok(pattern) => Ok(Op::Matches(text, Box::new(pattern))),
                        Err(problem) => self.refuse(tree, problem),
                    }
                }
                _ => self.refuse(tree, Problem::PatternNotLiteral),
            },
            Named::Function(function) => {
                let nodes: Result<Box<[Node]>, LoadError> = given.map(|tree| self.node(tree)).collect();
                Ok(Op::Call(function, nodes?))
            }
        }
    }
}
