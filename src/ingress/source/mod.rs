//! A source: a configured kind of sender, with everything that the configuration says of it, compiled.
//!
//! A source never changes. What changes under its name (counts, limits) is kept elsewhere and outlives it; a reload
//! replaces the whole list, [`Sources`].

mod list;
mod respond;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::rate::Rate;
use super::route::SourcePath;
use crate::event::Topic;
use crate::verify::Verifier;

pub use list::Sources;
pub use respond::{Respond, RespondError};

/// A kind of sender.
#[derive(Debug)]
pub struct Source {
    /// Its name, unique among the sources; it labels metrics and is part of every dedupe key.
    pub name: Box<str>,
    /// Where it is served.
    pub path: SourcePath,
    /// How it is told from everybody else.
    pub verification: Verification,
    /// Where its events go.
    pub topic: TopicRule,
    /// What it may send.
    pub limits: Limits,
    /// What makes two of its deliveries the same.
    pub dedupe: DedupeRule,
    /// What its senders are answered.
    pub respond: Respond,
}

/// How a source's deliveries are verified.
#[derive(Clone)]
pub enum Verification {
    /// Not at all: whoever reaches the listener may publish. Must be written out, and is said at start.
    None,
    /// By a verifier.
    By(Arc<dyn Verifier>, Facts),
}

/// What there is to know of a verifier, besides what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name, as in the configuration.
    pub kind: Box<str>,
    /// Whether header fields that nobody configured may choose an event's type and id.
    pub headers: Headers,
}

/// What a request's header fields are worth, once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// As much as its body: whoever could change them could have changed that too.
    AsTheBody,
    /// Nothing: only the body is signed, so that a captured request may come again with other headers.
    Unsigned,
}

/// Where a source's events go.
#[derive(Clone, Debug)]
pub enum TopicRule {
    /// The segment of the path that stands in the topic's place, percent-decoded once.
    Path,
    /// Always the same.
    Fixed(Topic),
}

/// What a source may send. None is what the ingress allows all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as it comes.
    pub max_body: Option<usize>,
    /// Webhooks from all of its senders together, on top of the limit on all sources.
    pub rate: Option<Rate>,
    /// Webhooks from one address.
    pub rate_per_ip: Option<Rate>,
}

/// What makes two deliveries of a source the same.
#[derive(Clone, Debug, Default)]
pub struct DedupeRule {
    /// How long a delivery is remembered; none for the ingress's window.
    pub window: Option<Duration>,
}

impl Source {
    /// The name of the only source where none is configured.
    pub const STANDARD: &'static str = "default";

    /// The only source where none is configured: `/webhooks/<topic>`, unverified, any content type; the body is the data.
    #[must_use]
    pub fn standard() -> Self {
        Self::plain(Self::STANDARD, SourcePath::standard(), Verification::None, TopicRule::Path)
    }

    /// A source of which nothing is said but what must be.
    #[must_use]
    pub fn plain(name: &str, path: SourcePath, verification: Verification, topic: TopicRule) -> Self {
        Self {
            name: name.into(),
            path,
            verification,
            topic,
            limits: Limits::default(),
            dedupe: DedupeRule::default(),
            respond: Respond::default(),
        }
    }
}

impl Verification {
    /// Whether whoever reaches the listener may publish.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The verifier's name, as in the configuration.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::None => "none",
            Self::By(_, facts) => &facts.kind,
        }
    }

    /// What header fields are worth that nobody configured.
    pub(super) fn headers(&self) -> Headers {
        match self {
            Self::None => Headers::AsTheBody,
            Self::By(_, facts) => facts.headers,
        }
    }
}

/// A verifier holds secrets: it is named, not shown.
impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
