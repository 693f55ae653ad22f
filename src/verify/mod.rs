//! Who sent a webhook: signature schemes, over the raw bytes as they came.
//!
//! A [`Verifier`] believes a request or refuses it, and fails closed: what it does not understand it refuses. No error
//! holds a byte of a secret, of a signature, or of what was expected. Nothing here parses a body before it is believed,
//! but for the one scheme that signs what a form says instead of its bytes ([`preset::twilio`]).
//!
//! There is one [`engine`] with parameters; a [`preset`] is a page of constants for it, with the [`Facts`] that a source
//! takes its defaults from. [`credential`] is for senders that sign nothing. What a company brings along itself is found
//! by name in a [`Registry`].

pub mod credential;
mod encoding;
pub mod engine;
mod header;
mod jwt;
mod key;
pub mod limits;
mod mac;
pub mod preset;
mod registry;
mod request;
mod scheme;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod time;

pub use encoding::Encoding;
pub use jwt::Jwt;
pub use key::{KeyForm, KeyProblem};
pub use mac::Algorithm;
pub use registry::{NameTaken, Registry};
pub use request::{Locator, Request, Unverified, Verified, Verifier};
pub use scheme::{Facts, Freshness, Handshake, IdRule, Proof, Refused, Scheme, Target};
pub use time::{Tolerance, Unit};
