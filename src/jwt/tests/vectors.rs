//! Vectors of the specifications, and of `PyJWT` in every algorithm.

use super::super::{Algorithm, Expiry, Jwks, Origin, Policy, TokenError};
use super::*;

/// The claims of RFC 7515, appendix A.1 to A.3, encoded; they end at 1300819380.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const JOE_ENDS: u64 = 1_300_819_380;

fn set(key: &str) -> Keys {
    let jwks = Jwks::parse(format!("{{\"keys\":[{key}]}}").as_bytes(), Origin::File).unwrap();
    assert_eq!(jwks.skipped, []);
    jwks.keys
}

/// Appendix A.1 to A.3 of RFC 7515: header, signature, key.
#[test]
fn rfc_7515() {
    let vectors = [
        (
            Algorithm::Hs256,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
        ),
        (
            Algorithm::Rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
        ),
        (
            Algorithm::Es256,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        ),
    ];
    for (algorithm, header, signature, key) in vectors {
        let policy = Policy { issuers: vec!["joe".into()], ..Policy::new(vec![algorithm]) };
        let token = format!("{header}.{JOE}.{signature}");
        let claims = policy.check(&set(key), &token, Millis(JOE_ENDS * 1000)).unwrap();
        assert_eq!(claims.exp, Some(Millis(JOE_ENDS * 1000)), "{algorithm}");
        assert_eq!(claims.all["http://example.com/is_root"], true, "{algorithm}");
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let policy = Policy::new(vec![other]);
            let refused = policy.check(&set(key), &token, Millis(JOE_ENDS * 1000));
            assert_eq!(refused, Err(TokenError::Algorithm), "{other}");
        }
    }
}

/// RFC 8037, appendix A.4, and RFC 7520, section 4.2: what is signed there is no set of claims. That is found out behind
/// the signature, so the signature was found good.
#[test]
fn rfc_8037_and_7520_sign_what_is_no_claims() {
    let vectors = [
        (
            Algorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ),
        (
            Algorithm::Ps384,
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4",
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
            r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}"#,
        ),
    ];
    for (algorithm, message, signature, key) in vectors {
        let policy = Policy { expiry: Expiry::Optional, ..Policy::new(vec![algorithm]) };
        let good = policy.check(&set(key), &format!("{message}.{signature}"), NOW);
        assert_eq!(good, Err(TokenError::Malformed), "{algorithm}");
        let flipped = signature.replacen(['A', 'h', 'c'], "B", 1);
        let bad = policy.check(&set(key), &format!("{message}.{flipped}"), NOW);
        assert_eq!(bad, Err(TokenError::Signature), "{algorithm}");
    }
}

#[test]
fn pyjwt_in_every_algorithm() {
    let mut keys = published();
    keys.append(secret());
    let mut seen = Vec::new();
    for line in TOKENS.lines().filter(|line| !line.starts_with("confused")) {
        let [kid, name, token] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let algorithm = Algorithm::parse(name).unwrap();
        let claims = policy(&[algorithm]).check(&keys, token, NOW).unwrap();
        assert_eq!((claims.sub.as_deref(), claims.jti.as_deref()), (Some("42"), Some("a1")), "{kid} {name}");
        assert_eq!(claims.exp, Some(Millis(END * 1000)));
        assert_eq!(policy(&Algorithm::ALL).check(&keys, token, NOW), Ok(claims), "with all allowed");
        seen.push(algorithm);
    }
    for algorithm in Algorithm::ALL {
        assert!(seen.contains(&algorithm), "{algorithm}");
    }
}

/// What is signed here reads elsewhere as what it says; here it reads back.
#[test]
fn what_is_signed_is_believed() {
    let claims = serde_json::json!({ "sub": "42", "aud": "sidestream", "exp": END });
    for (algorithm, other) in [(Algorithm::Hs256, "b"), (Algorithm::Hs384, "a"), (Algorithm::Hs512, "a")]
        .map(|(a, b)| (a, b.repeat(64)))
    {
        let secret = Secret::new(SECRET);
        let token = super::super::sign(algorithm, &secret, Some("k"), claims.as_object().unwrap()).unwrap();
        let keys = Keys::secret(&secret, Some("k".into()));
        assert_eq!(policy(&[algorithm]).check(&keys, &token, NOW).unwrap().sub.as_deref(), Some("42"));
        let others = Keys::secret(&Secret::new(other.into_bytes()), Some("k".into()));
        assert_eq!(policy(&[algorithm]).check(&others, &token, NOW), Err(TokenError::Signature));
    }
}
