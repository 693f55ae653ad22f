//! `POST /api/revoke`: a subject or a token is refused from now on, and its streams end.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::auth::{LASTS, LASTS_MOST, NameLength, RevokedFull, Whom};
use crate::net::http::{Answer, form};

/// Refuses whoever is named. The application implements it, over what requests and live streams are judged by.
#[async_trait]
pub trait Revoke: Send + Sync + 'static {
    /// Refuses `whom` for as long as `lasts`, and ends the streams that are its own. How many those were.
    ///
    /// # Errors
    /// [`RevokedFull`] when there is no room: nothing is done then.
    async fn revoke(&self, whom: Whom, lasts: Duration) -> Result<usize, RevokedFull>;
}

/// The body: one of `sub` and `jti`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sub: Option<String>,
    jti: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<String>,
}

/// Why a body revokes nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is a JSON object such as {{\"sub\": \"anna\"}}: {0}")]
    Json(String),
    #[error("one of sub and jti is to be given, and not both")]
    Whom,
    #[error("{0}: {1}")]
    Length(&'static str, NameLength),
    #[error("for is a duration such as 12h or 7d, of at most {} d", LASTS_MOST.as_secs() / 86_400)]
    Lasts,
}

/// What is asked for.
pub(super) fn read(body: &[u8]) -> Result<(Whom, Duration), BodyError> {
    let Body { sub, jti, lasts } =
        serde_json::from_slice(body).map_err(|error| BodyError::Json(error.to_string()))?;
    let whom = match (sub, jti) {
        (Some(sub), None) => Whom::subject(&sub).map_err(|why| BodyError::Length("sub", why)),
        (None, Some(jti)) => Whom::token(&jti).map_err(|why| BodyError::Length("jti", why)),
        _ => Err(BodyError::Whom),
    }?;
    let span = |text: String| {
        let fits = |span: &Duration| !span.is_zero() && *span <= LASTS_MOST;
        form::duration(&text).filter(fits).ok_or(BodyError::Lasts)
    };
    Ok((whom, lasts.map(span).transpose()?.unwrap_or(LASTS)))
}

/// Carries it out.
pub(super) async fn answer(revoke: &dyn Revoke, body: &[u8]) -> Answer {
    let (whom, lasts) = match read(body) {
        Ok(asked) => asked,
        Err(error) => return Answer::problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let kind = match whom {
        Whom::Subject(_) => "sub",
        Whom::Token(_) => "jti",
    };
    match revoke.revoke(whom, lasts).await {
        Ok(ended) => {
            // Whom it names is personal, and ends in no log.
            tracing::info!(kind, ended, ?lasts, "revoked");
            Answer::json(StatusCode::OK, json!({"ended": ended, "for_seconds": lasts.as_secs()}).to_string())
        }
        Err(full) => {
            tracing::error!(kind, "not revoked: {full}");
            Answer::problem(StatusCode::INSUFFICIENT_STORAGE, &full.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_by_table() {
        let hour = Duration::from_hours(1);
        for (body, want) in [
            (r#"{"sub":"anna"}"#, (Whom::subject("anna"), LASTS)),
            (r#"{"jti":"t1","for":"1h"}"#, (Whom::token("t1"), hour)),
            (r#" {"for":"365d","sub":"\u00e9"} "#, (Whom::subject("é"), LASTS_MOST)),
            (r#"{"sub":"anna","jti":null,"for":null}"#, (Whom::subject("anna"), LASTS)),
        ] {
            let (whom, lasts) = read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
            // Equality, since whom it names is not shown.
            assert!(want.0.unwrap() == whom && want.1 == lasts, "{body}");
        }
        let long = format!(r#"{{"sub":"{}"}}"#, "x".repeat(257));
        for (body, why) in [
            ("", "the body is a JSON object"),
            ("sub=anna", "the body is a JSON object"),
            ("[]", "the body is a JSON object"),
            (r#"{"sub":"anna"} x"#, "trailing characters"),
            (r#"{"sub":7}"#, "expected a string"),
            (r#"{"sub":"a","sub":"b"}"#, "duplicate field"),
            (r#"{"subject":"anna"}"#, "unknown field `subject`, expected one of `sub`, `jti`, `for`"),
            (r#"{"sub":"anna","reason":"x"}"#, "unknown field `reason`"),
            ("{}", "one of sub and jti"),
            (r#"{"sub":null}"#, "one of sub and jti"),
            (r#"{"sub":"anna","jti":"t1"}"#, "not both"),
            (r#"{"sub":""}"#, "sub: it has 1 to 256 bytes"),
            (&long, "sub: it has 1 to 256 bytes"),
            (r#"{"jti":""}"#, "jti: it has 1 to 256 bytes"),
            (r#"{"sub":"anna","for":"soon"}"#, "for is a duration"),
            (r#"{"sub":"anna","for":"0s"}"#, "for is a duration"),
            (r#"{"sub":"anna","for":"366d"}"#, "at most 365 d"),
            (r#"{"sub":"anna","for":"-1h"}"#, "for is a duration"),
            (r#"{"sub":"anna","for":""}"#, "for is a duration"),
            (r#"{"sub":"anna","for":"99999999999999999999d"}"#, "for is a duration"),
        ] {
            let error = read(body.as_bytes()).err().unwrap_or_else(|| panic!("{body} is good")).to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
    }
}
