//! From a secret as it is handed over to the key that it stands for.

use ed25519_dalek::{PUBLIC_KEY_LENGTH, VerifyingKey};

use crate::secret::Secret;

use super::encoding::{unbase64, unhex};

/// How a secret stands for a key. Fixed per sender and never guessed: `whsec_…` is decoded by some and taken as it is
/// by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Its bytes are the key.
    Text,
    /// It is base64.
    Base64,
    /// It is hexadecimal, in either case.
    Hex,
    /// It is base64 after `whsec_`, which may be missing.
    Whsec,
    /// As [`KeyForm::Whsec`]; or after `whpk_` base64 of an Ed25519 public key.
    Standard,
    /// It is an Ed25519 public key in hexadecimal.
    PublicHex,
}

/// Why a secret stands for no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Nothing, or nothing after its prefix.
    #[error("it is empty")]
    Empty,
    /// Not base64.
    #[error("expected base64 with its padding")]
    Base64,
    /// Not base64, where it may begin with `whsec_`.
    #[error("expected whsec_ and base64 with its padding")]
    Whsec,
    /// Not hexadecimal.
    #[error("expected hexadecimal digits, two for each byte")]
    Hex,
    /// A public or private key where a shared secret is meant.
    #[error("expected a secret that begins with whsec_, not a key that begins with whpk_ or whsk_")]
    NotShared,
    /// A private key.
    #[error("expected the public key, which begins with whpk_, not the private one")]
    Private,
    /// Not an Ed25519 public key.
    #[error("expected an Ed25519 public key of 32 bytes")]
    Public,
    /// It could never be what a header field holds.
    #[error("it holds what no header field can hold")]
    Unsendable,
}

/// What a secret stands for.
pub(super) enum Material {
    /// A key that both sides have.
    Shared(Vec<u8>),
    /// The half of a key that proves and can't sign.
    Public(Box<VerifyingKey>),
}

impl KeyForm {
    /// Reads a secret.
    pub(super) fn read(self, secret: &Secret) -> Result<Material, KeyProblem> {
        let bytes = secret.expose();
        if bytes.is_empty() {
            return Err(KeyProblem::Empty);
        }
        match self {
            Self::Text => Ok(Material::Shared(bytes.to_vec())),
            Self::Base64 => shared(unbase64(bytes).ok_or(KeyProblem::Base64)?),
            Self::Hex => shared(unhex(bytes).ok_or(KeyProblem::Hex)?),
            Self::Whsec if bytes.starts_with(b"whpk_") || bytes.starts_with(b"whsk_") => {
                Err(KeyProblem::NotShared)
            }
            Self::Standard if bytes.starts_with(b"whsk_") => Err(KeyProblem::Private),
            Self::Standard if bytes.starts_with(b"whpk_") => {
                public(&unbase64(&bytes[b"whpk_".len()..]).ok_or(KeyProblem::Base64)?)
            }
            Self::Whsec | Self::Standard => {
                let text = bytes.strip_prefix(b"whsec_").unwrap_or(bytes);
                shared(unbase64(text).ok_or(KeyProblem::Whsec)?)
            }
            Self::PublicHex => public(&unhex(bytes).ok_or(KeyProblem::Hex)?),
        }
    }
}

fn shared(bytes: Vec<u8>) -> Result<Material, KeyProblem> {
    if bytes.is_empty() { Err(KeyProblem::Empty) } else { Ok(Material::Shared(bytes)) }
}

/// Weak keys, for which a signature that fits everything can be made, are refused.
fn public(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let bytes: &[u8; PUBLIC_KEY_LENGTH] = bytes.try_into().map_err(|_| KeyProblem::Public)?;
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if !key.is_weak() => Ok(Material::Public(Box::new(key))),
        _ => Err(KeyProblem::Public),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: KeyForm, text: &str) -> Result<Vec<u8>, KeyProblem> {
        form.read(&Secret::new(text.as_bytes())).map(|material| match material {
            Material::Shared(bytes) => bytes,
            Material::Public(key) => key.as_bytes().to_vec(),
        })
    }

    #[test]
    fn the_form_says_what_a_secret_means() {
        use KeyForm::{Base64, Hex, PublicHex, Standard, Text, Whsec};
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        assert_eq!(read(Text, "whsec_aGk="), Ok(b"whsec_aGk=".to_vec()));
        for form in [Whsec, Standard] {
            assert_eq!(read(form, "whsec_aGk="), Ok(b"hi".to_vec()));
            assert_eq!(read(form, "aGk="), Ok(b"hi".to_vec()));
            for wrong in ["whsec_aGk", "whsec_!", "aG k=", "whsec_whsec_aGk=", "whsec_-_8="] {
                assert_eq!(read(form, wrong), Err(KeyProblem::Whsec), "{wrong}");
            }
            assert_eq!(read(form, "whsec_"), Err(KeyProblem::Empty));
        }
        assert_eq!(read(Whsec, public), Err(KeyProblem::NotShared));
        assert_eq!(read(Standard, public).unwrap().len(), 32);
        assert_eq!(read(Standard, "whsk_aGk="), Err(KeyProblem::Private));
        assert_eq!(read(Standard, "whpk_aGk="), Err(KeyProblem::Public));
        assert_eq!(read(Standard, "whpk_!"), Err(KeyProblem::Base64));
        assert_eq!(
            (read(Base64, "aGk="), read(Base64, "aGk")),
            (Ok(b"hi".to_vec()), Err(KeyProblem::Base64))
        );
        assert_eq!((read(Hex, "6869"), read(Hex, "686")), (Ok(b"hi".to_vec()), Err(KeyProblem::Hex)));
        let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        assert!(read(PublicHex, key).is_ok());
        assert_eq!(read(PublicHex, &key[2..]), Err(KeyProblem::Public));
        assert_eq!(read(PublicHex, "xx"), Err(KeyProblem::Hex));
        // The neutral element: every signature of a kind fits it.
        assert_eq!(read(PublicHex, &format!("01{}", "00".repeat(31))), Err(KeyProblem::Public));
        for form in [Text, Base64, Hex, Whsec, Standard, PublicHex] {
            assert_eq!(read(form, ""), Err(KeyProblem::Empty));
        }
    }
}
