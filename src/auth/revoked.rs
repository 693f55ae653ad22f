//! Who was revoked.

use crate::event::Millis;

/// Subjects and tokens that are refused though their tokens are good.
#[derive(Debug, Default)]
pub struct Revoked {}

impl Revoked {
    /// Whether a token is refused: its `jti` is revoked, or its `sub` is and it was made (`iat`) at or before that. One
    /// that does not say when it was made is refused with its subject.
    #[must_use]
    pub fn revokes(
        &self,
        _subject: Option<&str>,
        _token_id: Option<&str>,
        _issued: Option<Millis>,
        _now: Millis,
    ) -> bool {
        false
    }
}
