//! What a sender that is not believed yet may cost.

use std::time::Duration;

/// Bytes of the header field that holds signatures. Sixteen of the longest kind, an Ed25519 signature in hexadecimal,
/// take 2 KiB; twice that is a mistake or an attack.
pub const SIGNATURE_HEADER_BYTES: usize = 4 * 1024;

/// Signatures that are looked at. A sender that rotates its secrets sends one for each that is still valid, of which
/// there are two or three; each costs a comparison per secret.
pub const SIGNATURES: usize = 16;

/// Signatures by a private key that are looked at: checking one costs as much as a digest of 50 KiB.
pub const PUBLIC_KEY_SIGNATURES: usize = 4;

/// Secrets of one verifier. Each costs a digest of the body for every request, whoever sends it.
pub const SECRETS: usize = 16;

/// Bytes of an id, or of another header field that is signed.
pub const SIGNED_HEADER_BYTES: usize = 1024;

/// Bytes of a header field with a credential. Tokens are the longest; servers take header fields of about this size.
pub const CREDENTIAL_HEADER_BYTES: usize = 8 * 1024;

/// Parts of what is signed, literals included.
pub const PARTS: usize = 16;

/// Fields of a form whose content is signed. Telephone calls have about fifty.
pub const FORM_FIELDS: usize = 1000;

/// How far a timestamp may be off, in both directions, where nothing else is configured.
pub const TOLERANCE: Duration = Duration::from_mins(5);
