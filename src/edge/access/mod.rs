//! Who may listen (contract, section 5): what a request says of who it is, judged by the rules.
//!
//! A request's life here: what its topics need → its token (`token`, where a cookie depends on whose page asks: `site`) →
//! the token is believed, or not → the rules, as far as they need no more → the app's word where a rule asks for it → the
//! rules → a [`Grant`], which its stream holds.
//!
//! No silent downgrade. A token in `Authorization` or in the query that is not good is 401, whatever is asked for: whoever
//! shows one does not mean to be a stranger. A cookie comes by itself, so one that is not good only counts where something
//! is asked for that not everybody may have. One exception: where a rule asks the app and none asks for a token, an
//! `Authorization` or a cookie that is no good token of ours is the app's to judge, which is told all of it. The query's
//! token the app is never told, so it is never excused.
//!
//! Where no rule asks for anything and no token is known, nothing of a request is looked at.

mod metrics;
mod refusal;
mod site;
mod token;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

pub use self::metrics::Failures;
pub(super) use self::refusal::Refusal;
use self::site::Site;
use self::token::{Place, Presented, Unclear};
use super::answer::{self, Asker, Common};
use super::client_address;
use super::query::QueryToken;
use super::settings::Settings;
use crate::auth::{AppWord, Auth, Bearer, Denied, Grant, Needs, Revoked};
use crate::event::{Millis, Selector};
use crate::forward::{AppRefusal, Ask, Forward};
use crate::jwt::TokenError;
use crate::net::Peer;
use crate::net::http::Way;

/// What it takes to judge who may listen.
pub struct Parts {
    /// Who is refused though its token is good.
    pub revoked: Arc<Revoked>,
    /// Counts who is refused.
    pub failures: Failures,
    /// Asks the app, where a rule says so.
    pub forward: Forward,
    /// The time.
    pub clock: fn() -> Millis,
}

/// Judges requests.
pub(super) struct Gate(Parts);

/// What holds for one request.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    auth: Arc<Auth>,
    site: Site,
    /// How the request came, as far as proxies are believed.
    way: Way,
}

impl Terms {
    /// The terms for `request`; none where everybody may have everything.
    pub fn of(settings: &Settings, peer: Peer, request: &RequestHeader) -> Option<Self> {
        let auth = Arc::clone(&settings.access);
        if auth.is_open() {
            return None;
        }
        let way = client_address::way(peer, &request.headers, &settings.trusted_proxies);
        let site = Site::of(&request.headers, &way, settings.cors.as_ref());
        Some(Self { auth, site, way })
    }
}

/// Whether what a request brings may be somebody's cookie, so that answers depend on it.
pub(super) fn depends_on_cookies(settings: &Settings) -> bool {
    settings.access.cookie.is_some() || settings.access.forward.is_some()
}

/// What a request says of who it is.
enum Who<'a> {
    /// Nothing.
    Nobody,
    /// A good token, and what it says.
    Known(&'a str, Bearer),
    /// What is there is not believed: where it was, and why.
    Doubtful(Place, Doubt),
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// For good.
    Bad(&'static str),
    /// It was withdrawn, which is no matter of the app's.
    Revoked,
    /// There are no keys yet to tell.
    NoKeys,
}

impl Gate {
    pub fn new(parts: Parts) -> Self {
        Self(parts)
    }

    /// Admits a request for `wanted`, with what its stream is to hold; none for one that says nothing of who it is.
    ///
    /// # Errors
    /// [`Refusal`], counted.
    pub async fn admit(
        &self,
        terms: &Terms,
        request: &RequestHeader,
        query: &QueryToken,
        wanted: &Selector,
    ) -> Result<Option<Arc<Grant>>, Refusal> {
        let judged = self.judge(terms, request, query, wanted).await;
        judged.map_err(|(refusal, reason)| {
            self.0.failures.count(reason);
            refusal
        })
    }

    /// Admits a stream that the app itself makes: its word is enough for whatever is not denied to everybody.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`], counted.
    pub fn hold(&self, auth: &Auth, wanted: &Selector) -> Result<(), Refusal> {
        if !auth.rules.needs(wanted).denied {
            return Ok(());
        }
        let (refusal, reason) = denied(Denied::Rule, None);
        self.0.failures.count(reason);
        Err(refusal)
    }

    /// What a stream is to hold that the app itself makes, for as long as it says. Streams without an end share theirs.
    pub fn held(&self, timeout: Option<Duration>) -> Arc<Grant> {
        static ENDLESS: LazyLock<Arc<Grant>> =
            LazyLock::new(|| Arc::new(Grant { held: true, ..Grant::default() }));
        let Some(timeout) = timeout else { return Arc::clone(&ENDLESS) };
        let Millis(now) = (self.0.clock)();
        let ends = Some(Millis(now.saturating_add(timeout.as_millis() as u64)));
        Arc::new(Grant { held: true, ends, ..Grant::default() })
    }

    /// The refusal for who held `grant`, or was one of everybody, and is not granted any more what it waited for.
    pub fn withdrawn(&self, grant: Option<&Grant>) -> Refusal {
        self.0.failures.count(metrics::WITHDRAWN);
        if grant.is_some_and(|grant| grant.token.is_some()) { Refusal::BadToken } else { Refusal::NoToken }
    }

    async fn judge(
        &self,
        terms: &Terms,
        request: &RequestHeader,
        query: &QueryToken,
        wanted: &Selector,
    ) -> Result<Option<Arc<Grant>>, (Refusal, &'static str)> {
        let auth = &*terms.auth;
        let needs = auth.rules.needs(wanted);
        let who = self.who(auth, terms.site, request, query)?;
        let (known, doubt) = match who {
            Who::Nobody => (None, None),
            Who::Known(token, bearer) => (Some((token, bearer)), None),
            Who::Doubtful(place, doubt) if excused(place, doubt, needs) => (None, Some(doubt)),
            Who::Doubtful(_, doubt) => return Err(refused(doubt)),
        };
        let bearer = known.as_ref().map(|(_, bearer)| bearer);
        // As far as it goes without the app: who is refused anyway is not worth a question.
        let all = AppWord::default();
        auth.rules.judge(wanted, bearer, Some(&all)).map_err(|why| denied(why, doubt))?;
        let word = if needs.forward { Some(self.ask_app(terms, request, wanted).await?) } else { None };
        if word.is_some() {
            auth.rules.judge(wanted, bearer, word.as_ref()).map_err(|why| denied(why, doubt))?;
        }
        if known.is_none() && word.is_none() {
            return Ok(None);
        }
        let token = known.as_ref().map(|(token, bearer)| (*token, bearer));
        Ok(Some(Arc::new(Grant::new(token, word))))
    }

    fn who<'a>(
        &self,
        auth: &Auth,
        site: Site,
        request: &'a RequestHeader,
        query: &'a QueryToken,
    ) -> Result<Who<'a>, (Refusal, &'static str)> {
        let presented = token::presented(&request.headers, query, auth.cookie.as_deref(), || site);
        let Presented { place, token } = match presented {
            Ok(None) => return Ok(Who::Nobody),
            Ok(Some(presented)) => presented,
            Err(Unclear::Twice) => return Err((Refusal::Unclear, metrics::TWICE)),
            Err(Unclear::Foreign) => {
                return Ok(Who::Doubtful(Place::Cookie, Doubt::Bad(metrics::CROSS_SITE)));
            }
            Err(Unclear::Cookies) => return Ok(Who::Doubtful(Place::Cookie, Doubt::Bad(metrics::COOKIES))),
        };
        let Some(tokens) = &auth.tokens else { return Ok(Who::Nobody) };
        let now = (self.0.clock)();
        Ok(match tokens.read(token, now) {
            Ok(bearer) => {
                let (subject, id) = (bearer.subject.as_deref(), bearer.token_id.as_deref());
                if self.0.revoked.revokes(subject, id, bearer.issued, now) {
                    Who::Doubtful(place, Doubt::Revoked)
                } else {
                    Who::Known(token, bearer)
                }
            }
            Err(TokenError::NoKeys) => Who::Doubtful(place, Doubt::NoKeys),
            Err(why) => Who::Doubtful(place, Doubt::Bad(why.reason())),
        })
    }

    async fn ask_app(
        &self,
        terms: &Terms,
        request: &RequestHeader,
        wanted: &Selector,
    ) -> Result<AppWord, (Refusal, &'static str)> {
        let ask = Ask { head: request, way: terms.way.clone(), wanted };
        let told = self.0.forward.ask(terms.auth.forward.as_ref(), ask).await;
        told.map_err(|refusal| {
            let reason = refusal.as_str();
            let refusal = match refusal {
                AppRefusal::Unauthorized { challenges } => Refusal::AppUnauthorized(challenges),
                AppRefusal::Forbidden => Refusal::Forbidden,
                AppRefusal::Failed(_) => Refusal::Unable,
            };
            (refusal, reason)
        })
    }
}

/// Answers a request that is not admitted.
pub(super) async fn refuse(
    session: &mut ServerSession,
    refusal: &Refusal,
    asker: Asker,
    common: &Common,
) -> pingora::Result<()> {
    match refusal.answer(common) {
        Some(answer) => answer.write(session).await,
        None => answer::write_overload(session, asker, common).await,
    }
}

/// Whether a request goes on as if it had not shown the token that is not believed.
fn excused(place: Place, doubt: Doubt, needs: Needs) -> bool {
    // Nobody gets this, so it does not matter who asks; but a bad token is told to be one.
    if needs.denied && doubt == Doubt::NoKeys {
        return true;
    }
    if place != Place::Query && needs.forward && !needs.jwt {
        // The app is told it, and judges it.
        return doubt != Doubt::Revoked;
    }
    // A cookie comes by itself: nothing hangs on it here, or what does nobody gets.
    place == Place::Cookie && (needs.nothing() || needs.denied)
}

fn refused(doubt: Doubt) -> (Refusal, &'static str) {
    match doubt {
        Doubt::Bad(reason) => (Refusal::BadToken, reason),
        Doubt::Revoked => (Refusal::BadToken, metrics::REVOKED),
        Doubt::NoKeys => (Refusal::Unable, TokenError::NoKeys.reason()),
    }
}

fn denied(why: Denied, doubt: Option<Doubt>) -> (Refusal, &'static str) {
    match (why, doubt) {
        (Denied::Rule | Denied::App, _) => (Refusal::Forbidden, why.reason()),
        (Denied::NoToken, Some(doubt)) => refused(doubt),
        (Denied::NoToken, None) => (Refusal::NoToken, why.reason()),
        (Denied::Topic, _) => (Refusal::NotGranted, why.reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_believed_is_passed_over_only_where_nothing_hangs_on_it() {
        let needs = |jwt, forward, denied| Needs { jwt, forward, denied };
        let bad = Doubt::Bad("expired");
        for (wants, doubt, header, query, cookie) in [
            (needs(false, false, false), bad, false, false, true),
            (needs(false, false, false), Doubt::NoKeys, false, false, true),
            (needs(false, false, false), Doubt::Revoked, false, false, true),
            (needs(true, false, false), bad, false, false, false),
            (needs(true, false, false), Doubt::NoKeys, false, false, false),
            (needs(true, true, false), bad, false, false, false),
            (needs(false, true, false), bad, true, false, true),
            (needs(false, true, false), Doubt::NoKeys, true, false, true),
            (needs(false, true, false), Doubt::Revoked, false, false, false),
            (needs(true, false, true), bad, false, false, true),
            (needs(true, false, true), Doubt::NoKeys, true, true, true),
        ] {
            for (place, want) in [(Place::Header, header), (Place::Query, query), (Place::Cookie, cookie)] {
                assert_eq!(excused(place, doubt, wants), want, "{place:?} {doubt:?} {wants:?}");
            }
        }
    }

    #[test]
    fn every_reason_is_counted_from_the_start() {
        let registry = prometheus::Registry::new();
        let failures = Failures::register(&registry).unwrap();
        let tokens = [
            TokenError::TooLarge,
            TokenError::Malformed,
            TokenError::MalformedClaim("exp"),
            TokenError::Critical,
            TokenError::Algorithm,
            TokenError::NoKeys,
            TokenError::UnknownKey,
            TokenError::Ambiguous,
            TokenError::Signature,
            TokenError::NoExpiry,
            TokenError::Expired,
            TokenError::NotYet,
            TokenError::Issuer,
            TokenError::Audience,
            TokenError::Required("x".to_owned()),
        ];
        let denied = [Denied::Rule, Denied::NoToken, Denied::Topic, Denied::App];
        let app = [
            AppRefusal::Unauthorized { challenges: Arc::default() },
            AppRefusal::Forbidden,
            AppRefusal::Failed(crate::forward::Failure::Unset),
        ];
        let before = registry.gather()[0].get_metric().len();
        tokens.iter().for_each(|why| failures.count(why.reason()));
        denied.iter().for_each(|why| failures.count(why.reason()));
        app.iter().for_each(|why| failures.count(why.as_str()));
        assert_eq!(registry.gather()[0].get_metric().len(), before);
    }
}
