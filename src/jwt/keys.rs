//! Keys that tokens are checked with, and what each may be used for.

use std::fmt;

use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use subtle::ConstantTimeEq;

use super::algorithm::Algorithm;
use super::pem::{self, Label};
use super::spki::{self, PublicKey};
use crate::secret::Secret;

/// Bits of an RSA modulus: fewer are within reach of an attacker (RFC 7518, section 3.3), more cost too much a check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why something is no key for tokens. Never shows any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not PEM.
    #[error("not in PEM form; expected one block such as -----BEGIN PUBLIC KEY-----")]
    NotPem,
    /// A private key: it has no business here.
    #[error(
        "a private key; expected the public one (openssl pkey -pubout), the private one stays with the issuer"
    )]
    Private,
    /// More than one PEM block.
    #[error("more than one block; expected one key or one certificate, without those of its authorities")]
    Several,
    /// Neither of the kinds that tokens are signed with.
    #[error("neither RSA, nor EC on P-256 or P-384, nor Ed25519")]
    Unsupported,
    /// An RSA key outside of the sizes.
    #[error("an RSA key of {0} bits; expected 2048 to 8192")]
    RsaBits(usize),
    /// A secret that could be guessed from one token.
    #[error("a secret of {got} bytes; {algorithm} needs at least {needed} (RFC 7518, section 3.2)")]
    Short {
        /// Its length, bytes.
        got: usize,
        /// What it would be for.
        algorithm: Algorithm,
        /// The least length, bytes.
        needed: usize,
    },
    /// An algorithm that needs a private key.
    #[error("{0} is not signed with a secret")]
    NotSymmetric(Algorithm),
}

/// What a key is, which decides what it may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// So many bytes.
    Secret(usize),
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A key.
#[derive(Clone)]
pub(super) struct Key {
    pub kid: Option<String>,
    kind: Kind,
    /// Where its owner says so, the one algorithm that it is for.
    only: Option<Algorithm>,
    material: DecodingKey,
}

impl Key {
    /// From a secret. Whether it is long enough depends on the algorithm, so that is asked by [`Key::fits`].
    pub fn secret(bytes: &[u8]) -> Self {
        Self::new(Kind::Secret(bytes.len()), DecodingKey::from_secret(bytes))
    }

    /// From what a public key is made of.
    pub fn public(key: PublicKey<'_>) -> Result<Self, KeyError> {
        Ok(match key {
            PublicKey::Rsa { n, e } => {
                let zeros = n.iter().take_while(|byte| **byte == 0).count();
                let n = &n[zeros..];
                let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
                if !RSA_BITS.contains(&bits) {
                    return Err(KeyError::RsaBits(bits));
                }
                Self::new(Kind::Rsa, DecodingKey::from_rsa_raw_components(n, e))
            }
            PublicKey::P256(point) => Self::new(Kind::P256, DecodingKey::from_ec_der(point)),
            PublicKey::P384(point) => Self::new(Kind::P384, DecodingKey::from_ec_der(point)),
            PublicKey::Ed25519(bytes) => Self::new(Kind::Ed25519, DecodingKey::from_ed_der(bytes)),
        })
    }

    fn new(kind: Kind, material: DecodingKey) -> Self {
        Self { kid: None, kind, only: None, material }
    }

    /// The same for one algorithm, if it is said which.
    pub fn only(self, only: Option<Algorithm>) -> Self {
        Self { only, ..self }
    }

    /// The same under a name.
    pub fn named(self, kid: Option<String>) -> Self {
        Self { kid, ..self }
    }

    /// Whether the key may be used so.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let suits = match algorithm {
            Hs256 | Hs384 | Hs512 => match self.kind {
                Kind::Secret(bytes) => algorithm.secret_bytes().is_some_and(|least| bytes >= least),
                _ => false,
            },
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => self.kind == Kind::Rsa,
            Es256 => self.kind == Kind::P256,
            Es384 => self.kind == Kind::P384,
            EdDsa => self.kind == Kind::Ed25519,
        };
        suits && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` (base64url) is the key's over `signed`. False where it does not fit.
    pub fn verifies(&self, algorithm: Algorithm, signed: &str, signature: &str) -> bool {
        self.fits(algorithm)
            && jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.material, algorithm.library())
                .unwrap_or(false)
    }

    /// Its bytes in two parts.
    fn parts(&self) -> [&[u8]; 2] {
        match self.material.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => [bytes, b""],
            DecodingKeyKind::RsaModulusExponent { n, e } => [n, e],
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let described = |key: &Self| (key.kid.clone(), key.kind, key.only);
        let ([a, b], [c, d]) = (self.parts(), other.parts());
        described(self) == described(other) && bool::from(a.ct_eq(c) & b.ct_eq(d))
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

/// Keys in the order in which they are tried. A key without a `kid` may be meant by any token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub(super) Vec<Key>);

impl Keys {
    /// One secret. It is used for those HMAC algorithms only that it is long enough for: see [`Keys::suit`].
    #[must_use]
    pub fn secret(secret: &Secret, kid: Option<String>) -> Self {
        Self(vec![Key::secret(secret.expose()).named(kid)])
    }

    /// One public key, or that of one certificate, whose dates and issuer are not looked at.
    ///
    /// # Errors
    /// [`KeyError`]: not PEM, private, several, or of a kind or size that is not used.
    pub fn pem(text: &[u8], kid: Option<String>) -> Result<Self, KeyError> {
        let (label, der) = pem::only_block(text)?;
        let key = match label {
            Label::Spki => spki::public_key(&der),
            Label::Rsa => spki::rsa(&der),
            Label::Certificate => spki::certificate(&der),
        };
        Ok(Self(vec![Key::public(key.ok_or(KeyError::Unsupported)?)?.named(kid)]))
    }

    /// These and then others.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them may be used so.
    #[must_use]
    pub fn suit(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.fits(algorithm))
    }

    /// The first secret, and the first of `allowed` that it may be used for.
    pub(super) fn signing(&self, allowed: &[Algorithm]) -> Option<(&Key, Algorithm)> {
        let symmetric = |key: &Key| {
            allowed
                .iter()
                .copied()
                .find(|algorithm| algorithm.secret_bytes().is_some() && key.fits(*algorithm))
        };
        self.0.iter().find_map(|key| symmetric(key).map(|algorithm| (key, algorithm)))
    }
}

impl Key {
    /// The secret, where it is one.
    pub(super) fn secret_bytes(&self) -> Option<&[u8]> {
        matches!(self.kind, Kind::Secret(_)).then(|| self.parts()[0])
    }
}
