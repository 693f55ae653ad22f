//! What conversions report to: it knows where each key stands, and which keys are known to be wrong already.

use std::collections::BTreeSet;
use std::fmt;

use super::marks::Marks;
use super::problem::Problem;
use super::within;

/// Collects problems and warnings of one file.
pub(super) struct Check<'a> {
    file: &'a str,
    /// The file's content.
    text: &'a str,
    marks: &'a Marks,
    wrong: BTreeSet<String>,
    /// What makes the file unusable.
    pub problems: Vec<Problem>,
    /// What deserves a word.
    pub warnings: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub fn new(file: &'a str, text: &'a str, marks: &'a Marks) -> Self {
        Self { file, text, marks, wrong: BTreeSet::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Reports a value. Later relations that it is part of are not checked: they would be against its default.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message.into());
        self.problems.push(problem);
        self.wrong.insert(key.to_owned());
    }

    /// Reports byte `at` of the text that the value at `key` is: where it stands, as far as that can be told.
    pub fn refuse_within(&mut self, key: &str, value: &str, at: usize, message: impl fmt::Display) {
        let style = self.marks.style(key);
        match style.and_then(|style| within::place(self.text, self.marks.value(key), style, value, at)) {
            Some(position) => {
                let problem = self.at(key, message.to_string());
                self.problems.push(Problem { position: Some(position), ..problem });
                self.wrong.insert(key.to_owned());
            }
            None => self.refuse(key, format!("at byte {at} of the text: {message}")),
        }
    }

    /// Reports a key: one that is unknown or missing.
    pub fn refuse_key(&mut self, key: &str, message: impl Into<String>) {
        let position = Some(self.marks.key(key));
        self.problems.push(Problem { position, ..self.at(key, message.into()) });
        self.wrong.insert(key.to_owned());
    }

    /// Reports a relation between keys, unless one of them is known to be wrong. It is placed at the first of them that
    /// the file writes, so the one that should change comes first.
    pub fn refuse_together(&mut self, keys: &[&str], message: impl Into<String>) {
        if keys.iter().all(|key| self.sound(key)) {
            let key = self.first_written(keys);
            let problem = self.at(key, message.into());
            self.problems.push(problem);
        }
    }

    /// Warns about a value, or about a relation as [`Check::refuse_together`] would place it.
    pub fn warn(&mut self, keys: &[&str], message: impl Into<String>) {
        if keys.iter().all(|key| self.sound(key)) {
            let warning = self.at(self.first_written(keys), message.into());
            self.warnings.push(warning);
        }
    }

    fn first_written<'k>(&self, keys: &[&'k str]) -> &'k str {
        keys.iter().find(|key| self.marks.has(key)).unwrap_or(&keys[0])
    }

    /// Whether neither the key nor anything that holds it is known to be wrong.
    fn sound(&self, key: &str) -> bool {
        let holds = |wrong: &String| {
            key.strip_prefix(wrong.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        !self.wrong.iter().any(|wrong| wrong.is_empty() || holds(wrong))
    }

    fn at(&self, key: &str, message: String) -> Problem {
        Problem {
            file: self.file.to_owned(),
            position: Some(self.marks.value(key)),
            key: key.to_owned(),
            message,
        }
    }
}
