//! From what is written to who may listen.

use crate::auth::{Access, Auth, ForwardSettings, Tokens};
use crate::config::check::Check;
use crate::config::section::{between, topics};
use crate::config::written::{Environment, Item, Text};
use crate::forward::limits::{CACHES, TIMEOUTS};

use super::{Raw, RawForward, tokens};

/// Who may listen, of the section and the rules. Where something is wrong it has been reported, and what is built is not
/// used.
pub(in crate::config::section) fn build(
    raw: Option<&Raw>,
    rules: &[topics::Raw],
    check: &mut Check<'_>,
    environment: &Environment<'_>,
) -> Auth {
    let has = Has {
        jwt: raw.is_some_and(|raw| raw.jwt.is_some()),
        forward: raw.is_some_and(|raw| raw.forward.is_some()),
    };
    let default = match (raw, has) {
        (None, _) => Access::Public,
        (Some(_), Has { jwt: false, forward: true }) => Access::Forward,
        (Some(_), _) => Access::Jwt,
    };
    let rules = topics::access(rules, default, check, has);
    let Some(raw) = raw else { return Auth { rules, ..Auth::default() } };
    relate(raw, has, check);
    if has.forward && !rules.asks(Access::Forward) {
        let message = "the app is never asked: no rule says access: forward, and the default is jwt";
        check.warn(&["auth.forward"], message);
    }
    Auth {
        rules,
        tokens: raw.jwt.as_ref().and_then(|jwt| jwt.build(check, environment)),
        cookie: raw.cookie.as_ref().map(|name| name.0.0.as_str().into()),
        forward: raw.forward.as_ref().and_then(|forward| forward.build(check)),
    }
}

/// What the section has, for the rules that need it.
#[derive(Clone, Copy, Debug)]
pub(in crate::config::section) struct Has {
    pub jwt: bool,
    pub forward: bool,
}

fn relate(raw: &Raw, has: Has, check: &mut Check<'_>) {
    if raw.cookie.is_some() && !has.jwt {
        let message = "nothing says which tokens in it are good; expected auth.jwt as well";
        check.refuse_together(&["auth.cookie", "auth.jwt"], message);
    } else if !has.jwt && !has.forward {
        let message =
            "nobody could listen to anything; expected jwt or forward in it, or no section auth at all";
        check.refuse_together(&["auth", "auth.jwt", "auth.forward"], message);
    }
}

impl tokens::Raw {
    fn build(&self, check: &mut Check<'_>, environment: &Environment<'_>) -> Option<Tokens> {
        let checker = self.checks.build("auth.jwt", check, environment)?;
        let Text(claim) = &self.grants.topics_claim;
        let allow: Vec<_> =
            self.grants.allow.iter().filter_map(Item::get).map(|allow| allow.0.clone()).collect();
        Some(Tokens::new(checker, &claim.0, allow))
    }
}

impl RawForward {
    fn build(&self, check: &mut Check<'_>) -> Option<ForwardSettings> {
        let why = "less fails for nothing, more leaves subscribers without an answer";
        let timeout = between(check, "auth.forward.timeout", self.timeout.0.0, TIMEOUTS, why);
        let why = "less is of no use, and for longer the app could not take its word back; off for none";
        let cache = self.cache.0.0.map(|age| between(check, "auth.forward.cache", age, CACHES, why));
        Some(ForwardSettings { url: self.url.as_ref()?.0.0.clone(), timeout, cache })
    }
}
