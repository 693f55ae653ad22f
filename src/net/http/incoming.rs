//! A request that somebody else's session is in the middle of: its head, who sent it, and its body within limits.
//!
//! The seam between a listener and what answers on it. A listener lends a request ([`Exchange::incoming`] for one of its
//! own, [`Incoming::new`] for a proxy that only borrows its session), gets an [`Answer`] back and writes it. So what is
//! answered knows neither how connections are kept nor how answers are written, and is the same on every listener.
//!
//! [`Exchange::incoming`]: super::Exchange::incoming
//! [`Answer`]: super::Answer

use std::net::IpAddr;

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use super::body::{self, BodyError, BodyLimit};
use super::budget::{BodyBudget, Held};
use super::way::Way;
use crate::net::Peer;

/// A request whose head was read and which is to be answered once, by whoever lent it.
pub struct Incoming<'a> {
    session: &'a mut ServerSession,
    caller: Caller,
    intake: &'a mut Intake,
}

/// Who sent a request, as the listener knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The peer of the connection, which is believed nothing; none when the connection does not say.
    Peer(Option<Peer>),
    /// Whoever is at the end of a way that was believed.
    Way(Way),
}

/// What reading a body leaves behind, until the answer: what it holds of a budget, and whether it failed.
#[derive(Debug, Default)]
pub struct Intake {
    held: Option<Held>,
    failed: bool,
}

impl Intake {
    /// Whether there is no telling where the next request begins: the connection is to be closed after the answer.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

impl<'a> Incoming<'a> {
    /// Lends the request that `session` has read. `intake` is to live until the answer is written.
    pub fn new(session: &'a mut ServerSession, caller: Caller, intake: &'a mut Intake) -> Self {
        Self { session, caller, intake }
    }

    /// The request's head.
    #[must_use]
    pub fn request(&self) -> &RequestHeader {
        self.session.req_header()
    }

    /// The sender's address: what rates are counted by. None over a unix socket.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match &self.caller {
            Caller::Peer(peer) => peer.and_then(Peer::ip),
            Caller::Way(way) => way.client(),
        }
    }

    /// How it came here: what an app that it is handed on to is told.
    #[must_use]
    pub fn way(&self) -> Way {
        match &self.caller {
            Caller::Peer(peer) => Way::direct(*peer),
            Caller::Way(way) => way.clone(),
        }
    }

    /// Reads the whole body, within a budget that several share, until the answer. `alone` is how many bytes it may take of
    /// it, with what is made of it ([`Incoming::hold`]), whatever the budget has, as long as nobody else holds any.
    ///
    /// # Errors
    /// [`BodyError`], of which [`BodyError::Busy`] may pass; the connection is then closed after the answer.
    pub async fn body_within(
        &mut self,
        limit: BodyLimit,
        budget: &BodyBudget,
        alone: usize,
    ) -> Result<Bytes, BodyError> {
        self.intake.held = Some(budget.begin(alone.max(limit.bytes)));
        self.read(limit).await
    }

    /// Takes so many bytes more of the budget that the body was read within, until the answer: for what it is unpacked to,
    /// before there is room made for it. False where they are not there.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> bool {
        self.intake.held.as_ref().is_none_or(|held| held.grow(bytes))
    }

    /// As [`Incoming::body_within`], without a budget.
    ///
    /// # Errors
    /// [`BodyError`]; the connection is then closed after the answer.
    pub async fn body(&mut self, limit: BodyLimit) -> Result<Bytes, BodyError> {
        self.read(limit).await
    }

    async fn read(&mut self, limit: BodyLimit) -> Result<Bytes, BodyError> {
        let read = body::read(self.session, limit, self.intake.held.as_ref()).await;
        if read.is_err() {
            // What came is dropped with it.
            *self.intake = Intake { held: None, failed: true };
        }
        read
    }
}
