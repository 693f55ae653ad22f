//! JSON Web Tokens: keys, and what makes a token good (RFC 7519, RFC 7515, RFC 7517). The one place that knows the
//! library for it.
//!
//! A token's life: its size → three parts → header (`alg` in the list, nothing critical) → the keys that it may have been
//! made with → signature → only then its claims are read → time, issuer, audience, required claims → [`Claims`]. Whatever
//! is not understood is refused. What a key may be used for is the key's own: no header talks a public key into being a
//! secret (RFC 8725, section 2.1), and keys come from the configuration alone, never from `jwk`, `jku` or `x5u`.
//!
//! Pure: time is given, keys are given. Keys that change while the process runs come in by a [`Feed`], which somebody
//! else fills.

mod algorithm;
mod checker;
mod claims;
mod feed;
mod jwk;
mod keys;
mod pem;
mod policy;
mod sign;
mod spki;
mod token;
mod url;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use checker::Checker;
pub use claims::Claims;
pub use feed::{Feed, Remote};
pub use jwk::{Jwks, JwksError, MAX_JWKS, Origin, Skipped};
pub use keys::{KeyError, Keys};
pub use policy::{Expiry, Policy, Required, TokenError};
pub use sign::sign;
pub use url::{JwksUrl, UrlError};

/// Bytes of a token at most: what Node, the most usual of the apps behind this, takes for a whole head, so a longer one
/// does not get far anywhere. Hashing this much takes microseconds.
pub const MAX_TOKEN: usize = 16 * 1024;
