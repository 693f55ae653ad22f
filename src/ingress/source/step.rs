//! Steps of a program's own, between the mapping and the log.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::verify::Request;

/// Judges the events of a verified delivery before they are appended: it may change them, leave some or all out, or refuse
/// the delivery.
///
/// Must not block: it is called on the threads that serve the listener. What it gives is checked as what it was given:
/// data that is not UTF-8, or too many events, refuse the delivery.
pub trait Step: Send + Sync + 'static {
    /// The events to go on with, in their order. None at all is a delivery that was filtered out.
    ///
    /// # Errors
    /// [`Denied`]: nothing is published, and the sender is told 403.
    fn apply(&self, context: &Context<'_>, events: Vec<Event>) -> Result<Vec<Event>, Denied>;
}

/// What a step may know of a delivery besides its events.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The request, verified; its body as it came.
    pub request: &'a Request<'a>,
}

/// Why a step refused a delivery: for the log and the admin API, not for the sender. It must hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(pub Cow<'static, str>);

/// A step and the name it is configured by.
#[derive(Clone)]
pub struct NamedStep {
    /// Its name.
    pub name: Box<str>,
    /// What it does.
    pub step: Arc<dyn Step>,
}

impl fmt::Debug for NamedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
