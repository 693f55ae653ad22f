//! What a stream keeps, and whether it still may, when rules, keys and revocations have changed.

use super::*;
use Access::{Deny, Forward, Jwt, Public};

fn auth(listed: &[(&str, Access)], default: Access) -> Auth {
    Auth { rules: rules(listed, default), tokens: Some(tokens(&[])), ..Auth::default() }
}

/// As a request with this token and word was admitted.
fn grant(auth: &Auth, token: Option<&str>, app: Option<AppWord>) -> Grant {
    let bearer = token.map(|token| auth.tokens.as_ref().unwrap().read(token, NOW).unwrap());
    Grant::new(token.zip(bearer.as_ref()), app)
}

fn still(auth: &Auth, grant: &Grant, text: &str, now: Millis) -> bool {
    auth.still_grants(grant, &wanted(&[text]), &Revoked::default(), now)
}

#[test]
fn it_ends_with_whichever_ends_first() {
    let auth = auth(&[], Jwt);
    let text = token(&json!({ "topics": "a", "sub": "42", "jti": "t1" }));
    let kept = grant(&auth, Some(&text), None);
    assert_eq!((kept.subject.as_deref(), kept.token_id.as_deref()), (Some("42"), Some("t1")));
    assert_eq!(kept.issued, Some(Millis(BEGIN * 1000)));
    assert_eq!(kept.ends, Some(Millis(END * 1000 + 30_000)));
    let soon = AppWord { allowed: None, expires: Some(Millis(NOW.0 + 1)) };
    assert_eq!(grant(&auth, Some(&text), Some(soon)).ends, Some(Millis(NOW.0 + 1)));
    assert_eq!(grant(&auth, None, Some(AppWord::default())).ends, None);
    let shown = format!("{kept:?}");
    assert!(!shown.contains(&text) && !shown.contains("42") && !shown.contains("t1"), "{shown}");
}

#[test]
fn as_long_as_the_token_is_good_and_the_rules_are_so() {
    let first = auth(&[], Jwt);
    let kept = grant(&first, Some(&token(&json!({ "topics": "a.**" }))), None);
    assert!(still(&first, &kept, "a.b", NOW));
    let end = kept.ends.unwrap();
    assert!(still(&first, &kept, "a.b", Millis(end.0 - 1)));
    assert!(!still(&first, &kept, "a.b", end));
    assert!(!still(&auth(&[("a.b", Deny)], Jwt), &kept, "a.b", NOW));
    assert!(!still(&auth(&[("a.b", Deny)], Jwt), &kept, "a.*", NOW));
    assert!(still(&auth(&[("a.b", Deny)], Jwt), &kept, "a.c", NOW));
    assert!(still(&auth(&[], Public), &kept, "a.b", NOW));
    assert!(!still(&auth(&[], Forward), &kept, "a.b", NOW), "the app has not been asked of it");
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let first = auth(&[("p", Public)], Jwt);
    let kept = grant(&first, Some(&token(&json!({ "topics": "a" }))), None);
    let other = Keys::secret(&Secret::new([7; 32]), None);
    let checker = Checker::new(Policy::new(vec![Algorithm::Hs256]), other, None);
    let second = Auth { tokens: Some(Tokens::new(checker, "topics", Vec::new())), ..first };
    assert!(!still(&second, &kept, "a", NOW));
    assert!(!still(&second, &kept, "p", NOW), "presented and bad is refused where all may listen, too");
    let none = Auth { tokens: None, ..second };
    assert!(still(&none, &kept, "p", NOW), "without a section tokens are not looked at");
    assert!(!still(&none, &kept, "a", NOW));
}

#[test]
fn another_claim_or_template_is_another_grant() {
    let first = auth(&[], Jwt);
    let kept = grant(&first, Some(&token(&json!({ "topics": "a", "sub": "42" }))), None);
    let with = |claim: &str, allow: &str| Auth {
        tokens: Some(Tokens::new(checker(), claim, vec![Template::parse(allow).unwrap()])),
        ..first.clone()
    };
    assert!(!still(&with("other", "users.{sub}"), &kept, "a", NOW));
    assert!(still(&with("other", "{sub}"), &kept, "42", NOW));
}

#[test]
fn the_apps_word_is_kept_and_held_streams_are_the_apps() {
    let first = auth(&[("a.**", Forward)], Jwt);
    let kept = grant(&first, None, Some(word(Some(&["a.x"]))));
    assert!(still(&first, &kept, "a.x", NOW));
    assert!(!still(&first, &kept, "a.y", NOW));
    let held = Grant { held: true, ..Grant::default() };
    assert!(still(&first, &held, "b", NOW), "by the app's own word, whatever the rule asks for");
    assert!(!still(&auth(&[("b", Deny)], Jwt), &held, "b", NOW), "but never past deny");
    let ended = Grant { ends: Some(NOW), ..held };
    assert!(!still(&first, &ended, "b", NOW));
}
