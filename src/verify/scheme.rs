//! A verifier, and what is known of those who send by it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::key::KeyProblem;
use super::request::{Locator, Request, Unverified, Verified, Verifier};
use crate::jwt::Remote;

/// A verifier with its name and the facts that a source takes its defaults from. Cheap to clone.
#[derive(Clone)]
pub struct Scheme {
    name: Arc<str>,
    verifier: Arc<dyn Verifier>,
    facts: Arc<Facts>,
}

impl Scheme {
    /// A verifier under the name by which it is configured.
    pub fn new(name: &str, verifier: impl Verifier, facts: Facts) -> Self {
        Self { name: name.into(), verifier: Arc::new(verifier), facts: Arc::new(facts) }
    }

    /// Believes everybody. Only what is written out as `none` may come to this.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Self::NONE, Anyone, Facts::default())
    }

    const NONE: &'static str = "none";

    /// The name by which it is configured, such as `github`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name.
    pub(super) fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Whether it believes everybody.
    #[must_use]
    pub fn is_none(&self) -> bool {
        &*self.name == Self::NONE
    }

    /// What is known of those who send by it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Believes the request, or says why not.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        self.verifier.verify(request)
    }

    /// As [`Verifier::sign`].
    #[must_use]
    pub fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        self.verifier.sign(request)
    }

    /// As [`Verifier::signed_bytes`].
    #[must_use]
    pub fn signed_bytes(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.verifier.signed_bytes(request)
    }

    /// As [`Verifier::signed_body`].
    #[must_use]
    pub fn signed_body(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.verifier.signed_body(request)
    }

    /// As [`Verifier::remote`].
    #[must_use]
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.verifier.remote()
    }
}

/// Its name alone: a verifier holds secrets.
impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({})", self.name)
    }
}

/// Whether they are the same one. Two that were built from the same settings are not: secrets are not compared here.
impl PartialEq for Scheme {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.verifier, &other.verifier)
    }
}

impl Eq for Scheme {}

/// What is known of those who send by a scheme. The default is to know nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What tells one delivery from another.
    pub id: IdRule,
    /// Where the event's type stands.
    pub kind: Option<Locator>,
    /// What its senders ask before they send, or now and then.
    pub handshake: Option<Handshake>,
    /// Whether a captured request can be sent again.
    pub freshness: Freshness,
    /// Where its senders put what proves them: signatures and credentials, which are nobody else's business. Expressions don't
    /// see them.
    pub proofs: Vec<Proof>,
    /// Whether path and query are signed.
    pub target: Target,
    /// How long its senders wait for an answer before they count it as failed, where that is known and short.
    pub patience: Option<Duration>,
}

/// Whether path and query of a request are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Not both of them: whoever has captured a request can send it elsewhere.
    #[default]
    Unsigned,
    /// As they are in the request line.
    Signed,
}

/// Where a signature or a credential stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// In a header field.
    Header(HeaderName),
    /// In a parameter of the query.
    Query(Box<str>),
}

/// What tells one delivery from another, and is the same when it is sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdRule {
    /// Nothing that could be named once for all senders.
    #[default]
    Nothing,
    /// The first of these that is there.
    First(Vec<Locator>),
    /// All of these together.
    Joined(Vec<Locator>),
    /// The body's digest: its senders give no id.
    Body,
}

/// A question of senders that is answered and never becomes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Slack's `url_verification`: a POST, verified first.
    Slack,
    /// Discord's PING: a POST, verified first.
    Discord,
    /// Meta's `hub.challenge` with a token: a GET.
    Meta,
    /// WebSub's verification of intent: a GET.
    WebSub,
}

/// Whether a captured request can be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// For ever: nothing that is signed says when. An id outside of what is signed does not help, since it can be changed.
    #[default]
    Unsigned,
    /// For this long: the time is signed, and requests from further away are refused.
    Signed(Duration),
}

/// Why settings make no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// This secret is not one for the scheme; counted from 0.
    #[error("secret {0}: {1}")]
    Key(usize, KeyProblem),
    /// There is none.
    #[error("there is no secret")]
    NoKey,
    /// There are more than [`super::limits::SECRETS`].
    #[error("there are more secrets than are looked at")]
    TooManyKeys,
    /// The parameters leave open what is signed.
    #[error("{0}")]
    Parameters(&'static str),
}

struct Anyone;

impl Verifier for Anyone {
    fn verify(&self, _: &Request<'_>) -> Result<Verified, Unverified> {
        Ok(Verified { secret: None })
    }

    fn sign(&self, _: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        Some(Vec::new())
    }
}
