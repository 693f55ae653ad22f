//! Where a byte of a value stands in the file that the value was read from.
//!
//! A message about an expression is worth most where an editor can jump to it. The parser tells where a value begins and
//! not how it was written, so the file's text is read again from there, beside the value: quotes, escapes, folded lines and
//! the indentation of blocks give no byte of it. What is read must be what the value says; where it isn't, no place is told
//! rather than a wrong one.

use saphyr_parser::ScalarStyle;

use super::problem::Position;

/// The place of byte `at` of `value`, which begins at `start` of the file and is written in this style; its end has a place
/// too.
pub(super) fn place(
    text: &str,
    start: Position,
    style: ScalarStyle,
    value: &str,
    at: usize,
) -> Option<Position> {
    let before = value.get(..at)?;
    let mut read = Read { chars: Vec::new(), end: start, wanted: before.chars().count() };
    match style {
        ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            Source::new(text, start)?.flow(style, &mut read)?;
        }
        ScalarStyle::Literal | ScalarStyle::Folded => Source::header(text, start)?.block(style, &mut read)?,
    }
    read.behind(before)
}

/// A value's characters, each with its place, as far as they are wanted.
struct Read {
    chars: Vec<(char, Position)>,
    /// Behind the last of them.
    end: Position,
    wanted: usize,
}

impl Read {
    fn push(&mut self, text: &str, at: Position) {
        self.chars.extend(text.chars().map(|c| (c, at)));
    }

    /// Whether one more than the wanted are there.
    fn is_enough(&self) -> bool {
        self.chars.len() > self.wanted
    }

    /// The place behind `before`, if that is what was read.
    fn behind(&self, before: &str) -> Option<Position> {
        let mut read = self.chars.iter();
        let same = before.chars().all(|c| read.next().is_some_and(|(is, _)| *is == c));
        same.then(|| read.next().map_or(self.end, |(_, at)| *at))
    }
}

/// The file's text from a place on, with the place.
#[derive(Clone)]
struct Source<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, start: Position) -> Option<Self> {
        let mut rest = text;
        for _ in 1..start.line {
            rest = &rest[rest.find('\n')? + 1..];
        }
        let (before, _) = rest.char_indices().nth(start.column.checked_sub(1)?)?;
        Some(Self { rest: &rest[before..], at: start })
    }

    /// The line of the block whose content begins at `start`: the last one before it that holds something.
    fn header(text: &'a str, start: Position) -> Option<Self> {
        let before = text.lines().take(start.line.checked_sub(1)?).enumerate();
        let (line, _) = before.filter(|(_, line)| !line.trim().is_empty()).last()?;
        Self::new(text, Position { line: line + 1, column: 1 })
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        if next == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    fn skip(&mut self, is: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&is) {
            self.next();
        }
    }

    /// A value between quotes, or without any (YAML 1.2.2, chapter 7.3).
    fn flow(&mut self, style: ScalarStyle, read: &mut Read) -> Option<()> {
        if style != ScalarStyle::Plain {
            self.next();
        }
        while !read.is_enough() {
            let at = self.at;
            read.end = at;
            if let Some(folded) = self.fold() {
                read.push(&folded, at);
                continue;
            }
            let Some(next) = self.next() else { break };
            match (style, next) {
                (ScalarStyle::SingleQuoted, '\'') if self.peek() == Some('\'') => {
                    self.next();
                    read.push("'", at);
                }
                (ScalarStyle::SingleQuoted, '\'') | (ScalarStyle::DoubleQuoted, '"') => break,
                (ScalarStyle::DoubleQuoted, '\\') => {
                    if let Some(c) = self.escape()? {
                        read.chars.push((c, at));
                    }
                }
                _ => read.chars.push((next, at)),
            }
        }
        Some(())
    }

    /// An escape behind its backslash; the inner none is a line's end, which stands for nothing. The outer none is one that
    /// is too rare to be read.
    #[expect(clippy::option_option, reason = "nothing, or not known")]
    fn escape(&mut self) -> Option<Option<char>> {
        let digits = match self.next()? {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '\n' => {
                self.skip(is_blank);
                return Some(None);
            }
            'n' => return Some(Some('\n')),
            't' | '\t' => return Some(Some('\t')),
            'r' => return Some(Some('\r')),
            same @ ('"' | '\\' | '/' | ' ') => return Some(Some(same)),
            _ => return None,
        };
        let code = self.rest.get(..digits)?;
        let code = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
        for _ in 0..digits {
            self.next();
        }
        Some(Some(code))
    }

    /// A line's end and what is white around it: a space, or as many line ends as there are empty lines. None, and nothing
    /// is read, where there is no line's end.
    fn fold(&mut self) -> Option<String> {
        let mut ahead = self.clone();
        let mut ends = 0;
        loop {
            ahead.skip(|c| is_blank(c) || c == '\r');
            if ahead.peek() != Some('\n') {
                break;
            }
            ahead.next();
            ends += 1;
        }
        if ends == 0 {
            return None;
        }
        *self = ahead;
        Some(folded(ends))
    }

    /// A block (chapter 8.1).
    fn block(&mut self, style: ScalarStyle, read: &mut Read) -> Option<()> {
        let header = self.rest.split('\n').next()?;
        let header = header.split(" #").next()?.trim_end();
        // Behind the last of these there is only how it ends; an indentation that is written out is too rare to be read.
        if !header.trim_end_matches(['+', '-']).ends_with(['|', '>']) {
            return None;
        }
        self.line();
        let indent = indentation(self.rest);
        // Line ends since the last line that holds something, and whether that was indented further.
        let (mut ends, mut further, mut first) = (0, false, true);
        while !read.is_enough() && !self.rest.is_empty() {
            let content = self.rest.split('\n').next()?.trim_end_matches('\r');
            let spaces = content.len() - content.trim_start_matches(' ').len();
            if spaces == content.len() && spaces <= indent {
                ends += 1;
                self.line();
                continue;
            }
            if spaces < indent {
                break;
            }
            let is_further = content[indent..].starts_with(is_blank);
            let joint = match style {
                ScalarStyle::Folded if !first && !further && !is_further => folded(ends),
                _ => "\n".repeat(ends),
            };
            read.push(&joint, read.end);
            for _ in 0..indent {
                self.next();
            }
            for c in content[indent..].chars() {
                read.chars.push((c, self.at));
                self.next();
            }
            read.end = self.at;
            (ends, further, first) = (1, is_further, false);
            self.line();
        }
        if read.chars.len() < read.wanted {
            // What is left are the line ends behind the last line.
            read.push(&"\n".repeat(ends), read.end);
        }
        Some(())
    }

    /// To the beginning of the next line.
    fn line(&mut self) {
        self.skip(|c| c != '\n');
        self.next();
    }
}

/// What so many line ends become where lines are folded.
fn folded(ends: usize) -> String {
    if ends == 1 { " ".to_owned() } else { "\n".repeat(ends - 1) }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Of the first line that holds something.
fn indentation(text: &str) -> usize {
    let lines = text.lines().map(|line| (line, line.trim_start_matches(' ')));
    let mut held = lines.filter(|(_, content)| !content.trim().is_empty());
    held.next().map_or(0, |(line, content)| line.len() - content.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::marks::{Marks, Reading};

    /// Where a byte of what `key` is stands, in a file that is nothing else.
    fn place_in(text: &str, at: impl FnOnce(&str) -> usize) -> Option<(usize, usize)> {
        let tree = crate::config::yaml::parse(text).unwrap();
        let value = tree["key"].as_str().unwrap();
        let Reading::Whole(marks, _) = Marks::read(text) else { panic!("{text:?}") };
        let found = place(text, marks.value("key"), marks.style("key")?, value, at(value))?;
        Some((found.line, found.column))
    }

    fn found(text: &str, mark: &str) -> Option<(usize, usize)> {
        place_in(text, |value| value.find(mark).unwrap_or_else(|| panic!("{mark:?} in {value:?}")))
    }

    #[test]
    fn places_by_table() {
        for (text, mark, want) in [
            ("key: body.x == MARK", "MARK", (1, 16)),
            ("key: MARK", "MARK", (1, 6)),
            ("key: \"a.${MARK}\"", "MARK", (1, 11)),
            ("key: 'it''s ''MARK'", "MARK", (1, 15)),
            ("key: \"\\\"é\\u00e9\\x41\\n\\t\\\\\\/MARK\"", "MARK", (1, 28)),
            ("key: \"a \\\n   b MARK\"", "MARK", (2, 6)),
            ("key: a\n  b\n\n  c MARK", "MARK", (4, 5)),
            ("key: \"a\n  b  \n\n\n  MARK\"", "MARK", (5, 3)),
            ("key: |\n  a &&\n  MARK\n", "MARK", (3, 3)),
            ("key: |-\n\n  a\n\n    b\n   c MARK\n", "MARK", (6, 6)),
            ("key: |+ # why\n  MARK\n\n", "MARK", (2, 3)),
            ("key: >\n  a &&\n  b MARK\n", "MARK", (3, 5)),
            ("key: >-\n  a\n\n  b\n  MARK", "MARK", (5, 3)),
            ("key: >-\n\n  MARK", "MARK", (3, 3)),
            ("key: >-\n  a\n    b\n\n  MARK\n", "MARK", (5, 3)),
            ("key: |\r\n  a\r\n  é MARK\r\n", "MARK", (3, 5)),
        ] {
            assert_eq!(found(text, mark), Some(want), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_a_value_has_a_place() {
        for (text, want) in [
            ("key: body.x ==", (1, 15)),
            ("key: \"body.x ==\"", (1, 16)),
            ("key: |-\n  body.x ==\n", (2, 12)),
            ("key: >-\n  a\n  b\n", (3, 4)),
        ] {
            assert_eq!(place_in(text, str::len), Some(want), "{text:?}");
        }
    }

    #[test]
    fn no_place_rather_than_a_wrong_one() {
        assert_eq!(place_in("key: |2\n   abc\n", |_| 1), None);
        assert_eq!(place_in("key: \"\\_abc\"", |_| 3), None, "an escape that nobody writes");
        let start = Position { line: 1, column: 6 };
        let plain = |text, value, at| place(text, start, ScalarStyle::Plain, value, at);
        assert_eq!(plain("key: abc", "abd", 3), None);
        assert_eq!(plain("key", "abc", 3), None);
        assert_eq!(plain("key: é", "é", 1), None, "within a character");
        assert_eq!(plain("key: a", "a", 2), None);
    }

    proptest! {
        /// Whatever is told holds the same character as the value there.
        #[test]
        fn a_place_holds_what_the_value_does(
            lines in proptest::collection::vec("[a-z\"'\\\\${} é]{0,6}", 1..5),
            style in 0..5_usize,
            at: prop::sample::Index,
        ) {
            let body = lines.join("\n  ");
            let text = match style {
                0 => format!("key: x{body}\n"),
                1 => format!("key: '{body}'\n"),
                2 => format!("key: \"{body}\"\n"),
                3 => format!("key: |\n  x{body}\n"),
                _ => format!("key: >\n  x{body}\n"),
            };
            let Ok(tree) = crate::config::yaml::parse(&text) else { return Ok(()) };
            let Some(value) = tree["key"].as_str().filter(|value| !value.is_empty()) else { return Ok(()) };
            let at = at.index(value.len());
            let Reading::Whole(marks, _) = Marks::read(&text) else { return Ok(()) };
            let Some(style) = marks.style("key") else { return Ok(()) };
            if let Some(place) = place(&text, marks.value("key"), style, value, at) {
                let want = value[at..].chars().next().unwrap();
                let line = text.lines().nth(place.line - 1).unwrap_or_default();
                let is = line.chars().nth(place.column - 1);
                // An escape or a fold is at its beginning.
                let escaped = is == Some('\\') || is == Some('\'');
                prop_assert!(is == Some(want) || escaped || want == '\n' || want == ' ', "{text:?} {at} {place:?}");
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}", line in 0..4_usize, column in 0..9_usize, value in "\\PC{0,20}", at in 0..20_usize) {
            for style in [ScalarStyle::Plain, ScalarStyle::DoubleQuoted, ScalarStyle::Literal, ScalarStyle::Folded] {
                let _ = place(&text, Position { line, column }, style, &value, at);
            }
        }
    }
}
