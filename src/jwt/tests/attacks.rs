//! Tokens that somebody made up.

use proptest::prelude::*;

use super::super::{Algorithm, Keys, MAX_TOKEN, TokenError};
use super::*;

const CLAIMS: &str = r#"{"sub":"42","aud":"sidestream","exp":1700003600}"#;

fn refused(token: &str) -> TokenError {
    policy(&Algorithm::ALL).check(&published(), token, NOW).unwrap_err()
}

#[test]
fn nothing_is_believed_unsigned() {
    let payload = part(CLAIMS);
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256"] {
        let header = part(format!(r#"{{"alg":"{alg}"}}"#));
        for token in [format!("{header}.{payload}."), format!("{header}.{payload}.AA")] {
            assert_eq!(refused(&token), TokenError::Algorithm, "{alg:?}");
        }
    }
    for algorithm in Algorithm::ALL {
        let header = part(format!(r#"{{"alg":"{algorithm}","kid":"rsa"}}"#));
        assert!(policy(&Algorithm::ALL).check(&published(), &format!("{header}.{payload}."), NOW).is_err());
        let mut secrets = published();
        secrets.append(secret());
        assert!(policy(&Algorithm::ALL).check(&secrets, &format!("{header}.{payload}."), NOW).is_err());
    }
    assert_eq!(policy(&[]).check(&published(), token("rsa", "RS256"), NOW), Err(TokenError::Algorithm));
}

/// A public key as everybody has it, used as a secret.
#[test]
fn a_public_key_is_no_secret() {
    for form in ["rsa.pem", "rsa-pkcs1.pem", "rsa.crt"] {
        let text = std::fs::read(format!("tests/data/jwt/{form}")).unwrap();
        let confused = token(&format!("confused-{form}"), "HS256");
        assert_eq!(policy(&Algorithm::ALL).check(&secret(), confused, NOW), Err(TokenError::Signature));
        let keys = Keys::pem(&text, None).unwrap();
        assert_eq!(
            policy(&Algorithm::ALL).check(&keys, confused, NOW),
            Err(TokenError::UnknownKey),
            "{form}"
        );
        // The token is good for who takes that text for a secret.
        let naive = Keys::secret(&Secret::new(text), None);
        assert!(policy(&Algorithm::ALL).check(&naive, confused, NOW).is_ok(), "{form}");
    }
    let named = forged(r#"{"alg":"HS256","kid":"rsa"}"#, CLAIMS, b"public");
    assert_eq!(refused(&named), TokenError::Algorithm, "the key that it names is no secret");
}

/// Each algorithm of one key's family, with another key's.
#[test]
fn a_key_is_used_for_its_own_algorithms_alone() {
    for (kid, algorithm) in [("rsa", "ES256"), ("p256", "RS256"), ("p256", "ES384"), ("ed25519", "ES256")] {
        let header = part(format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#));
        assert_eq!(refused(&format!("{header}.{}.AAAA", part(CLAIMS))), TokenError::Algorithm, "{kid}");
    }
}

/// Where a token says that its key is.
#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    for brought in [
        r#""jku":"https://evil.example/jwks.json""#,
        r#""x5u":"https://evil.example/a.crt""#,
        r#""jwk":{"kty":"oct","k":"ZXZpbA"}"#,
        r#""x5c":["MIIB"]"#,
    ] {
        let token = forged(&format!(r#"{{"alg":"HS256",{brought}}}"#), CLAIMS, b"evil");
        assert_eq!(checker(policy(&[Algorithm::Hs256])).check(&token, NOW), Err(TokenError::Signature));
    }
    // A kid is a name, not a path, a query or a pattern.
    for kid in ["../../dev/null", "' or 1=1", "*", "", "RSA", "rsa\\u0000"] {
        let header = part(format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#));
        assert_eq!(refused(&format!("{header}.{}.AAAA", part(CLAIMS))), TokenError::UnknownKey, "{kid:?}");
    }
}

/// All of these are signed well.
#[test]
fn a_header_that_can_be_read_in_two_ways_or_not_at_all() {
    use TokenError::{Algorithm as Alg, Critical, Malformed};
    for (header, why) in [
        (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, Critical),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, Critical),
        (r#"{"alg":"HS256","crit":[]}"#, Critical),
        (r#"{"alg":"HS256","alg":"none"}"#, Malformed),
        (r#"{"alg":"none","alg":"HS256"}"#, Malformed),
        (r#"{"alg":"HS256","kid":"a","kid":"b"}"#, Malformed),
        (r#"{"alg":"HS256","kid":7}"#, Malformed),
        (r#"{"alg":["HS256"]}"#, Malformed),
        (r#"{"alg":null}"#, Malformed),
        (r"{}", Malformed),
        (r#"["HS256"]"#, Malformed),
        (r#""HS256""#, Malformed),
        (r#"{"alg":"HS256"} {"#, Malformed),
        (r#"{"alg":"HS256""#, Malformed),
        ("", Malformed),
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, Alg),
    ] {
        let token = forged(header, CLAIMS, SECRET);
        assert_eq!(checker(policy(&[Algorithm::Hs256])).check(&token, NOW), Err(why), "{header}");
    }
    let nested = format!(r#"{{"alg":"HS256","a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    let token = forged(&nested, CLAIMS, SECRET);
    assert_eq!(checker(policy(&[Algorithm::Hs256])).check(&token, NOW), Err(Malformed));
}

#[test]
fn the_form_is_exact() {
    let good = signed(&serde_json::from_str(CLAIMS).unwrap());
    let checker = checker(policy(&[Algorithm::Hs256]));
    assert!(checker.check(&good, NOW).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!() };
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{header}.{payload}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!(" {good}"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
    ] {
        assert_eq!(checker.check(&token, NOW), Err(TokenError::Malformed), "{token}");
    }
    for token in [format!("{good}="), format!("{good} "), format!("{good}\n"), format!("{header}.{payload}.")]
    {
        assert_eq!(checker.check(&token, NOW), Err(TokenError::Signature), "{token}");
    }
    for end in 0..good.len() {
        assert!(checker.check(&good[..end], NOW).is_err(), "cut at {end}");
    }
}

#[test]
fn a_token_is_bounded() {
    let padded = |length: usize| {
        let claims = serde_json::json!({ "aud": "sidestream", "exp": END, "pad": "x".repeat(length) });
        signed(&claims)
    };
    let checker = checker(policy(&[Algorithm::Hs256]));
    // Three bytes become four characters; the rest is the header, the signature and the other claims.
    let mut length = MAX_TOKEN * 3 / 4;
    while padded(length).len() > MAX_TOKEN {
        length -= 1;
    }
    assert!(MAX_TOKEN - padded(length).len() < 4);
    assert!(checker.check(&padded(length), NOW).is_ok());
    assert_eq!(checker.check(&padded(length + 4), NOW), Err(TokenError::TooLarge));
    assert_eq!(checker.check(&"a.".repeat(1 << 20), NOW), Err(TokenError::TooLarge));
}

#[test]
fn no_error_shows_the_token() {
    let token = format!("{}.{}.{}", part(r#"{"alg":"HS256","kid":"hush"}"#), part(CLAIMS), part("hush"));
    let why = checker(policy(&[Algorithm::Hs256])).check(&token, NOW).unwrap_err();
    assert!(!format!("{why:?} {why}").contains("hush"));
}

proptest! {
    /// Header, claims or signature, of each kind of key: no byte of a token may be another.
    #[test]
    fn a_token_with_one_byte_changed_is_refused(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good: Vec<&str> = TOKENS.lines().filter(|line| !line.starts_with("confused")).collect();
        let token = which.get(&good).rsplit(' ').next().unwrap();
        let mut keys = published();
        keys.append(secret());
        let mut bytes = token.as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(policy(&Algorithm::ALL).check(&keys, &text, NOW).is_err());
        }
    }

    #[test]
    fn no_text_panics(token in "([A-Za-z0-9_-]{0,8}|\\PC{0,4}|eyJhbGciOiJIUzI1NiJ9|\\.){0,8}") {
        prop_assert!(checker(policy(&Algorithm::ALL)).check(&token, NOW).is_err());
    }
}
