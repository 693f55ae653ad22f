//! The functions there are, and how each is called.

use super::super::error::Problem;
use super::super::program::{Function, Macro, Part};

/// Every function and macro by name, for whoever asks for another.
pub(in super::super) const NAMES: &str = "all, bool, contains, double, duration, dyn, endsWith, exists, exists_one, filter, getDate, \
    getDayOfMonth, getDayOfWeek, getDayOfYear, getFullYear, getHours, getMilliseconds, getMinutes, getMonth, getSeconds, \
    has, int, json, lower, map, matches, sha256, size, startsWith, string, timestamp, tokens, type, uint";

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

/// What a call of a function must look like.
pub(super) struct Signature {
    pub function: Named,
    pub style: Style,
    /// With the value it is called on.
    pub arguments: usize,
    /// As an example.
    pub form: &'static str,
}

/// A function, or what looks like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Function(Function),
    Matches,
    Has,
    Tokens,
}

/// Looks a function up.
pub(super) fn signature(name: &str) -> Option<Signature> {
    use Style::{Either, Global, Method};
    let of = |function, style, arguments, form| {
        Some(Signature { function: Named::Function(function), style, arguments, form })
    };
    let part = |part, form| of(Function::Part(part), Method, 1, form);
    match name {
        "size" => of(Function::Size, Either, 1, "size(x)"),
        "contains" => of(Function::Contains, Method, 2, "x.contains('text')"),
        "startsWith" => of(Function::StartsWith, Method, 2, "x.startsWith('text')"),
        "endsWith" => of(Function::EndsWith, Method, 2, "x.endsWith('text')"),
        "string" => of(Function::Text, Global, 1, "string(x)"),
        "int" => of(Function::Int, Global, 1, "int(x)"),
        "uint" => of(Function::Uint, Global, 1, "uint(x)"),
        "double" => of(Function::Double, Global, 1, "double(x)"),
        "bool" => of(Function::Bool, Global, 1, "bool(x)"),
        "timestamp" => of(Function::Moment, Global, 1, "timestamp('2026-11-24T08:50:41Z')"),
        "duration" => of(Function::Span, Global, 1, "duration('1h30m')"),
        "type" => of(Function::Kind, Global, 1, "type(x)"),
        "dyn" => of(Function::Dyn, Global, 1, "dyn(x)"),
        "lower" => of(Function::Lower, Global, 1, "lower(x)"),
        "json" => of(Function::Json, Global, 1, "json(x)"),
        "sha256" => of(Function::Sha256, Global, 1, "sha256(x)"),
        "getFullYear" => part(Part::FullYear, "received.getFullYear()"),
        "getMonth" => part(Part::Month, "received.getMonth()"),
        "getDate" => part(Part::Date, "received.getDate()"),
        "getDayOfMonth" => part(Part::DayOfMonth, "received.getDayOfMonth()"),
        "getDayOfWeek" => part(Part::DayOfWeek, "received.getDayOfWeek()"),
        "getDayOfYear" => part(Part::DayOfYear, "received.getDayOfYear()"),
        "getHours" => part(Part::Hours, "received.getHours()"),
        "getMinutes" => part(Part::Minutes, "received.getMinutes()"),
        "getSeconds" => part(Part::Seconds, "received.getSeconds()"),
        "getMilliseconds" => part(Part::Milliseconds, "received.getMilliseconds()"),
        "matches" => Some(Signature {
            function: Named::Matches,
            style: Either,
            arguments: 2,
            form: "x.matches('pattern')",
        }),
        "has" => Some(Signature { function: Named::Has, style: Global, arguments: 1, form: "has(body.key)" }),
        "tokens" => {
            Some(Signature { function: Named::Tokens, style: Global, arguments: 1, form: "tokens(x)" })
        }
        _ => None,
    }
}

/// Looks a macro over a list up, by its name and how many arguments it has.
pub(super) fn looping(name: &str, arguments: usize) -> Option<Result<Macro, Problem>> {
    let (kind, form) = match name {
        "all" => (Macro::All, "list.all(x, x > 0)"),
        "exists" => (Macro::Exists, "list.exists(x, x > 0)"),
        "exists_one" | "existsOne" => (Macro::ExistsOne, "list.exists_one(x, x > 0)"),
        "map" => (Macro::Map, "list.map(x, x + 1), or list.map(x, x > 0, x + 1)"),
        "filter" => (Macro::Filter, "list.filter(x, x > 0)"),
        _ => return None,
    };
    let right = arguments == 2 || (kind == Macro::Map && arguments == 3);
    Some(if right { Ok(kind) } else { Err(Problem::Call(form)) })
}

/// Whether a name is one of a macro over a list.
#[cfg(test)]
pub(in super::super) fn is_macro(name: &str) -> bool {
    looping(name, 2).is_some()
}
