//! From a token to what it grants.

use std::time::Duration;

use super::*;
use crate::jwt::{Expiry, TokenError};

fn read(claims: &Value) -> Result<Bearer, TokenError> {
    tokens(&["users.{sub}.**"]).read(&token(claims), NOW)
}

fn granted(claims: &Value) -> Vec<String> {
    read(claims).unwrap().allowed.iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_claim_lists_and_what_templates_add() {
    assert_eq!(granted(&json!({})), [""; 0]);
    assert_eq!(granted(&json!({ "topics": "orders.*" })), ["orders.*"]);
    assert_eq!(granted(&json!({ "topics": ["a", "b.**"], "sub": "4.2" })), ["a", "b.**", "users.4~2E2.**"]);
    assert_eq!(granted(&json!({ "topics": [], "sub": "" })), [""; 0]);
}

/// What is not understood is never left out in silence: the bearer would be told 403 for what it was meant to have.
#[test]
fn a_list_that_is_malformed_refuses_the_token() {
    for odd in [
        json!(null),
        json!(7),
        json!({}),
        json!(""),
        json!("a b"),
        json!("a,b"),
        json!("a.**.b"),
        json!("a..b"),
        json!([""]),
        json!(["a", 7]),
        json!(["a", null]),
        json!([["a"]]),
        json!(["a", "b/c"]),
        json!(vec!["a"; MAX_TOPICS + 1]),
        json!("a".repeat(257)),
    ] {
        let why = read(&json!({ "topics": odd })).unwrap_err();
        assert!(matches!(why, TokenError::MalformedClaim(_)), "{odd}: {why:?}");
        assert_eq!(why.reason(), "malformed");
    }
    assert_eq!(read(&json!({ "topics": vec!["a"; MAX_TOPICS] })).unwrap().allowed.len(), MAX_TOPICS);
}

#[test]
fn another_claim_may_list_them() {
    let tokens = Tokens::new(checker(), "https://id.example/topics", Vec::new());
    assert_eq!(tokens.claim(), "https://id.example/topics");
    let text = token(&json!({ "topics": ["a"], "https://id.example/topics": "b" }));
    assert_eq!(*tokens.read(&text, NOW).unwrap().allowed, [pattern("b")]);
}

#[test]
fn whom_it_is_about_and_how_long() {
    let bearer = read(&json!({ "sub": "42", "jti": "a1" })).unwrap();
    assert_eq!((bearer.subject.as_deref(), bearer.token_id.as_deref()), (Some("42"), Some("a1")));
    assert_eq!(bearer.issued, Some(Millis(BEGIN * 1000)));
    let leeway = u64::try_from(Policy::LEEWAY.as_millis()).unwrap();
    assert_eq!(bearer.expires, Some(Millis(END * 1000 + leeway)));
    // It is good to its last millisecond and not after it.
    let text = token(&json!({}));
    let end = read(&json!({})).unwrap().expires.unwrap();
    assert!(tokens(&[]).read(&text, Millis(end.0 - 1)).is_ok());
    assert_eq!(tokens(&[]).read(&text, end), Err(TokenError::Expired));
    assert!(!format!("{bearer:?}").contains("42"), "whom it is about is not shown");
}

#[test]
fn names_that_could_not_be_revoked() {
    for claim in ["sub", "jti"] {
        assert!(read(&json!({ claim: "é".repeat(128) })).is_ok());
        assert_eq!(read(&json!({ claim: "a".repeat(257) })), Err(TokenError::MalformedClaim(claim)));
        let nobody = read(&json!({ claim: "" })).unwrap();
        assert_eq!((nobody.subject, nobody.token_id), (None, None), "{claim}");
    }
}

#[test]
fn one_that_never_ends() {
    let policy =
        Policy { expiry: Expiry::Optional, leeway: Duration::ZERO, ..Policy::new(vec![Algorithm::Hs256]) };
    let secret = Secret::new(SECRET);
    let checker = Checker::new(policy, Keys::secret(&secret, None), None);
    let tokens = Tokens::new(checker, "topics", Vec::new());
    let text = sign(Algorithm::Hs256, &secret, None, &Map::new()).unwrap();
    let bearer = tokens.read(&text, NOW).unwrap();
    assert_eq!((bearer.expires, bearer.issued, bearer.subject), (None, None, None));
}

#[test]
fn a_token_that_is_not_good_grants_nothing() {
    let tokens = tokens(&[]);
    let good = token(&json!({ "topics": "a" }));
    let (rest, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(tokens.read(&format!("{rest}.{}", signature.to_lowercase()), NOW), Err(TokenError::Signature));
    assert_eq!(tokens.read("", NOW), Err(TokenError::Malformed));
    assert_eq!(tokens.read(&good, Millis(END * 2000)), Err(TokenError::Expired));
}
