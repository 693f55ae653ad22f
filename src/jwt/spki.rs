//! The public key in a DER structure: a `SubjectPublicKeyInfo`, a certificate, an `RSAPublicKey`.
//!
//! Strict and small on purpose: the algorithm and the curve are what the structure says they are, so that the kind of a
//! key is never guessed. A certificate is only a wrapping here: neither its dates nor its issuer are looked at.

/// What a public key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// Modulus and exponent, big-endian.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// An uncompressed point, with its leading 4.
    P256(&'a [u8]),
    /// The same on the other curve.
    P384(&'a [u8]),
    /// 32 bytes.
    Ed25519(&'a [u8]),
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
/// `[0]`, a certificate's version.
const CONTEXT_0: u8 = 0xa0;

/// `rsaEncryption` (RFC 8017).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey`, and its curves `secp256r1` and `secp384r1` (RFC 5480).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// `id-Ed25519` (RFC 8410).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Bytes of an uncompressed point, with its leading 4.
pub(super) const P256_POINT: usize = 1 + 2 * 32;
pub(super) const P384_POINT: usize = 1 + 2 * 48;

/// What is left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ 0..=0x7f => (usize::from(short), rest),
            // At most two bytes: no key of interest is longer.
            0x81 => (usize::from(*rest.first()?), &rest[1..]),
            0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
            _ => return None,
        };
        // In DER a length is written in one way only.
        let shortest = match length {
            0..=0x7f => first < 0x80,
            0x80..=0xff => first == 0x81,
            _ => first == 0x82,
        };
        if found != tag || rest.len() < length || !shortest {
            return None;
        }
        let (content, rest) = rest.split_at(length);
        self.0 = rest;
        Some(content)
    }

    fn is_next(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// From a `SubjectPublicKeyInfo`. None when it is none, or of an algorithm or curve that no token is signed with.
pub(super) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut whole = Der(der);
    let mut key = Der(whole.take(SEQUENCE)?);
    whole.end()?;
    let mut algorithm = Der(key.take(SEQUENCE)?);
    let (&unused, bits) = key.take(BIT_STRING)?.split_first()?;
    key.end()?;
    if unused != 0 {
        return None;
    }
    match algorithm.take(OBJECT)? {
        RSA => rsa(bits),
        EC => match (algorithm.take(OBJECT)?, bits.first()?, bits.len()) {
            (P256, 4, P256_POINT) => Some(PublicKey::P256(bits)),
            (P384, 4, P384_POINT) => Some(PublicKey::P384(bits)),
            _ => None,
        },
        ED25519 if bits.len() == 32 => Some(PublicKey::Ed25519(bits)),
        _ => None,
    }
}

/// From an `RSAPublicKey` (RFC 8017, appendix A.1.1).
pub(super) fn rsa(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut whole = Der(der);
    let mut key = Der(whole.take(SEQUENCE)?);
    whole.end()?;
    let (n, e) = (key.take(INTEGER)?, key.take(INTEGER)?);
    key.end()?;
    Some(PublicKey::Rsa { n, e })
}

/// From a certificate (RFC 5280, section 4.1).
pub(super) fn certificate(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut whole = Der(der);
    let mut signed = Der(Der(whole.take(SEQUENCE)?).take(SEQUENCE)?);
    whole.end()?;
    if signed.is_next(CONTEXT_0) {
        signed.take(CONTEXT_0)?;
    }
    signed.take(INTEGER)?;
    for _algorithm_issuer_validity_subject in 0..4 {
        signed.take(SEQUENCE)?;
    }
    let before = signed.0;
    signed.take(SEQUENCE)?;
    public_key(&before[..before.len() - signed.0.len()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_structure_that_is_cut_or_has_more_is_none() {
        let mut key = vec![SEQUENCE, 42, SEQUENCE, 5, OBJECT, 3, 0x2b, 0x65, 0x70, BIT_STRING, 33, 0];
        key.extend([7; 32]);
        assert_eq!(public_key(&key), Some(PublicKey::Ed25519(&[7; 32])));
        for cut in 0..key.len() {
            assert_eq!(public_key(&key[..cut]), None, "{cut}");
        }
        key.push(0);
        assert_eq!(public_key(&key), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(SEQUENCE), Just(BIT_STRING), 0..9_u8, Just(0x82)], 0..64
        )) {
            let _ = (public_key(&bytes), rsa(&bytes), certificate(&bytes));
        }
    }
}
