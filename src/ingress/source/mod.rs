//! A source: a configured kind of sender, with everything that the configuration says of it, compiled.
//!
//! A source never changes. What changes under its name (counts, limits) is kept elsewhere and outlives it; a reload
//! replaces the whole list, [`Sources`].

mod list;
mod mapping;
mod respond;
mod step;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};

use super::rate::Rate;
use super::route::SourcePath;
use crate::content::form;
use crate::content::handshake::{self, EventGrid};
use crate::expr::Template;
use crate::verify::{Locator, Proof, Scheme, Target};

pub use list::Sources;
pub use mapping::{Binary, DataRule, Mapping, OnError, TopicRule};
pub use respond::{Respond, RespondError};
pub use step::{Context, Denied, NamedStep, Step};

/// A kind of sender.
pub struct Source {
    /// Its name, unique among the sources; it labels metrics and is part of every dedupe key.
    pub name: std::sync::Arc<str>,
    /// Where it is served.
    pub path: SourcePath,
    /// How it is told from everybody else.
    pub scheme: Scheme,
    /// How far its bodies are looked into.
    pub(super) reading: Reading,
    /// What becomes of a delivery.
    pub mapping: Mapping,
    /// What makes two of its deliveries the same.
    pub dedupe: DedupeRule,
    /// What it may send.
    pub limits: Limits,
    /// What else judges its events before they are appended, in this order.
    pub steps: Vec<NamedStep>,
    /// Which questions of senders it answers.
    pub handshake: handshake::Settings,
    /// What its senders are answered.
    pub respond: Respond,
    /// Who may reach it.
    pub exposure: Exposure,
    /// Header fields that expressions don't see.
    pub(super) hidden: Vec<HeaderName>,
}

/// How far bodies are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not at all: whatever a header says of it, a body is the data of one event, and no mapping is asked.
    AsItCame,
    /// As their headers say: packed ones are unpacked; lines of JSON, and `CloudEvents`, are events of their own.
    AsItSays,
}

/// What makes two deliveries of a source the same.
#[derive(Default)]
pub struct DedupeRule {
    /// How long a delivery is remembered; none for the ingress's window.
    pub window: Option<Duration>,
    /// What is compared.
    pub by: DedupeBy,
}

impl DedupeRule {
    /// Whether ids are compared.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        matches!(self.by, DedupeBy::Id)
    }
}

/// What of two deliveries is compared.
#[derive(Default)]
pub enum DedupeBy {
    /// Their ids: [`Mapping::id`], or else what the scheme knows.
    #[default]
    Id,
    /// The first of these that is there.
    First(Vec<Place>),
    /// What an expression makes of them.
    Template(Template),
    /// Their bodies' bytes, as they came. Where only the body is signed, nothing else tells a replay.
    Body,
}

/// Where a value stands in a request, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header field.
    Header(http::HeaderName),
    /// A JSON pointer (RFC 6901) into the body.
    Body(Box<str>),
}

/// What a source may send. None is what the ingress allows all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as it comes.
    pub max_body: Option<usize>,
    /// Bytes of a body when it is unpacked; none for as many as it may have when it comes.
    pub max_unpacked: Option<usize>,
    /// Webhooks from all of its senders together, besides the limit on all sources.
    pub rate: Option<Rate>,
    /// Webhooks from one address, besides the limit for all sources.
    pub rate_per_ip: Option<Rate>,
}

/// Who may reach a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// Whoever reaches the ingress.
    #[default]
    Ingress,
    /// Whoever reaches the public listener too. Never one that verifies nothing.
    Edge,
}

/// What header fields are worth, once a request is verified, that nobody configured to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// As much as the body: whoever could change them could have changed that too.
    AsTheBody,
    /// Nothing: they are not signed, so that a captured request may come again with others.
    Unsigned,
}

impl Source {
    /// The name of the only source where none is configured.
    pub const STANDARD: &'static str = "default";

    /// The only source where none is configured: `/webhooks/<topic>`, unverified, any content type; the body is the data.
    #[must_use]
    pub fn standard() -> Self {
        let mapping = Mapping::to(TopicRule::Path);
        Self {
            reading: Reading::AsItCame,
            ..Self::new(Self::STANDARD, SourcePath::standard(), Scheme::none(), mapping)
        }
    }

    /// A source of which nothing is said but what must be.
    #[must_use]
    pub fn new(name: &str, path: SourcePath, scheme: Scheme, mapping: Mapping) -> Self {
        if mapping.each.is_some() {
            super::pipeline::prepare();
        }
        let proofs = scheme.facts().proofs.iter().filter_map(|proof| match proof {
            Proof::Header(name) => Some(name.clone()),
            Proof::Query(_) => None,
        });
        let hidden = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].into_iter().chain(proofs).collect();
        Self {
            name: name.into(),
            path,
            scheme,
            hidden,
            reading: Reading::AsItSays,
            mapping,
            dedupe: DedupeRule::default(),
            limits: Limits::default(),
            steps: Vec::new(),
            handshake: handshake::Settings::default(),
            respond: Respond::default(),
            exposure: Exposure::default(),
        }
    }

    /// Whether `Sidestream-Event` and `Sidestream-Id` count in its requests: where its verifier vouches for whoever sends
    /// them, header fields and all.
    #[must_use]
    pub fn takes_our_headers(&self) -> bool {
        self.headers() == Headers::AsTheBody
    }

    /// What expressions see of a query: not what proves who sends.
    pub(super) fn seen_query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        let proofs = self.scheme.facts().proofs.iter().filter_map(|proof| match proof {
            Proof::Query(name) => Some(&**name),
            Proof::Header(_) => None,
        });
        let asked = match &self.handshake.event_grid {
            EventGrid::Query { parameter, .. } => Some(&**parameter),
            EventGrid::Off | EventGrid::Verified => None,
        };
        let hidden: Vec<&str> = proofs.chain(asked).collect();
        if hidden.is_empty() {
            return query.into();
        }
        // Of a name that is encoded in some odd way it is not known whose it is.
        let is_seen = |pair: &&str| match form::fields(pair.as_bytes()).as_deref() {
            Ok([field]) => !hidden.contains(&&*field.name),
            _ => false,
        };
        query.split('&').filter(is_seen).collect::<Vec<_>>().join("&").into()
    }

    /// Whether path and query of its requests are signed.
    #[must_use]
    pub fn signs_its_target(&self) -> bool {
        self.scheme.facts().target == Target::Signed
    }

    /// What its header fields are worth. Credentials and tokens vouch for whoever sends them, headers and all; signatures
    /// for what they are made of, which is a body, or something that is not known here.
    pub(super) fn headers(&self) -> Headers {
        match self.scheme.name() {
            "none" | "bearer" | "basic" | "header" | "query" | "jwt" => Headers::AsTheBody,
            _ => Headers::Unsigned,
        }
    }
}

impl From<Locator> for Place {
    fn from(locator: Locator) -> Self {
        match locator {
            Locator::Header(name) => Self::Header(name),
            Locator::Body(pointer) => Self::Body(pointer.into()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} at {}, {:?})", self.name, self.path, self.scheme)
    }
}
