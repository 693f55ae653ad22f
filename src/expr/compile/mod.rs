//! From text to what is evaluated. The `cel` crate reads the language; what it read is resolved and bounded here.
//!
//! Its own evaluator was tried on paper and left out: it can't be told how much it may do (no counter reaches its
//! loops, `+`, `==` or patterns), it puts whole values into its errors, it looks names up by text for every event, and it
//! compiles a pattern for every match. Its parser, tested against CEL's own suite, is what is hard to get right.

mod functions;
mod lower;
mod pattern;

use cel::Env;
use cel::parser::ParseErrors;

use super::error::{LoadError, Problem};
use super::limits::{COMPILE_STACK, NESTING};
use super::program::Program;

#[cfg(test)]
pub(super) use self::functions::{NAMES, is_macro};

/// Which variables an expression may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Those of the request.
    Request,
    /// Those, and `each` and `index`: the source splits its deliveries.
    Element,
}

/// An expression's text, and where it begins in the whole.
pub(super) struct Piece<'t> {
    pub text: &'t str,
    pub at: usize,
    pub role: Role,
}

/// What may surround an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// Alone between the dots of a topic: `tokens(x)` may be its outermost call.
    WholeToken,
}

/// What an expression became.
pub(super) enum Compiled {
    Plain(Program),
    /// The argument of `tokens(…)`.
    Tokens(Program),
}

/// Compiles expressions, in a thread with a stack for what the parser recurses.
pub(super) fn compile(pieces: &[Piece<'_>], known: Known) -> Result<Vec<Compiled>, LoadError> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let failed = || LoadError { at: first.at, problem: Problem::Parser };
    std::thread::scope(|scope| {
        let work = || pieces.iter().map(|piece| one(piece, known)).collect();
        let thread = std::thread::Builder::new().name("expressions".into()).stack_size(COMPILE_STACK);
        // The parser is generated code that is not written to be safe from every text: its panic is a refusal.
        thread.spawn_scoped(scope, work).map_err(|_| failed())?.join().unwrap_or_else(|_| Err(failed()))
    })
}

fn one(piece: &Piece<'_>, known: Known) -> Result<Compiled, LoadError> {
    if piece.text.trim().is_empty() {
        return Err(LoadError { at: piece.at, problem: Problem::Nothing });
    }
    // Without the standard macros a call of one is left as written, and so is its place. No optional values: they are no
    // part of the language's core, and `has` says the same.
    let parser = Env::default().with_optional_support(false).parser().max_recursion_depth(NESTING);
    let (tree, info) = parser.parse_with_source_info(piece.text).map_err(|errors| refused(piece, &errors))?;
    lower::lower(&tree, &info, piece, known)
}

/// The first of the parser's complaints, at its place.
fn refused(piece: &Piece<'_>, errors: &ParseErrors) -> LoadError {
    let Some(first) = errors.errors.first() else {
        return LoadError { at: piece.at, problem: Problem::Parser };
    };
    if errors.errors.iter().any(|e| e.msg.contains("ecursion limit")) {
        return LoadError { at: piece.at, problem: Problem::TooDeep };
    }
    let message = first.msg.lines().next().unwrap_or_default();
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    LoadError { at: piece.at + offset(piece.text, first.pos), problem: Problem::Syntax(message.into()) }
}

/// A line and column, both from 1, as bytes. The parser counts a column's characters.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let (line, column) = (usize::try_from(line - 1).unwrap_or(0), usize::try_from(column - 1).unwrap_or(0));
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(column).map(char::len_utf8).sum::<usize>()
}
