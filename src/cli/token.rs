//! `sidestream token`: a token that the configuration believes, for development.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};

use super::args::Token;
use super::sources::Ended;
use super::{complain, now, print_line};
use crate::auth::{Auth, Tokens};
use crate::config::{Rejected, load_with};
use crate::event::{Millis, Pattern};
use crate::ingress::Registry;
use crate::jwt::Policy;

/// Prints the token, alone on a line.
pub(super) fn run(args: &Token, brought: &Registry) -> Result<(), Ended> {
    let loaded = load_with(&args.config.source(), brought).map_err(|rejected| {
        rejected.problems.iter().for_each(|problem| complain(problem));
        Ended::Refused(ExitCode::from(Rejected::EXIT_CODE))
    })?;
    let hint = if args.config.is_named() { "" } else { "; -c names a configuration" };
    let Auth { tokens: Some(tokens), .. } = &*loaded.config.edge.access else {
        return Err(format!("the configuration has no auth.jwt, so no token is looked at{hint}").into());
    };
    let token = signed(tokens, args.sub.as_deref(), &args.topics, args.ttl, now())?;
    Ok(print_line(&token)?)
}

/// A token that is good from `now` on, for `ttl`.
fn signed(
    tokens: &Tokens,
    sub: Option<&str>,
    topics: &[Pattern],
    ttl: Duration,
    now: Millis,
) -> Result<String, String> {
    let mut claims = required(tokens.checker().policy());
    let seconds = now.0 / 1000;
    claims.insert("iat".to_owned(), seconds.into());
    claims.insert("exp".to_owned(), seconds.saturating_add(ttl.as_secs()).into());
    if let Some(sub) = sub {
        claims.insert("sub".to_owned(), sub.into());
    }
    if !topics.is_empty() {
        let topics: Vec<&str> = topics.iter().map(Pattern::as_str).collect();
        claims.insert(tokens.claim().to_owned(), topics.into());
    }
    let token = tokens.checker().sign(&claims).ok_or(
        "auth.jwt has no secret to sign with: expected keys: [ { secret: … } ], and HS256, HS384 or HS512 among \
         algorithms. Who checks with public keys alone can't make tokens",
    )?;
    // What is printed is believed: a claim that is required otherwise, for one, is better told here.
    tokens.read(&token, now).map_err(|why| format!("it would be refused: {why}"))?;
    Ok(token)
}

/// What the configuration requires of every token.
fn required(policy: &Policy) -> Map<String, Value> {
    let first = |texts: &[String]| texts.first().map(|text| Value::from(text.as_str()));
    let mut claims: BTreeMap<&str, Value> = BTreeMap::new();
    claims.extend(first(&policy.issuers).map(|issuer| ("iss", issuer)));
    claims.extend(first(&policy.audiences).map(|audience| ("aud", audience)));
    for required in &policy.required {
        claims.extend(required.values.first().map(|value| (required.claim.as_str(), value.clone())));
    }
    claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::Template;
    use crate::jwt::{Algorithm, Checker, Keys, Required};
    use crate::secret::Secret;

    const NOW: Millis = Millis(1_700_000_000_999);
    const TTL: Duration = Duration::from_hours(1);

    fn tokens(policy: Policy) -> Tokens {
        let keys = Keys::secret(&Secret::new([7; 64]), Some("dev".into()));
        let allow = vec![Template::parse("users.{sub}.**").unwrap()];
        Tokens::new(Checker::new(policy, keys, None), "listens", allow)
    }

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn it_says_what_was_asked_for_and_what_is_required() {
        let policy = Policy {
            issuers: vec!["https://id.example/".into(), "other".into()],
            audiences: vec!["sidestream".into()],
            required: vec![Required { claim: "level".into(), values: vec![json!(2), json!(3)] }],
            ..Policy::new(vec![Algorithm::Rs256, Algorithm::Hs512])
        };
        let tokens = tokens(policy);
        let token = signed(&tokens, Some("42"), &patterns(&["orders.*", "a"]), TTL, NOW).unwrap();
        let bearer = tokens.read(&token, NOW).unwrap();
        assert_eq!(bearer.subject.as_deref(), Some("42"));
        assert_eq!(*bearer.allowed, *patterns(&["orders.*", "a", "users.42.**"]));
        assert_eq!(bearer.expires, Some(Millis(1_700_003_600_000 + 30_000)));
        let claims = tokens.checker().check(&token, NOW).unwrap().all;
        assert_eq!((&claims["level"], &claims["iss"]), (&json!(2), &json!("https://id.example/")));
    }

    #[test]
    fn without_topics_or_a_subject() {
        let tokens = tokens(Policy::new(vec![Algorithm::Hs256]));
        let token = signed(&tokens, None, &[], TTL, NOW).unwrap();
        let bearer = tokens.read(&token, NOW).unwrap();
        assert_eq!((bearer.subject, bearer.allowed.len()), (None, 0));
    }

    #[test]
    fn what_would_not_be_believed_is_not_printed() {
        let required = |claim: &str| Policy {
            required: vec![Required { claim: claim.into(), values: vec![json!("7")] }],
            ..Policy::new(vec![Algorithm::Hs256])
        };
        let why = signed(&tokens(required("sub")), Some("42"), &[], TTL, NOW).unwrap_err();
        assert!(why.starts_with("it would be refused: "), "{why}");
        let why = signed(&tokens(Policy::new(vec![Algorithm::Rs256])), None, &[], TTL, NOW).unwrap_err();
        assert!(why.starts_with("auth.jwt has no secret to sign with"), "{why}");
    }
}
