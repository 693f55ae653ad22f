//! HMAC with the key's part done beforehand.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq};

/// Bytes of the longest signature: SHA-512's and Ed25519's.
pub(super) const LONGEST_TAG: usize = 64;

/// A hash function for HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1. Broken for certificates, not for HMAC; for senders that know nothing else.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Bytes of its output.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A signature's bytes, followed by zeros up to the length of the longest.
#[derive(Clone, Copy)]
pub(super) struct Tag {
    bytes: [u8; LONGEST_TAG],
    length: usize,
}

impl Tag {
    /// None when it is longer than the longest.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut tag = Self { bytes: [0; LONGEST_TAG], length: bytes.len() };
        tag.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(tag)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// All bytes, where it is one of the longest.
    pub(super) fn whole(&self) -> Option<&[u8; LONGEST_TAG]> {
        (self.length == LONGEST_TAG).then_some(&self.bytes)
    }

    /// Whether it is the other one. The time depends on neither's bytes.
    pub(super) fn matches(&self, other: &Self) -> Choice {
        self.bytes.ct_eq(&other.bytes) & Choice::from(u8::from(self.length == other.length))
    }
}

/// HMAC with one key, of which both pads have been digested: what is left to do for a request is a copy of the state,
/// the bytes, and one block.
#[derive(Clone)]
pub(super) enum MacKey {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl MacKey {
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        fn state<M: KeyInit>(key: &[u8]) -> M {
            M::new_from_slice(key).expect("HMAC takes a key of any length")
        }
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(state(key)),
            Algorithm::Sha256 => Self::Sha256(state(key)),
            Algorithm::Sha384 => Self::Sha384(state(key)),
            Algorithm::Sha512 => Self::Sha512(state(key)),
        }
    }

    /// The signature of the pieces one behind the other.
    pub(super) fn tag(&self, pieces: &[&[u8]]) -> Tag {
        fn digest<M: Mac + Clone>(state: &M, pieces: &[&[u8]]) -> Tag {
            let mut mac = state.clone();
            for piece in pieces {
                mac.update(piece);
            }
            Tag::new(&mac.finalize().into_bytes()).expect("no hash function is longer than the longest")
        }
        match self {
            Self::Sha1(state) => digest(state, pieces),
            Self::Sha256(state) => digest(state, pieces),
            Self::Sha384(state) => digest(state, pieces),
            Self::Sha512(state) => digest(state, pieces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3 (test case 2), and RFC 2202 §3 (the same for SHA-1).
    #[test]
    fn the_rfcs_vectors() {
        let cases = [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (algorithm, want) in cases {
            let key = MacKey::new(algorithm, b"Jefe");
            for pieces in
                [&[&b"what do ya want for nothing?"[..]][..], &[b"what do ya ", b"", b"want for nothing?"]]
            {
                let tag = key.tag(pieces);
                assert_eq!(tag.as_slice().len(), algorithm.bytes());
                assert_eq!(crate::verify::testing::hex(tag.as_slice()), want);
            }
        }
    }

    #[test]
    fn a_tag_is_its_bytes_and_its_length() {
        let tag = |bytes: &[u8]| Tag::new(bytes).unwrap();
        assert!(bool::from(tag(b"abc").matches(&tag(b"abc"))));
        assert!(!bool::from(tag(b"abc").matches(&tag(b"abd"))));
        assert!(!bool::from(tag(b"abc\0").matches(&tag(b"abc"))));
        assert!(Tag::new(&[0; LONGEST_TAG + 1]).is_none());
    }
}
