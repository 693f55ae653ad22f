//! What a stream holds for its life, and whether it still may.

use std::fmt;
use std::sync::Arc;

use super::{AppWord, Auth, Bearer, Revoked};
use crate::event::{Millis, Selector};

/// Why a stream may listen, kept as long as it does: what was shown, not only what came of it, so that other rules, other
/// keys or a revocation can judge it again.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Whom its token (`sub`), or the app that made the stream, says it is about.
    pub subject: Option<Arc<str>>,
    /// The token. Kept so that a reload can judge it wholly again; never shown.
    pub token: Option<Box<str>>,
    /// What the app said.
    pub app: Option<AppWord>,
    /// Whether the app itself made the stream (`Sidestream-Hold`): it is judged by `deny` alone, which it never overrides.
    pub held: bool,
    /// When the stream has to have ended: the earlier of the token's and the app's end.
    pub ends: Option<Millis>,
    /// The token's own id (`jti`).
    pub token_id: Option<Arc<str>>,
    /// When the token was made (`iat`), or the app asked that made the stream.
    pub issued: Option<Millis>,
}

/// Neither the token nor whom it is about.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("token", &self.token.is_some())
            .field("app", &self.app)
            .field("held", &self.held)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// What a request may hold that was admitted with this token and this word of the app's.
    #[must_use]
    pub fn new(token: Option<(&str, &Bearer)>, app: Option<AppWord>) -> Self {
        let bearer = token.map(|(_, bearer)| bearer);
        let ends = [bearer.and_then(|bearer| bearer.expires), app.as_ref().and_then(|app| app.expires)];
        Self {
            subject: bearer.and_then(|bearer| bearer.subject.clone()),
            token: token.map(|(text, _)| text.into()),
            app,
            held: false,
            ends: ends.into_iter().flatten().min(),
            token_id: bearer.and_then(|bearer| bearer.token_id.clone()),
            issued: bearer.and_then(|bearer| bearer.issued),
        }
    }
}

impl Auth {
    /// Whether whoever was admitted with `grant` may go on listening to `wanted`, as everything is now.
    ///
    /// A token that is not good any more ends the stream also where everybody may listen: who presents a bad one is
    /// refused there too. Keys that have never been fetched make no token good.
    #[must_use]
    pub fn still_grants(&self, grant: &Grant, wanted: &Selector, revoked: &Revoked, now: Millis) -> bool {
        if revoked.revokes(grant.subject.as_deref(), grant.token_id.as_deref(), grant.issued, now)
            || grant.ends.is_some_and(|ends| ends <= now)
        {
            return false;
        }
        if grant.held {
            return !self.rules.needs(wanted).denied;
        }
        let bearer = match (&grant.token, &self.tokens) {
            (Some(token), Some(tokens)) => match tokens.read(token, now) {
                Ok(bearer) => Some(bearer),
                Err(_) => return false,
            },
            // Without a way to read tokens none is looked at.
            _ => None,
        };
        self.rules.judge(wanted, bearer.as_ref(), grant.app.as_ref()).is_ok()
    }
}
