//! What a good token says, and what the app says.

use std::fmt;
use std::sync::Arc;

use crate::event::{Millis, Pattern};

/// What a good token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Whom it is about (`sub`).
    pub subject: Option<Arc<str>>,
    /// Its own id (`jti`).
    pub token_id: Option<Arc<str>>,
    /// When it was made (`iat`).
    pub issued: Option<Millis>,
    /// From when on it is not good any more: `exp` and the leeway. None for one that never ends.
    pub expires: Option<Millis>,
    /// What it grants: each of these, never two of them together.
    pub allowed: Arc<[Pattern]>,
}

/// Says nothing of whom it is about: that is personal, and ends in no log.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issued, expires, allowed) = (self.issued, self.expires, self.allowed.len());
        write!(f, "Bearer {{ issued: {issued:?}, expires: {expires:?}, allowed: {allowed} patterns, .. }}")
    }
}

/// What the app said of a request (`forward`): that it may listen, how far, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppWord {
    /// What it may listen to. None: all that it asks for.
    pub allowed: Option<Arc<[Pattern]>>,
    /// Until when. None: as long as it likes.
    pub expires: Option<Millis>,
}
