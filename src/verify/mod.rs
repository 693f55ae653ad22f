//! Who sent a webhook: signature schemes, over the raw bytes as they came.
//!
//! A [`Verifier`] believes a request or refuses it, and fails closed: what it does not understand it refuses. Nothing
//! here parses a body, and no error holds a byte of a secret, of a signature, or of what was expected.

mod jwt;
mod request;

pub use jwt::Jwt;
pub use request::{Locator, Request, Unverified, Verified, Verifier};
