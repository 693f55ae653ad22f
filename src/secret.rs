//! A secret's bytes: compared in constant time, never printed.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret value, resolved from where the configuration says it is.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Wraps the bytes.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Whether `candidate` is the secret. The time depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }

    /// The bytes, for those that compute with them. They go into no text.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time, as [`Secret::matches`].
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_matches_and_it_is_never_shown() {
        let secret = Secret::new(*b"hush");
        assert!(secret.matches(b"hush"));
        for wrong in [&b"hus"[..], b"hush!", b"husk", b""] {
            assert!(!secret.matches(wrong));
        }
        assert!(!format!("{secret:?}").contains("hush"));
    }
}
