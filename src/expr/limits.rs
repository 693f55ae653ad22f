//! Every limit on an expression, with its unit and its reason, in one place.
//!
//! What an operator writes is bounded when it is loaded; what a sender can make of it is bounded when it is evaluated.
//! Two budgets do the latter, and one of each serves a whole delivery, however many events it becomes: steps of work, so
//! that no loop, comparison or pattern runs away, and bytes made, so that no concatenation grows without end.

/// Bytes of a template's or filter's text. Many times what configurations in the wild have.
pub const TEXT_BYTES: usize = 8 << 10;

/// Expressions in one template.
pub const EXPRESSIONS: usize = 64;

/// How deep brackets, arguments and `?:` may nest in the text. The parser recurses some ten functions for each.
pub const NESTING: u16 = 32;

/// How deep an expression's tree may be. `a.b.c` and `a + b + c` are as deep as they are long. Evaluation recurses one
/// function for each, on the thread that serves the listener.
pub const DEPTH: usize = 64;

/// Nodes of one expression's tree.
pub const NODES: usize = 1024;

/// Bytes of a compiled pattern of `matches`. `\w` alone takes some 20 KiB, as it holds all of Unicode.
pub const PATTERN_BYTES: usize = 256 << 10;

/// Bytes of the stack that expressions are compiled on. Brackets are bounded by [`NESTING`], but a chain such as `1+1+…` is
/// as deep as [`TEXT_BYTES`] lets it be long before its depth is known. The longest needed between 4 and 8 MiB in a build
/// without optimisation; what is not touched costs nothing.
pub const COMPILE_STACK: usize = 32 << 20;

/// Steps of work in one delivery. A step is a node evaluated, an element visited, or [`STEP_BYTES`] looked at: 5 to 15 ns
/// as measured for loops, comparisons and JSON, so that these hold a thread for some 30 ms at most. A byte that a pattern
/// looks at is weighed by the pattern's size instead; how long the worst pattern takes is not measured.
/// [`crate::event::limits::DELIVERY_EVENTS`] events of 100 nodes each fit.
pub const DELIVERY_WORK: u64 = 2_000_000;

/// Bytes that one step looks at, where text is searched, compared or copied.
pub const STEP_BYTES: usize = 64;

/// Bytes that one step reads where each is looked at by itself: a number or time that is parsed, a digest. That is some
/// eight times slower than what [`STEP_BYTES`] is for.
pub const STEP_READ_BYTES: usize = 8;

/// Bytes that the expressions of one delivery may make, on top of [`MADE_PER_BODY`].
pub const MADE_BYTES: u64 = 8 << 20;

/// Bytes that the expressions of one delivery may make per byte of its body, so that a larger body may be mapped whole.
pub const MADE_PER_BODY: u64 = 4;

/// Elements that a list or map made by an expression may have.
pub const MADE_ELEMENTS: usize = 100_000;

// A budget must let every event of the largest delivery be looked at.
const _: () = assert!(DELIVERY_WORK >= 100 * crate::event::limits::DELIVERY_EVENTS as u64);
// A tree no deeper than the text nests would make the second limit pointless.
const _: () = assert!(DEPTH > NESTING as usize && NODES > DEPTH);
