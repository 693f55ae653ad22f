//! Where each key of the file stands, and what YAML allows but a configuration should not.
//!
//! serde tells no positions, so the text is parsed for its marks alone first. The same pass refuses what would make a
//! file say something else than it seems to (a key given twice, tags), and what would take time or memory out of
//! proportion to its size when it is parsed for its values: aliases and deep nesting.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::problem::Position;

/// Levels of nesting. The deepest key that exists is at 5; the bound keeps every later walk's recursion short.
pub(super) const NESTING: usize = 32;

/// Positions by key path.
#[derive(Default)]
pub(super) struct Marks(HashMap<String, Mark>);

/// Where one key and its value begin. In a list there is no key, and both are the item.
#[derive(Clone, Copy)]
struct Mark {
    key: Position,
    value: Position,
    /// How the value is written, where it is neither a mapping nor a list.
    style: Option<ScalarStyle>,
}

/// Something that the pass refuses: its path, place and reason.
pub(super) type Refusal = (String, Position, String);

/// What came of the pass.
pub(super) enum Reading {
    /// The text may be parsed for its values; what was refused on the way is for the report.
    Whole(Marks, Vec<Refusal>),
    /// The text is no YAML, from here on.
    Broken(Position, String),
    /// The text is not to be parsed: it could grow.
    Stopped(Vec<Refusal>),
}

impl Marks {
    /// Reads the marks of `text`, and everything in it that is refused whatever the keys mean.
    pub(super) fn read(text: &str) -> Reading {
        let mut walk = Walk::default();
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            match next {
                Ok((event, span)) => {
                    if walk.step(event, place(&span.start)).is_none() {
                        return Reading::Stopped(walk.refusals);
                    }
                }
                Err(error) => {
                    let why = format!("not valid YAML: {}", error.info());
                    let at = place(error.marker());
                    if walk.refusals.is_empty() {
                        return Reading::Broken(at, why);
                    }
                    walk.refusals.push((String::new(), at, why));
                    return Reading::Stopped(walk.refusals);
                }
            }
        }
        if walk.aliases > 0 {
            return Reading::Stopped(walk.refusals);
        }
        Reading::Whole(Self(walk.marks), walk.refusals)
    }

    /// Where the key at `path` stands; of what is not written, where the nearest part of it that is written stands.
    pub(super) fn key(&self, path: &str) -> Position {
        self.nearest(path).map_or(START, |mark| mark.key)
    }

    /// Where the value at `path` stands; the nearest written part as for [`Marks::key`].
    pub(super) fn value(&self, path: &str) -> Position {
        match self.0.get(path) {
            Some(mark) => mark.value,
            None => self.key(path),
        }
    }

    /// How the text at `path` is written, if the file writes one there.
    pub(super) fn style(&self, path: &str) -> Option<ScalarStyle> {
        self.0.get(path)?.style
    }

    /// Whether the file writes the key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    fn nearest(&self, path: &str) -> Option<Mark> {
        let mut path = path;
        loop {
            if let Some(mark) = self.0.get(path) {
                return Some(*mark);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

const START: Position = Position { line: 1, column: 1 };

fn place(marker: &Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

/// The path of `key` in the mapping at `parent`. Keys that are not plain words are quoted, so that a path is unambiguous.
pub(super) fn member(parent: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if plain { key.to_owned() } else { format!("{key:?}") };
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// The path of item `index` in the list at `parent`.
pub(super) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The walk over the events of one document.
#[derive(Default)]
struct Walk {
    marks: HashMap<String, Mark>,
    refusals: Vec<Refusal>,
    open: Vec<Open>,
    documents: usize,
    aliases: usize,
}

/// A mapping or list that has begun and not ended.
enum Open {
    Mapping { path: String, seen: HashSet<String>, pending: Option<(String, Position)> },
    List { path: String, next: usize },
}

impl Walk {
    /// Takes one event. `None` ends the walk: what follows could not be placed.
    fn step(&mut self, event: Event<'_>, at: Position) -> Option<()> {
        match event {
            Event::MappingStart(_, tag) => {
                let path = self.begin(tag.as_deref(), at)?;
                self.open.push(Open::Mapping { path, seen: HashSet::new(), pending: None });
            }
            Event::SequenceStart(_, tag) => {
                let path = self.begin(tag.as_deref(), at)?;
                self.open.push(Open::List { path, next: 0 });
            }
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refusals.push((String::new(), at, "a second document; expected one".into()));
                    return None;
                }
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), at),
            Event::Alias(_) => {
                self.aliases += 1;
                let path = self.scalar_path("*", at);
                self.refusals.push((path, at, "aliases are not supported; write the value out".into()));
            }
            _ => {}
        }
        Some(())
    }

    /// A mapping or list begins: its path, unless it is a key or too deep.
    fn begin(&mut self, tag: Option<&Tag>, at: Position) -> Option<String> {
        if let Some(Open::Mapping { path, pending: None, .. }) = self.open.last() {
            self.refusals.push((path.clone(), at, "a key must be a word, not a mapping or a list".into()));
            return None;
        }
        let path = self.value_path(at);
        self.refuse_tag(tag, &path, at);
        if self.open.len() >= NESTING {
            self.refusals.push((
                path,
                at,
                format!("nested too deeply; at most {NESTING} levels are allowed"),
            ));
            return None;
        }
        Some(path)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) {
        let path = self.scalar_path(text, at);
        // A key has no mark before its value has.
        if let Some(mark) = self.marks.get_mut(&path).filter(|mark| mark.value == at) {
            mark.style = Some(style);
        }
        self.refuse_tag(tag, &path, at);
    }

    /// The path of a scalar, which may be a key (then noted, and refused when it is there twice) or a value.
    fn scalar_path(&mut self, text: &str, at: Position) -> String {
        if let Some(Open::Mapping { path, seen, pending: pending @ None }) = self.open.last_mut() {
            let path = member(path, text);
            if !seen.insert(text.to_owned()) {
                let first = self.marks.get(&path).map_or(START, |mark| mark.key);
                let why = format!("given twice; the first is at {}:{}", first.line, first.column);
                self.refusals.push((path.clone(), at, why));
            }
            *pending = Some((path.clone(), at));
            return path;
        }
        self.value_path(at)
    }

    /// The path of the value that begins at `at`, whose mark is set. Of a key given twice the first mark stays.
    fn value_path(&mut self, at: Position) -> String {
        let (path, key) = match self.open.last_mut() {
            None => (String::new(), at),
            Some(Open::Mapping { pending, .. }) => pending.take().unwrap_or((String::new(), at)),
            Some(Open::List { path, next }) => {
                let path = item(path, *next);
                *next += 1;
                (path, at)
            }
        };
        self.marks.entry(path.clone()).or_insert(Mark { key, value: at, style: None });
        path
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, path: &str, at: Position) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.refusals.push((path.to_owned(), at, "tags (!…) are not supported".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    fn whole(text: &str) -> (Marks, Vec<Refusal>) {
        match Marks::read(text) {
            Reading::Whole(marks, refusals) => (marks, refusals),
            Reading::Broken(..) | Reading::Stopped(_) => panic!("{text}"),
        }
    }

    #[test]
    fn every_key_and_item_has_its_place() {
        let (marks, refusals) = whole("edge:\n  heartbeat: 15s\ntopics:\n  - { name: a, match: b }\n  - x\n");
        assert_eq!(refusals, []);
        assert_eq!((marks.key("edge"), marks.value("edge")), (at(1, 1), at(2, 3)));
        assert_eq!((marks.key("edge.heartbeat"), marks.value("edge.heartbeat")), (at(2, 3), at(2, 14)));
        assert_eq!(marks.key("topics[0].match"), at(4, 16));
        assert_eq!(marks.value("topics[1]"), at(5, 5));
        assert_eq!(marks.value("edge.prefix"), at(1, 1), "the nearest that is written");
        assert_eq!(marks.value("drain"), at(1, 1), "the file's beginning");
        assert!(marks.has("edge.heartbeat") && !marks.has("edge.prefix"));
    }

    #[test]
    fn what_hides_its_meaning_is_refused() {
        let cases = [
            ("a: 1\na: 2\n", "a", at(2, 1), "given twice; the first is at 1:1"),
            ("a: &x 1\nb: *x\n", "b", at(2, 4), "aliases are not supported"),
            ("a: !env X\n", "a", at(1, 9), "tags (!…) are not supported"),
            ("? [a]\n: b\n", "", at(1, 3), "a key must be a word"),
        ];
        for (text, path, position, why) in cases {
            let (Reading::Whole(_, refusals) | Reading::Stopped(refusals)) = Marks::read(text) else {
                panic!("{text}");
            };
            assert_eq!(refusals.len(), 1, "{text}: {refusals:?}");
            let (got_path, got_position, got_why) = &refusals[0];
            assert_eq!((got_path.as_str(), got_position.line), (path, position.line), "{text}");
            assert!(got_why.starts_with(why), "{text}: {got_why}");
        }
    }

    /// None of these reaches the parser that would expand them or descend into them.
    #[test]
    fn what_could_grow_stops_the_reading() {
        for (text, why) in [
            ("[".repeat(NESTING + 1), "nested too deeply"),
            ("- ".repeat(500_000), "nested too deeply"),
            ("a: &a [x, x]\nb: [*a, *a]\n".to_owned(), "aliases are not supported"),
            ("a: 1\n---\nb: 2".to_owned(), "a second document"),
        ] {
            let Reading::Stopped(refusals) = Marks::read(&text) else { panic!("{why}") };
            assert!(refusals[0].2.starts_with(why), "{refusals:?}");
        }
        for text in ["[".repeat(1_000_000), "a: [1\nb: 2".to_owned()] {
            assert!(
                matches!(Marks::read(&text), Reading::Broken(_, why) if why.starts_with("not valid YAML"))
            );
        }
        let fits = format!("{}{}", "[".repeat(NESTING), "]".repeat(NESTING));
        assert_eq!(whole(&fits).1, []);
    }

    #[test]
    fn odd_keys_are_quoted_in_paths() {
        assert_eq!(member("edge", "heart.beat"), "edge.\"heart.beat\"");
        assert_eq!(member("", "a\nb"), "\"a\\nb\"");
        assert_eq!(member("", ""), "\"\"");
    }
}
