//! The one engine: signatures of what a request is made of, in a header field.
//!
//! [`Parameters`] say where the signatures stand, how they are written, and what is signed, as an ordered list of
//! [`Part`]s. [`Engine::new`] refuses parameters under which two different requests could have the same signed bytes, and
//! digests the keys beforehand. For a request: the fields, the time, the signatures, the parts; then one HMAC for each
//! secret, each compared with every signature, without ending early. Nothing is copied but the state of the HMAC.

mod parameters;
mod parts;
mod sign;
mod split;

use ed25519_dalek::{Signature, VerifyingKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::Choice;

use crate::secret::Secret;

use super::header;
use super::key::Material;
use super::limits::{PUBLIC_KEY_SIGNATURES, SECRETS};
use super::mac::{MacKey, Tag};
use super::request::{Request, Unverified, Verified, Verifier};
use super::scheme::{Freshness, Refused};
use super::tally::Tally;
use super::time;

use self::parts::Pieces;
use self::split::{Candidates, Found};

pub use self::parameters::{Fields, Form, Method, Parameters, Part, Timestamp, TimestampAt};

/// Verifies by its parameters and keys.
pub struct Engine {
    parameters: Parameters,
    /// For each of [`Parameters::forms`], the keys that make its signatures, with the index of the secret.
    keys: Vec<Vec<(usize, Key)>>,
}

/// A key, ready for use.
enum Key {
    Shared(MacKey),
    Public(VerifyingKey),
}

impl Engine {
    /// Checks the parameters and prepares the keys.
    ///
    /// # Errors
    /// [`Refused`]: what is signed is left open, or a secret is none for this scheme, or there are too few or too many.
    pub fn new(parameters: Parameters, secrets: &[Secret]) -> Result<Self, Refused> {
        parameters.check()?;
        match secrets.len() {
            0 => return Err(Refused::NoKey),
            1..=SECRETS => {}
            _ => return Err(Refused::TooManyKeys),
        }
        let mut keys: Vec<Vec<(usize, Key)>> = parameters.forms.iter().map(|_| Vec::new()).collect();
        for (index, secret) in secrets.iter().enumerate() {
            let material = parameters.key.read(secret).map_err(|problem| Refused::Key(index, problem))?;
            for (form, keys) in parameters.forms.iter().zip(&mut keys) {
                let key = match (form.method, &material) {
                    (Method::Hmac(algorithm), Material::Shared(bytes)) => {
                        Key::Shared(MacKey::new(algorithm, bytes))
                    }
                    (Method::Ed25519, Material::Public(key)) => Key::Public(**key),
                    _ => continue,
                };
                keys.push((index, key));
            }
        }
        Ok(Self { parameters, keys })
    }

    /// Whether a captured request can be sent again.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        match &self.parameters.timestamp {
            Some(timestamp) => Freshness::Signed(timestamp.tolerance.0),
            None => Freshness::Unsigned,
        }
    }

    /// The fields that the request uses: the first of which any is there. A request can't take its signature from some
    /// fields and bring the id of others, by which it would be told from its twin.
    fn fields(&self, headers: &HeaderMap) -> &Fields {
        let uses = |fields: &&Fields| fields.names().any(|name| headers.contains_key(name));
        self.parameters.fields.iter().find(uses).unwrap_or(&self.parameters.fields[0])
    }

    /// The timestamp's text, once it is known to be near enough.
    fn timestamp<'a>(
        &self,
        request: &Request<'a>,
        fields: &Fields,
        found: &Found<'a>,
    ) -> Result<Option<&'a [u8]>, Unverified> {
        let Some(timestamp) = &self.parameters.timestamp else { return Ok(None) };
        let (name, text) = match &timestamp.at {
            TimestampAt::Field => {
                let name = fields.timestamp.as_ref().unwrap_or(&fields.signature);
                (name, header::one(request.headers, name, super::limits::SIGNED_HEADER_BYTES)?)
            }
            TimestampAt::Item(_) => {
                let text = found.timestamp;
                (
                    &fields.signature,
                    text.ok_or_else(|| header::malformed(&fields.signature, "it has no timestamp"))?,
                )
            }
        };
        let seconds = time::parse(text, timestamp.unit)
            .ok_or_else(|| header::malformed(name, "its timestamp is no number as the scheme writes it"))?;
        timestamp.tolerance.admits(seconds, request.received)?;
        Ok(Some(text))
    }

    /// Compares every key's signature with every signature there is.
    fn compare(&self, pieces: &Pieces<'_>, candidates: &Candidates) -> Result<Verified, Unverified> {
        let mut tally = Tally::new();
        for (number, keys) in self.keys.iter().enumerate() {
            let signatures = || candidates.of(number);
            if signatures().next().is_none() {
                continue;
            }
            // The only copy of a body: what checks Ed25519 takes one slice.
            let mut whole = None;
            for (secret, key) in keys {
                let matched = match key {
                    Key::Shared(key) => {
                        let want = key.tag(pieces.all());
                        signatures().fold(Choice::from(0), |matched, tag| matched | want.matches(tag))
                    }
                    Key::Public(key) => {
                        let whole = whole.get_or_insert_with(|| pieces.all().concat());
                        let proves = |tag: &Tag| proves(key, whole, tag);
                        Choice::from(u8::from(signatures().take(PUBLIC_KEY_SIGNATURES).any(proves)))
                    }
                };
                tally.note(*secret, matched);
            }
        }
        tally.result()
    }
}

/// Strictly: a signature that another library might judge otherwise is refused.
fn proves(key: &VerifyingKey, signed: &[u8], tag: &Tag) -> bool {
    tag.whole().is_some_and(|bytes| key.verify_strict(signed, &Signature::from_bytes(bytes)).is_ok())
}

impl Verifier for Engine {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        let fields = self.fields(request.headers);
        let found = self.parameters.split(request.headers, fields)?;
        let timestamp = self.timestamp(request, fields, &found)?;
        let pieces = self.parameters.pieces(request, fields, timestamp)?;
        self.compare(&pieces, &found.candidates)
    }

    fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        self.signed(request)
    }

    /// The pieces can be taken apart in one way only, so nothing need stand between them.
    fn signed_bytes(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let fields = self.fields(request.headers);
        let found = self.parameters.split(request.headers, fields).ok()?;
        let timestamp = self.timestamp(request, fields, &found).ok()?;
        Some(self.parameters.pieces(request, fields, timestamp).ok()?.all().concat())
    }
}
