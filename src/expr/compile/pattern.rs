//! Patterns of `matches`, compiled when they are loaded.

use regex::{Regex, RegexBuilder};

use super::super::error::Problem;
use super::super::limits::PATTERN_BYTES;
use super::super::program::Pattern;

/// Bytes of a compiled pattern that make one step a byte of text.
const LIGHT: usize = 8 << 10;

/// Compiles a pattern, and weighs it: the least size it fits in, as the library doesn't tell.
pub(super) fn pattern(text: &str) -> Result<Pattern, Problem> {
    let build = |size| RegexBuilder::new(text).size_limit(size).dfa_size_limit(PATTERN_BYTES).build();
    let mut size = LIGHT;
    while size < PATTERN_BYTES {
        match build(size) {
            Err(regex::Error::CompiledTooBig(_)) => size *= 2,
            built => return weighed(built, size),
        }
    }
    weighed(build(PATTERN_BYTES), PATTERN_BYTES)
}

fn weighed(built: Result<Regex, regex::Error>, size: usize) -> Result<Pattern, Problem> {
    match built {
        Ok(regex) => Ok(Pattern { regex, weight: (size / LIGHT) as u64 }),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err(Problem::Pattern(format!("compiled, it takes over {PATTERN_BYTES} bytes").into()))
        }
        // Its last line says what is wrong; those before draw the pattern.
        Err(other) => {
            let message = other.to_string();
            let last = message.lines().last().unwrap_or_default();
            Err(Problem::Pattern(last.trim_start_matches("error: ").into()))
        }
    }
}
