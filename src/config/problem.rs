//! What is wrong with a configuration, in the one form that people and editors read: `FILE:LINE:COLUMN: key: message`.

use std::fmt;

/// A place in the file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One thing that is wrong, or that deserves a warning.
///
/// Its text is one line whatever the file held, and never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named on the command line.
    pub file: String,
    /// Where in it; none when the file as a whole is meant.
    pub position: Option<Position>,
    /// The key's path, such as `topics[0].history.events`; empty at the root.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", OneLine(&self.file))?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", OneLine(&self.key))?;
        }
        write!(f, " {}", OneLine(&self.message))
    }
}

/// Shows text of others with its control characters escaped, so that it can neither forge a second line of output nor
/// move a terminal's cursor.
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Puts problems into the order of the file, each once.
pub(super) fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by(|a, b| (a.position, &a.key, &a.message).cmp(&(b.position, &b.key, &b.message)));
    problems.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_the_file_held() {
        let problem = Problem {
            file: "a\nb.yaml".into(),
            position: Some(Position { line: 3, column: 7 }),
            key: "edge.\"x\r\"".into(),
            message: "got\u{85}\0this\u{2028}".into(),
        };
        let text = problem.to_string();
        assert_eq!(text, "a\\nb.yaml:3:7: edge.\"x\\r\": got\\u{85}\\u{0}this\\u{2028}");
    }

    #[test]
    fn a_problem_of_the_whole_file_has_no_position() {
        let problem = Problem {
            file: "a.yaml".into(),
            position: None,
            key: String::new(),
            message: "it cannot be read".into(),
        };
        assert_eq!(problem.to_string(), "a.yaml: it cannot be read");
    }
}
