//! What makes one scheme differ from another, and what must hold for all.

use http::HeaderName;

use crate::verify::encoding::Encoding;
use crate::verify::key::KeyForm;
use crate::verify::limits::PARTS;
use crate::verify::mac::{Algorithm, LONGEST_TAG};
use crate::verify::scheme::Refused;
use crate::verify::time::{Tolerance, Unit};

/// One scheme.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The header fields. Where a sender may use either of two sets of names there are two, the preferred first.
    pub fields: Vec<Fields>,
    /// What stands between the items of the signature field. None: it is one item.
    pub separator: Option<u8>,
    /// What an item may be. Where there are separators, others are passed over: a sender may add a new kind.
    pub forms: Vec<Form>,
    /// How signatures are written.
    pub encoding: Encoding,
    /// What is signed, in this order.
    pub signed: Vec<Part>,
    /// Where the time of signing stands.
    pub timestamp: Option<Timestamp>,
    /// How secrets stand for keys.
    pub key: KeyForm,
}

/// The names of the header fields.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Where the signatures are.
    pub signature: HeaderName,
    /// What [`Part::Id`] is.
    pub id: Option<HeaderName>,
    /// What [`Part::Timestamp`] is, where it has a field of its own.
    pub timestamp: Option<HeaderName>,
}

impl Fields {
    /// A signature's field alone.
    #[must_use]
    pub fn signature(name: HeaderName) -> Self {
        Self { signature: name, id: None, timestamp: None }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        [Some(&self.signature), self.id.as_ref(), self.timestamp.as_ref()].into_iter().flatten()
    }
}

/// One kind of signature.
#[derive(Clone, Debug)]
pub struct Form {
    /// What stands before the signature: `sha256=`, `v1,`, or nothing.
    pub prefix: Box<str>,
    /// How it was made.
    pub method: Method,
}

impl Form {
    /// With a prefix.
    #[must_use]
    pub fn new(prefix: &str, method: Method) -> Self {
        Self { prefix: prefix.into(), method }
    }
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// HMAC, RFC 2104, with a secret that both sides have.
    Hmac(Algorithm),
    /// Ed25519, RFC 8032, checked with the public key.
    Ed25519,
}

impl Method {
    /// Bytes of a signature.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Hmac(algorithm) => algorithm.bytes(),
            Self::Ed25519 => LONGEST_TAG,
        }
    }
}

/// Where the time of signing stands, and how far it may be off.
#[derive(Clone, Debug)]
pub struct Timestamp {
    /// Where.
    pub at: TimestampAt,
    /// What it counts.
    pub unit: Unit,
    /// How far it may be off, in both directions.
    pub tolerance: Tolerance,
}

/// Where the time of signing stands.
#[derive(Clone, Debug)]
pub enum TimestampAt {
    /// In [`Fields::timestamp`].
    Field,
    /// In the item of the signature field that has this prefix, such as `t=`.
    Item(Box<str>),
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Literal(Box<str>),
    /// The value of [`Fields::id`].
    Id,
    /// The timestamp's text, as it came.
    Timestamp,
    /// The body's bytes, as they came.
    Body,
    /// Another header field's value, as it came.
    Header(HeaderName),
    /// The request's method.
    Method,
    /// Path and query, as they came.
    Target,
}

impl Part {
    /// A literal.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::Literal(text.into())
    }
}

impl Parameters {
    /// Refuses what is incomplete, and what would let two different requests have the same signed bytes: then one of them
    /// could be sent with the other's signature.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let count = |part: Part| self.signed.iter().filter(|other| **other == part).count();
        let ids = self.fields.iter().filter(|fields| fields.id.is_some()).count();
        let times = self.fields.iter().filter(|fields| fields.timestamp.is_some()).count();
        let wants_times = matches!(self.timestamp, Some(Timestamp { at: TimestampAt::Field, .. }));
        let wants_items = matches!(self.timestamp, Some(Timestamp { at: TimestampAt::Item(_), .. }));
        let empty = |part: &Part| matches!(part, Part::Literal(text) if text.is_empty());
        let wrong = if self.fields.is_empty() || self.forms.is_empty() {
            "there is no header field, or no kind of signature"
        } else if self.signed.len() > PARTS {
            "too many parts are signed"
        } else if count(Part::Body) != 1 {
            "the body is to be signed, once"
        } else if count(Part::Timestamp) != usize::from(self.timestamp.is_some()) {
            "a timestamp is to be signed, once, and to be found somewhere"
        } else if count(Part::Id) > 0 && ids != self.fields.len() {
            "an id is signed that no header field holds"
        } else if wants_times && times != self.fields.len() {
            "the timestamp's header field is not named"
        } else if wants_items && self.separator.is_none() {
            "a timestamp beside the signature takes something between the two"
        } else if self.signed.iter().any(empty) {
            "a literal is empty"
        } else if !(0..self.signed.len()).all(|index| self.is_bounded(index)) {
            "between two values that are signed there is to be a text that can't be part of them"
        } else {
            return Ok(());
        };
        Err(Refused::Parameters(wrong))
    }

    fn body(&self) -> usize {
        self.signed.iter().position(|part| *part == Part::Body).unwrap_or(self.signed.len())
    }

    /// The part that ends the one at `index` on the body's side.
    fn towards_body(&self, index: usize) -> Option<&Part> {
        match index.cmp(&self.body()) {
            std::cmp::Ordering::Less => self.signed.get(index + 1),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => self.signed.get(index - 1),
        }
    }

    /// The byte that the part at `index` must not hold, because from it on (or up to it, behind the body) something else
    /// begins. So the signed bytes can be taken apart in one way only: from the front up to the body, and from the back
    /// down to it.
    pub(super) fn fence(&self, index: usize) -> Option<u8> {
        match self.towards_body(index)? {
            Part::Literal(text) if index < self.body() => text.bytes().next(),
            Part::Literal(text) => text.bytes().last(),
            _ => None,
        }
    }

    /// Whether it is clear where the part at `index` ends.
    fn is_bounded(&self, index: usize) -> bool {
        let fence = self.fence(index);
        match self.signed[index] {
            Part::Body | Part::Literal(_) => true,
            // A digit more or less makes a moment that is far off, so the body may follow at once.
            Part::Timestamp if self.towards_body(index) == Some(&Part::Body) => true,
            Part::Timestamp => fence.is_some_and(|byte| !byte.is_ascii_digit()),
            _ => fence.is_some(),
        }
    }
}
