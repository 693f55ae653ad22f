//! Credentials that are sent along as they are: for senders that sign nothing.
//!
//! They prove no more than that the sender knows them: not what was sent, nor when. Whoever reads one can send anything.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::Choice;

use crate::octets::{Plus, pairs, strict};
use crate::secret::Secret;

use super::encoding::unbase64;
use super::header::{self, malformed, sensitive};
use super::key::KeyProblem;
use super::limits::{CREDENTIAL_HEADER_BYTES, SECRETS};
use super::request::{Request, Unverified, Verified, Verifier};
use super::scheme::Refused;
use super::tally::Tally;

/// A credential of which any of several values is believed.
pub struct Credential {
    place: Place,
    /// What must stand there: for `Basic` the user, a colon and the password.
    secrets: Vec<Secret>,
}

enum Place {
    /// `Authorization: Bearer …`, RFC 6750 §2.1.
    Bearer,
    /// `Authorization: Basic …`, RFC 7617 §2.
    Basic,
    /// A header field's whole value.
    Header(HeaderName),
    /// A parameter of the query, which comes once, decoded once.
    Query(Box<str>),
}

impl Credential {
    /// A bearer token.
    ///
    /// # Errors
    /// [`Refused`] when there is none, or one that no header field can hold.
    pub fn bearer(tokens: Vec<Secret>) -> Result<Self, Refused> {
        Self::sendable(Place::Bearer, tokens)
    }

    /// A header field's whole value.
    ///
    /// # Errors
    /// As [`Credential::bearer`].
    pub fn header(name: HeaderName, values: Vec<Secret>) -> Result<Self, Refused> {
        Self::sendable(Place::Header(name), values)
    }

    /// A parameter of the query, for senders that can be told an address and nothing else. Addresses are written into the
    /// logs of whatever stands before us, so this is worth less than a header field.
    ///
    /// # Errors
    /// [`Refused`] when there is none, or an empty one.
    pub fn query(parameter: &str, values: Vec<Secret>) -> Result<Self, Refused> {
        if let Some(index) = values.iter().position(|secret| secret.expose().is_empty()) {
            return Err(Refused::Key(index, KeyProblem::Empty));
        }
        Self::new(Place::Query(parameter.into()), values)
    }

    /// A user with any of several passwords.
    ///
    /// # Errors
    /// [`Refused`] when there is no password, or when the user's name holds a colon, which ends it.
    pub fn basic(user: &str, passwords: &[Secret]) -> Result<Self, Refused> {
        if user.contains(':') {
            return Err(Refused::Parameters("the user's name holds a colon, which would end it"));
        }
        let pair = |password: &Secret| Secret::new([user.as_bytes(), b":", password.expose()].concat());
        Self::new(Place::Basic, passwords.iter().map(pair).collect())
    }

    fn sendable(place: Place, secrets: Vec<Secret>) -> Result<Self, Refused> {
        // White space at either end is no part of a header field's value.
        let sendable = |secret: &Secret| {
            let bytes = secret.expose();
            bytes.trim_ascii().len() == bytes.len()
                && !bytes.is_empty()
                && HeaderValue::from_bytes(bytes).is_ok()
        };
        if let Some(index) = secrets.iter().position(|secret| !sendable(secret)) {
            return Err(Refused::Key(index, KeyProblem::Unsendable));
        }
        Self::new(place, secrets)
    }

    fn new(place: Place, secrets: Vec<Secret>) -> Result<Self, Refused> {
        match secrets.len() {
            0 => Err(Refused::NoKey),
            1..=SECRETS => Ok(Self { place, secrets }),
            _ => Err(Refused::TooManyKeys),
        }
    }

    /// Compares with every secret, whichever it is.
    fn compare(&self, candidate: &[u8]) -> Result<Verified, Unverified> {
        let mut tally = Tally::new();
        for (index, secret) in self.secrets.iter().enumerate() {
            tally.note(index, Choice::from(u8::from(secret.matches(candidate))));
        }
        tally.result()
    }
}

/// What stands in `Authorization` after the scheme, whose name has no case (RFC 9110 §11.1).
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Result<&'a [u8], Unverified> {
    let value = header::one(headers, &AUTHORIZATION, CREDENTIAL_HEADER_BYTES)?;
    let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (name, rest) = value.split_at(space);
    if !name.eq_ignore_ascii_case(scheme.as_bytes()) {
        return Err(malformed(&AUTHORIZATION, "it is for another scheme"));
    }
    Ok(rest.trim_ascii_start())
}

/// What a parameter of the query says, if it comes exactly once.
fn parameter<'a>(target: &'a str, name: &str) -> Result<Cow<'a, [u8]>, Unverified> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let is_own = |own| strict(own, Plus::Space).is_some_and(|own| *own == *name.as_bytes());
    let mut found = pairs(query.as_bytes()).filter(|(own, _)| is_own(own)).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (None, _) => Err(Unverified::Other("the parameter of the query is missing")),
        (Some(_), Some(_)) => Err(Unverified::Other("the parameter of the query is there more than once")),
        (Some(value), None) if value.len() > CREDENTIAL_HEADER_BYTES => {
            Err(Unverified::Other("the parameter of the query is too long"))
        }
        (Some(value), None) => strict(value, Plus::Space)
            .ok_or(Unverified::Other("the parameter of the query is not encoded as queries are")),
    }
}

impl Verifier for Credential {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        match &self.place {
            Place::Bearer => self.compare(authorization(request.headers, "Bearer")?),
            Place::Basic => {
                let text = authorization(request.headers, "Basic")?;
                let pair = unbase64(text).ok_or_else(|| malformed(&AUTHORIZATION, "it is not base64"))?;
                self.compare(&pair)
            }
            Place::Header(name) => self.compare(header::one(request.headers, name, CREDENTIAL_HEADER_BYTES)?),
            Place::Query(name) => self.compare(&parameter(request.target, name)?),
        }
    }

    fn sign(&self, _: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let secret = self.secrets.first()?.expose();
        let (name, value) = match &self.place {
            Place::Bearer => (AUTHORIZATION, [b"Bearer ", secret].concat()),
            Place::Basic => (AUTHORIZATION, format!("Basic {}", STANDARD.encode(secret)).into_bytes()),
            Place::Header(name) => (name.clone(), secret.to_vec()),
            // No header field can say it.
            Place::Query(_) => return None,
        };
        Some(vec![(name, sensitive(&value)?)])
    }
}
