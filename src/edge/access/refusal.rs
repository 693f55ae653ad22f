//! Why somebody may not listen, and how that is said: one fixed body a status, so that nothing of why is to be learned
//! outside. What it was is counted.

use std::sync::Arc;

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};

use crate::edge::answer::Common;
use crate::net::http::Answer;

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Refusal {
    /// 400: what it brings could be read in two ways.
    Unclear,
    /// 401: nothing says who it is, and something has to.
    NoToken,
    /// 401: what says who it is is not believed.
    BadToken,
    /// 401 of the app's, with what it asks for.
    AppUnauthorized(Arc<[HeaderValue]>),
    /// 403: nobody may have it, or the app says no.
    Forbidden,
    /// 403: its token does not grant it.
    NotGranted,
    /// It can't be judged now: the overload answer.
    Unable,
}

/// The realm is no secret, and there is one.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"sidestream\"");
const BAD_REQUEST: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"sidestream\", error=\"invalid_request\"");
const BAD_TOKEN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"sidestream\", error=\"invalid_token\"");
const NOT_GRANTED: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"sidestream\", error=\"insufficient_scope\"");

impl Refusal {
    /// The answer for good, with the lines that all answers to the request have; none for [`Refusal::Unable`]. The
    /// challenges are those of RFC 6750, section 3: without any token no error is named.
    pub fn answer(&self, common: &Common) -> Option<Answer> {
        let (status, detail, challenge) = match self {
            Self::Unclear => (
                StatusCode::BAD_REQUEST,
                "more than one Authorization or access_token is given; expected one",
                Some(BAD_REQUEST),
            ),
            Self::NoToken => (StatusCode::UNAUTHORIZED, UNAUTHORIZED, Some(CHALLENGE)),
            Self::BadToken => (StatusCode::UNAUTHORIZED, UNAUTHORIZED, Some(BAD_TOKEN)),
            Self::AppUnauthorized(_) => (StatusCode::UNAUTHORIZED, UNAUTHORIZED, None),
            Self::Forbidden => (StatusCode::FORBIDDEN, FORBIDDEN, None),
            Self::NotGranted => (StatusCode::FORBIDDEN, FORBIDDEN, Some(NOT_GRANTED)),
            Self::Unable => return None,
        };
        let mut lines: Vec<(HeaderName, HeaderValue)> =
            challenge.map(|line| (WWW_AUTHENTICATE, line)).into_iter().collect();
        if let Self::AppUnauthorized(challenges) = self {
            // RFC 9110, section 15.5.2: a 401 has a challenge.
            let challenges = if challenges.is_empty() { &[CHALLENGE][..] } else { &**challenges };
            lines.extend(challenges.iter().map(|line| (WWW_AUTHENTICATE, line.clone())));
        }
        let answer = Answer::problem(status, detail);
        let answer = lines.into_iter().fold(answer, |answer, (name, value)| answer.and(name, value));
        Some(common.on(answer))
    }
}

const UNAUTHORIZED: &str = "whoever listens here has to say who they are, and be believed";
const FORBIDDEN: &str = "not all of what is asked for may be listened to";
