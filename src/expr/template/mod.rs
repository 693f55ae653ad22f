//! Texts with `${…}` in them: `id`, `type` and `data` of a source. A topic has its own kind (`topic.rs`).

mod scan;
mod topic;

use std::borrow::Cow;

use bytes::Bytes;

use crate::event::EventType;

use super::compile::{Compiled, Known, Piece, Role, compile};
use super::error::{Failed, Failure, LoadError, Problem, Why};
use super::eval::Evaluation;
use super::program::{Needs, Op, Program, Variable};
use super::scope::{Element, Scope};
use super::value::{Kind, Value};

use self::scan::{Span, scan};

pub use self::topic::TopicTemplate;

/// A text with any number of `${expression}`, compiled. `$${` stands for the characters `${`.
pub struct Template {
    name: &'static str,
    parts: Vec<Part>,
    needs: Needs,
}

enum Part {
    Fixed(Box<str>),
    Filled(Program),
}

/// What lists, maps and null become in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Composite {
    /// A failure: a name is not made of them.
    Refused,
    /// Their JSON.
    Json,
}

impl Template {
    /// Compiles `text`, which failures name by `name`, such as `id`.
    ///
    /// # Errors
    /// [`LoadError`]: what is wrong at which byte of `text`, and what is allowed.
    pub fn compile(name: &'static str, text: &str, known: Known) -> Result<Self, LoadError> {
        let spans = scan(text)?;
        let mut programs = compile(&pieces(&spans), known)?.into_iter();
        let mut needs = Needs::default();
        let mut parts = Vec::with_capacity(spans.len());
        for span in spans {
            parts.push(match span {
                Span::Fixed { text, .. } => Part::Fixed(text.into()),
                Span::Expression { at, .. } => match programs.next() {
                    Some(Compiled::Plain(program)) => {
                        needs = needs.or(program.needs);
                        Part::Filled(program)
                    }
                    _ => return Err(LoadError { at, problem: Problem::Parser }),
                },
            });
        }
        Ok(Self { name, parts, needs })
    }

    /// Whether it looks into the body, which is parsed then.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.needs.body
    }

    /// The text, never empty: what an id is made of. Numbers and bools are written as `string(x)` writes them.
    ///
    /// # Errors
    /// [`Failure`], also for lists, maps, null and nothing at all.
    pub fn text<'v>(
        &'v self,
        scope: &'v Scope<'_>,
        element: Option<&Element<'v>>,
    ) -> Result<String, Failure> {
        let named = |failed: Failed| failed.named(self.name);
        let text = self.render(scope, element, Composite::Refused).map_err(named)?;
        if text.is_empty() { Err(named(Failed::new(0, Why::Empty))) } else { Ok(text) }
    }

    /// The data of an event. `${raw}` alone is the body's bytes, not copied. Any other expression alone gives text as it
    /// is, a time as its text, and any other value as JSON: what is from the body has its keys in the body's order, with
    /// the last of equal ones. Among other text, lists, maps and null are JSON too; for text within JSON there is
    /// `json(x)`, which puts the quotes.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn data<'v>(&'v self, scope: &'v Scope<'_>, element: Option<&Element<'v>>) -> Result<Bytes, Failure> {
        if let [Part::Filled(program)] = self.parts.as_slice()
            && let Op::Variable(Variable::Raw) = program.root.op
        {
            return Ok(scope.request().raw.clone());
        }
        let text = self.render(scope, element, Composite::Json);
        // Without the room that it grew into: an event keeps it for as long as it lives.
        text.map(|text| text.into_boxed_str().into_boxed_bytes().into())
            .map_err(|failed| failed.named(self.name))
    }

    fn render<'v>(
        &'v self,
        scope: &'v Scope<'_>,
        element: Option<&Element<'v>>,
        composite: Composite,
    ) -> Result<String, Failed> {
        let mut evaluation = Evaluation::new(scope, element);
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Fixed(fixed) => {
                    evaluation.make(fixed.len()).map_err(|why| Failed::new(0, why))?;
                    text.push_str(fixed);
                }
                Part::Filled(program) => {
                    let value = evaluation.node(&program.root)?;
                    let filled = fill(&mut evaluation, &value, composite);
                    match filled.map_err(|why| Failed::new(program.root.at, why))? {
                        Cow::Owned(filled) if text.is_empty() => text = filled,
                        filled => text.push_str(&filled),
                    }
                }
            }
        }
        Ok(text)
    }
}

/// What stands for a value in a text, paid for.
fn fill<'t>(
    evaluation: &mut Evaluation<'_, '_, '_>,
    value: &'t Value<'_>,
    composite: Composite,
) -> Result<Cow<'t, str>, Why> {
    // As JSON, a number in data is what the body had: `1.0`, where `string(x)` says `1`.
    let as_json = composite == Composite::Json && value.kind() == Kind::Double;
    match value.text() {
        Some(text) if !as_json => {
            evaluation.make(text.len())?;
            Ok(text)
        }
        _ if composite == Composite::Json => evaluation.json(value).map(Into::into),
        _ => Err(Why::NotText(value.kind())),
    }
}

fn pieces<'t>(spans: &[Span<'t>]) -> Vec<Piece<'t>> {
    spans
        .iter()
        .filter_map(|span| match span {
            Span::Expression { at, text } => Some(Piece { text, at: *at, role: Role::Plain }),
            Span::Fixed { .. } => None,
        })
        .collect()
}

/// The one expression of a text that is `${expression}` or the expression alone. CEL knows no `$`, so that the two can't be
/// taken for each other.
pub(super) fn single(text: &str, known: Known) -> Result<Program, LoadError> {
    let begin = text.len() - text.trim_start().len();
    let piece = if text[begin..].starts_with("${") {
        let mut found = scan(text)?.into_iter().filter(|span| match span {
            Span::Fixed { text, .. } => !text.trim().is_empty(),
            Span::Expression { .. } => true,
        });
        match (found.next(), found.next()) {
            (Some(Span::Expression { at, text }), None) => Piece { text, at, role: Role::Plain },
            _ => return Err(LoadError { at: begin, problem: Problem::NotOne }),
        }
    } else {
        if text.len() > super::limits::TEXT_BYTES {
            return Err(LoadError { at: super::limits::TEXT_BYTES, problem: Problem::TooLong(text.len()) });
        }
        Piece { text, at: 0, role: Role::Plain }
    };
    match compile(&[piece], known)?.pop() {
        Some(Compiled::Plain(program)) => Ok(program),
        _ => Err(LoadError { at: 0, problem: Problem::Parser }),
    }
}

/// The template of a type: what comes out is one, or it fails.
pub struct TypeTemplate(Template);

impl TypeTemplate {
    /// Compiles `text`, which failures name by `name`.
    ///
    /// # Errors
    /// [`LoadError`]; also where a text without expressions is no type.
    pub fn compile(name: &'static str, text: &str, known: Known) -> Result<Self, LoadError> {
        let template = Template::compile(name, text, known)?;
        let fixed = match template.parts.as_slice() {
            [] => Some(""),
            [Part::Fixed(fixed)] => Some(&**fixed),
            _ => None,
        };
        if let Some(fixed) = fixed {
            EventType::parse(fixed).map_err(|e| LoadError { at: 0, problem: Problem::Type(e) })?;
        }
        Ok(Self(template))
    }

    /// Whether it looks into the body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.0.needs_body()
    }

    /// The type.
    ///
    /// # Errors
    /// [`Failure`]; also where what comes out is no type (contract, Names).
    pub fn event_type<'v>(
        &'v self,
        scope: &'v Scope<'_>,
        element: Option<&Element<'v>>,
    ) -> Result<EventType, Failure> {
        let text = self.0.text(scope, element)?;
        EventType::parse(&text).map_err(|e| Failed::new(0, Why::Name(e)).named(self.0.name))
    }
}
