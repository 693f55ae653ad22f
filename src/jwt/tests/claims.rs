//! What a good signature is not enough for.

use serde_json::json;

use super::super::{Algorithm, Expiry, Policy, Required, TokenError};
use super::*;

fn at(seconds: u64) -> Millis {
    Millis(seconds * 1000)
}

fn check(policy: Policy, claims: &Value, now: Millis) -> Result<(), TokenError> {
    checker(policy).check(&signed(claims), now).map(drop)
}

fn plain() -> Policy {
    Policy::new(vec![Algorithm::Hs256])
}

/// RFC 7519, section 4.1.4: "the current date/time MUST be before the expiration date/time", with leeway.
#[test]
fn the_end_to_the_millisecond() {
    let claims = json!({ "exp": END });
    for (now, want) in [
        (Millis(0), Ok(())),
        (at(END), Ok(())),
        (Millis((END + 30) * 1000 - 1), Ok(())),
        (at(END + 30), Err(TokenError::Expired)),
        (Millis(u64::MAX), Err(TokenError::Expired)),
    ] {
        assert_eq!(check(plain(), &claims, now), want, "{now:?}");
    }
    let strict = Policy { leeway: Duration::ZERO, ..plain() };
    assert_eq!(check(strict.clone(), &claims, Millis(END * 1000 - 1)), Ok(()));
    assert_eq!(check(strict, &claims, at(END)), Err(TokenError::Expired));
}

/// RFC 7519, section 4.1.5: "MUST be after or equal to the not-before date/time". `iat` is held to the same.
#[test]
fn the_beginning_to_the_millisecond() {
    for name in ["nbf", "iat"] {
        let claims = json!({ "exp": END, name: BEGIN });
        for (now, want) in [
            (at(BEGIN - 30), Ok(())),
            (Millis((BEGIN - 30) * 1000 - 1), Err(TokenError::NotYet)),
            (Millis(0), Err(TokenError::NotYet)),
            (at(BEGIN), Ok(())),
        ] {
            assert_eq!(check(plain(), &claims, now), want, "{name} {now:?}");
        }
        let optional = Policy { expiry: Expiry::Optional, ..plain() };
        assert_eq!(
            check(optional, &json!({ name: BEGIN }), Millis(0)),
            Err(TokenError::NotYet),
            "without exp"
        );
    }
}

#[test]
fn an_end_is_required_unless_told() {
    let claims = json!({ "sub": "42" });
    assert_eq!(check(plain(), &claims, NOW), Err(TokenError::NoExpiry));
    let optional = Policy { expiry: Expiry::Optional, ..plain() };
    assert_eq!(check(optional.clone(), &claims, NOW), Ok(()));
    assert_eq!(check(optional, &json!({ "exp": BEGIN - 60 }), NOW), Err(TokenError::Expired));
}

#[test]
fn a_time_is_a_number() {
    for (exp, want) in [
        (json!(END as f64 + 0.5), Ok(())),
        (json!(u64::MAX), Ok(())),
        (json!(1e300), Ok(())),
        (json!(0), Err(TokenError::Expired)),
        (json!(-1), Err(TokenError::Expired)),
        (json!(-1e300), Err(TokenError::Expired)),
    ] {
        assert_eq!(check(plain(), &json!({ "exp": exp }), NOW), want, "{exp}");
    }
    for name in ["exp", "nbf", "iat"] {
        for odd in [json!("1700003600"), json!(null), json!([END]), json!({}), json!(true)] {
            let claims = json!({ "exp": END, name: odd });
            assert_eq!(check(plain(), &claims, NOW), Err(TokenError::MalformedClaim(name)), "{odd}");
        }
    }
    let fraction = signed(&json!({ "exp": 1_700_003_600.25 }));
    assert_eq!(checker(plain()).check(&fraction, NOW).unwrap().exp, Some(Millis(END * 1000 + 250)));
}

#[test]
fn audiences() {
    let ours = |audiences: &[&str]| Policy {
        audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
        ..plain()
    };
    let with = |aud: Value| json!({ "exp": END, "aud": aud });
    for (policy, claims, want) in [
        (ours(&["a", "b"]), with(json!("b")), Ok(())),
        (ours(&["a"]), with(json!(["x", "a"])), Ok(())),
        (ours(&["a"]), with(json!("A")), Err(TokenError::Audience)),
        (ours(&["a"]), with(json!("a ")), Err(TokenError::Audience)),
        (ours(&["a"]), with(json!("x")), Err(TokenError::Audience)),
        (ours(&["a"]), with(json!([])), Err(TokenError::Audience)),
        (ours(&["a"]), with(json!("")), Err(TokenError::Audience)),
        (ours(&["a"]), json!({ "exp": END }), Err(TokenError::Audience)),
        (ours(&[]), json!({ "exp": END }), Ok(())),
        (ours(&[]), with(json!("a")), Err(TokenError::Audience)),
        (ours(&[]), with(json!([])), Err(TokenError::Audience)),
        (ours(&["a"]), with(json!(null)), Err(TokenError::MalformedClaim("aud"))),
        (ours(&["a"]), with(json!(7)), Err(TokenError::MalformedClaim("aud"))),
        (ours(&["a"]), with(json!(["a", 7])), Err(TokenError::MalformedClaim("aud"))),
        (ours(&["a"]), with(json!({ "a": 1 })), Err(TokenError::MalformedClaim("aud"))),
    ] {
        assert_eq!(check(policy, &claims, NOW), want, "{claims}");
    }
}

#[test]
fn issuers() {
    let policy = Policy { issuers: vec!["https://id.example/".into(), "old".into()], ..plain() };
    for (iss, want) in [
        (json!("https://id.example/"), Ok(())),
        (json!("old"), Ok(())),
        (json!("https://id.example"), Err(TokenError::Issuer)),
        (json!("https://evil.example/"), Err(TokenError::Issuer)),
        (json!(["old"]), Err(TokenError::Issuer)),
        (json!(null), Err(TokenError::Issuer)),
    ] {
        assert_eq!(check(policy.clone(), &json!({ "exp": END, "iss": iss }), NOW), want, "{iss}");
    }
    assert_eq!(check(policy, &json!({ "exp": END }), NOW), Err(TokenError::Issuer));
    assert_eq!(check(plain(), &json!({ "exp": END, "iss": "anybody" }), NOW), Ok(()));
}

#[test]
fn required_claims() {
    let required = |claim: &str, values: Vec<Value>| Required { claim: claim.into(), values };
    let policy = Policy {
        required: vec![
            required("email", vec![json!("a@x.example"), json!("b@x.example")]),
            required("email_verified", vec![json!(true)]),
        ],
        ..plain()
    };
    let refused = |name: &str| Err(TokenError::Required(name.into()));
    for (email, verified, want) in [
        (json!("b@x.example"), json!(true), Ok(())),
        (json!("c@x.example"), json!(true), refused("email")),
        (json!(["a@x.example"]), json!(true), refused("email")),
        (json!(null), json!(true), refused("email")),
        (json!("a@x.example"), json!(false), refused("email_verified")),
        (json!("a@x.example"), json!("true"), refused("email_verified")),
        (json!("a@x.example"), json!(1), refused("email_verified")),
    ] {
        let claims = json!({ "exp": END, "email": email, "email_verified": verified });
        assert_eq!(check(policy.clone(), &claims, NOW), want, "{claims}");
    }
    assert_eq!(check(policy, &json!({ "exp": END }), NOW), refused("email"));
}

#[test]
fn claims_that_can_be_read_in_two_ways_or_not_at_all() {
    let header = r#"{"alg":"HS256"}"#;
    for claims in [
        r#"{"exp":1700003600,"sub":"1","sub":"2"}"#,
        r#"{"exp":1,"exp":1700003600}"#,
        r"[1700003600]",
        "null",
        "",
        r#"{"exp":1700003600} "#.trim_end_matches("} "),
        r#"{"exp":1700003600}x"#,
        "{\"exp\":1700003600,\"a\":\"\u{1}\"}",
    ] {
        let token = forged(header, claims, SECRET);
        assert_eq!(checker(plain()).check(&token, NOW), Err(TokenError::Malformed), "{claims}");
    }
    for name in ["sub", "jti"] {
        let claims = json!({ "exp": END, name: 42 });
        assert_eq!(check(plain(), &claims, NOW), Err(TokenError::MalformedClaim(name)));
    }
}

#[test]
fn claims_are_not_shown() {
    let claims = checker(plain()).check(&signed(&json!({ "exp": END, "email": "hush" })), NOW).unwrap();
    assert_eq!(claims.all["email"], "hush");
    let shown = format!("{claims:?}");
    assert!(shown.contains("email") && !shown.contains("hush"), "{shown}");
}
