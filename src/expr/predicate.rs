//! Expressions that stand alone: `filter`, which says yes or no, and `each`, which gives a list.

use crate::event::limits::DELIVERY_EVENTS;

use super::compile::Known;
use super::error::{Failed, Failure, LoadError, Problem, Why};
use super::eval::evaluate;
use super::program::Program;
use super::scope::{Element, Scope};
use super::statics;
use super::template::single;
use super::value::Value;

/// An expression that says whether an event is kept.
pub struct Predicate {
    name: &'static str,
    program: Program,
}

impl Predicate {
    /// Compiles `text`, an expression as it is or in `${…}`.
    ///
    /// # Errors
    /// [`LoadError`]; also where it can give no bool, whatever the request.
    pub fn compile(name: &'static str, text: &str, known: Known) -> Result<Self, LoadError> {
        let program = single(text, known)?;
        match statics::kind(&program.root).never_bool() {
            None => Ok(Self { name, program }),
            Some(why) => {
                Err(LoadError { at: program.root.at as usize, problem: Problem::NeverBool(why.into()) })
            }
        }
    }

    /// Whether it looks into the body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.program.needs.body
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`Failure`]; also where it gives anything but a bool.
    pub fn holds<'v>(&'v self, scope: &'v Scope<'_>, element: Option<&Element<'v>>) -> Result<bool, Failure> {
        let named = |failed: Failed| failed.named(self.name);
        match evaluate(&self.program, scope, element).map_err(named)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(named(Failed::new(self.program.root.at, Why::NotBool(other.kind())))),
        }
    }
}

/// An expression that makes several events of one delivery.
pub struct Each {
    name: &'static str,
    program: Program,
}

impl Each {
    /// Compiles `text`, an expression in `${…}` or as it is.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn compile(name: &'static str, text: &str) -> Result<Self, LoadError> {
        single(text, Known::Request).map(|program| Self { name, program })
    }

    /// Whether it looks into the body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.program.needs.body
    }

    /// The elements, in order: none to [`DELIVERY_EVENTS`]. They borrow from the scope; nothing of the body is copied.
    ///
    /// # Errors
    /// [`Failure`]; also where it gives anything but a list, or more elements than a delivery has events.
    pub fn split<'v>(&'v self, scope: &'v Scope<'_>) -> Result<Vec<Element<'v>>, Failure> {
        let failed = |why| Failed::new(self.program.root.at, why).named(self.name);
        let value = evaluate(&self.program, scope, None).map_err(|failed| failed.named(self.name))?;
        let Value::List(list) = value else { return Err(failed(Why::NotList(value.kind()))) };
        if list.len() > DELIVERY_EVENTS {
            return Err(failed(Why::TooMany(list.len())));
        }
        let elements = (0..list.len()).filter_map(|at| list.get(at));
        // There are at most as many as fit a delivery.
        Ok(elements.zip(0..).map(|(value, index)| Element { value, index }).collect())
    }
}
