//! Who may listen: the rules of topics, what a token or the app grants, and the judgement of one against the other
//! (contract, section 5).
//!
//! A request wants a [`Selector`](crate::event::Selector) → [`Rules::needs`] says what it has to bring → [`Tokens::read`]
//! believes its token and makes a [`Bearer`] of the claims, the app's answer is an [`AppWord`] → [`Rules::judge`] admits
//! or says why not → the stream holds a [`Grant`], which [`Auth::still_grants`] judges again after a reload and a
//! revocation.
//!
//! Invariants. What is admitted lies wholly within what the rules admit and, where a rule asks for a token, within *one*
//! granted pattern: never in the sum of several. A claim's value never reaches beyond its token of a template. What is
//! not understood grants nothing, or refuses the token.
//!
//! Pure: time is given, tokens are given, and nothing here waits.

mod access;
mod bearer;
mod forward;
mod grant;
mod revoked;
mod rules;
mod template;
mod tokens;

use std::sync::Arc;

pub use access::{Access, Denied, Needs};
pub use bearer::{AppWord, Bearer};
pub use forward::ForwardSettings;
pub use grant::Grant;
pub use revoked::{LASTS, LASTS_MOST, NAME_BYTES, NameLength, Revoked, RevokedFull, Whom};
pub use rules::Rules;
pub use template::{Template, TemplateError};
pub use tokens::{MAX_TOPICS, Tokens};

use crate::jwt::Remote;

/// Who may listen, as it is configured. [`Auth::default`] is what is meant without any rule and without a section `auth`:
/// everybody may listen to everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// What is asked of whoever wants a topic.
    pub rules: Rules,
    /// How tokens are read. None: a request's token is not looked at.
    pub tokens: Option<Tokens>,
    /// The name of the cookie that may hold a token (RFC 6265, section 4.1.1). Only ever set beside `tokens`.
    pub cookie: Option<Box<str>>,
    /// How the app is asked. Set whenever a rule says `forward`.
    pub forward: Option<ForwardSettings>,
}

impl Auth {
    /// Whether everybody may listen to everything and no token is looked at: nothing of a request needs to be asked.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_none() && self.rules.all_public()
    }

    /// Where keys are published that it needs. Whoever runs it has them fetched (`crate::jwks`).
    #[must_use]
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.tokens.as_ref()?.checker().remote()
    }
}

#[cfg(test)]
mod tests;
