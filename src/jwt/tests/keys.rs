//! Where keys come from, and which of them a token may mean.

use serde_json::json;

use super::super::{Algorithm, Jwks, JwksError, KeyError, Keys, MAX_JWKS, Origin, Skipped, TokenError, sign};
use super::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/data/jwt/{name}")).unwrap()
}

/// The key of the fixtures' set.
fn jwk(kid: &str) -> Value {
    let set: Value = serde_json::from_str(JWKS).unwrap();
    set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
}

fn parse(keys: &Value, origin: Origin) -> Jwks {
    Jwks::parse(json!({ "keys": keys }).to_string().as_bytes(), origin).unwrap()
}

#[test]
fn public_keys_and_certificates_in_pem_form() {
    for (kid, algorithm) in [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("ed25519", "EdDSA")] {
        for form in ["pem", "crt"] {
            let keys = Keys::pem(&file(&format!("{kid}.{form}")), None).unwrap();
            let allowed = [Algorithm::parse(algorithm).unwrap()];
            for name in [kid.to_owned(), format!("{kid}-nameless")] {
                assert!(policy(&allowed).check(&keys, token(&name, algorithm), NOW).is_ok(), "{kid}.{form}");
            }
        }
    }
    let pkcs1 = Keys::pem(&file("rsa-pkcs1.pem"), None).unwrap();
    assert_eq!(pkcs1, Keys::pem(&file("rsa.pem"), None).unwrap());
    assert!(policy(&[Algorithm::Ps512]).check(&pkcs1, token("rsa", "PS512"), NOW).is_ok());
}

#[test]
fn what_is_no_key_in_pem_form() {
    assert_eq!(Keys::pem(&file("rsa-short.pem"), None), Err(KeyError::RsaBits(1024)));
    assert_eq!(Keys::pem(&file("p521.pem"), None), Err(KeyError::Unsupported));
    assert_eq!(Keys::pem(b"hush", None), Err(KeyError::NotPem));
    let chain = [file("rsa.crt"), file("p256.crt")].concat();
    assert_eq!(Keys::pem(&chain, None), Err(KeyError::Several));
    let private = std::fs::read("tests/proxy/tls/key.pem").unwrap();
    assert_eq!(Keys::pem(&private, None), Err(KeyError::Private));
    let text = String::from_utf8(file("rsa.pem")).unwrap();
    let renamed = text.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(Keys::pem(renamed.as_bytes(), None), Err(KeyError::Unsupported));
}

/// RFC 7518, section 3.2: "A key of the same size as the hash output or larger MUST be used".
#[test]
fn a_secret_is_as_long_as_the_hash() {
    let claims = json!({ "aud": "sidestream", "exp": END });
    let claims = claims.as_object().unwrap();
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let needed = algorithm.secret_bytes().unwrap();
        let long = Secret::new(vec![7; needed]);
        let token = sign(algorithm, &long, None, claims).unwrap();
        assert!(policy(&[algorithm]).check(&Keys::secret(&long, None), &token, NOW).is_ok());
        let short = Secret::new(vec![7; needed - 1]);
        assert!(!Keys::secret(&short, None).suit(algorithm));
        let got = needed - 1;
        assert_eq!(sign(algorithm, &short, None, claims), Err(KeyError::Short { got, algorithm, needed }));
    }
    let asked = sign(Algorithm::Rs256, &Secret::new(SECRET), None, claims);
    assert_eq!(asked, Err(KeyError::NotSymmetric(Algorithm::Rs256)));
    let empty = Keys::secret(&Secret::new([]), None);
    let forged = forged(r#"{"alg":"HS256"}"#, &Value::from(claims.clone()).to_string(), b"");
    assert_eq!(policy(&[Algorithm::Hs256]).check(&empty, &forged, NOW), Err(TokenError::UnknownKey));
}

#[test]
fn what_a_set_holds_beside_keys_for_tokens_is_passed_over() {
    let with = |name: &str, value: Value| {
        let mut key = jwk("rsa");
        key[name] = value;
        key
    };
    let without = |kid: &str, name: &str| {
        let mut key = jwk(kid);
        key.as_object_mut().unwrap().remove(name);
        key
    };
    let short = |kid: &str, name: &str| {
        let mut key = jwk(kid);
        key[name] = json!(part([7; 31]));
        key
    };
    for (key, why) in [
        (with("use", json!("enc")), Skipped::OtherUse),
        (with("key_ops", json!(["sign"])), Skipped::OtherUse),
        (with("key_ops", json!("verify")), Skipped::Malformed),
        (with("alg", json!("RSA-OAEP")), Skipped::Unsupported),
        (with("alg", json!("ES256")), Skipped::Unsupported),
        (with("alg", json!("HS256")), Skipped::Unsupported),
        (with("kty", json!("AKP")), Skipped::Unsupported),
        (with("kty", json!(7)), Skipped::Malformed),
        (with("kid", json!(7)), Skipped::Malformed),
        (with("d", json!("AQAB")), Skipped::Private),
        (with("n", json!("not base64!")), Skipped::Malformed),
        (with("n", json!("AQAB")), Skipped::RsaBits(17)),
        (with("n", json!("")), Skipped::RsaBits(0)),
        (with("n", json!(part(vec![255; 1025]))), Skipped::RsaBits(8200)),
        (without("rsa", "e"), Skipped::Malformed),
        (without("rsa", "kty"), Skipped::Malformed),
        (without("p256", "y"), Skipped::Malformed),
        (without("p256", "crv"), Skipped::Unsupported),
        (short("p256", "x"), Skipped::Malformed),
        (short("p384", "y"), Skipped::Malformed),
        (short("ed25519", "x"), Skipped::Malformed),
        (json!({ "kty": "OKP", "crv": "X25519", "x": part([7; 32]) }), Skipped::Unsupported),
        (json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }), Skipped::Unsupported),
        (json!({ "kty": "oct", "k": part(SECRET) }), Skipped::PublishedSecret),
        (json!("rsa"), Skipped::Malformed),
        (json!(null), Skipped::Malformed),
    ] {
        let set = parse(&json!([key, jwk("p256")]), Origin::Url);
        assert_eq!(set.skipped, [(0, why)], "{key}");
        assert_eq!(set.keys, parse(&json!([jwk("p256")]), Origin::Url).keys, "the others are used");
    }
    let good = parse(&json!([with("key_ops", json!(["verify"])), without("rsa", "use")]), Origin::Url);
    assert_eq!((good.keys.len(), good.skipped), (2, vec![]));
}

#[test]
fn secrets_are_believed_from_a_file_only() {
    let key = json!([{ "kty": "oct", "alg": "HS256", "k": part(SECRET) }]);
    let set = parse(&key, Origin::File);
    assert!(policy(&[Algorithm::Hs256]).check(&set.keys, token("secret", "HS256"), NOW).is_ok());
    let other = policy(&[Algorithm::Hs512]).check(&set.keys, token("secret", "HS512"), NOW);
    assert_eq!(other, Err(TokenError::UnknownKey), "it is for one algorithm");
    assert!(parse(&key, Origin::Url).keys.is_empty());
}

#[test]
fn a_text_that_is_no_set() {
    for text in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[]"#, "<html>"] {
        assert_eq!(Jwks::parse(text.as_bytes(), Origin::File), Err(JwksError::NotASet), "{text}");
    }
    assert!(Jwks::parse(br#"{"keys":[],"more":1}"#, Origin::File).unwrap().keys.is_empty());
    let many = json!({ "keys": vec![json!({}); 129] }).to_string();
    assert_eq!(Jwks::parse(many.as_bytes(), Origin::File), Err(JwksError::TooMany(129)));
    let huge = format!("{}{{\"keys\":[]}}", " ".repeat(MAX_JWKS));
    assert_eq!(Jwks::parse(huge.as_bytes(), Origin::File), Err(JwksError::TooLarge));
}

#[test]
fn a_token_finds_its_key_by_name_or_by_trying() {
    let rename = |kid: &str, name: Option<&str>| {
        let mut key = jwk(kid);
        key["kid"] = json!(name);
        if name.is_none() {
            key.as_object_mut().unwrap().remove("kid");
        }
        key
    };
    let check = |keys: Value, token: &str| {
        policy(&Algorithm::ALL).check(&parse(&keys, Origin::Url).keys, token, NOW).map(drop)
    };
    let (named, nameless) = (token("rsa", "RS256"), token("rsa-nameless", "RS256"));
    // Two keys of one name: in order.
    assert_eq!(check(json!([rename("rsa-new", Some("rsa")), jwk("rsa")]), named), Ok(()));
    assert_eq!(check(json!([rename("rsa-new", Some("rsa"))]), named), Err(TokenError::Signature));
    // The name is of another key.
    assert_eq!(check(json!([rename("rsa", Some("other"))]), named), Err(TokenError::UnknownKey));
    // Keys without a name may be meant; if none of them is, the one that is named is still not known.
    assert_eq!(check(json!([rename("rsa", None)]), named), Ok(()));
    assert_eq!(check(json!([rename("rsa-new", None)]), named), Err(TokenError::UnknownKey));
    assert_eq!(check(json!([rename("rsa-new", Some("rsa")), rename("rsa", None)]), named), Ok(()));
    // A token without a name may be of any key of its kind.
    assert_eq!(check(json!([jwk("p256"), jwk("rsa-new"), jwk("rsa")]), nameless), Ok(()));
    assert_eq!(check(json!([jwk("rsa-new")]), nameless), Err(TokenError::Signature));
    assert_eq!(check(json!([jwk("p256")]), nameless), Err(TokenError::UnknownKey));
    assert_eq!(check(json!([]), nameless), Err(TokenError::UnknownKey));
}

/// What a token costs does not grow with the number of keys.
#[test]
fn so_many_keys_are_tried_and_no_more() {
    let mut keys = vec![jwk("rsa-new"); 15];
    keys.push(jwk("rsa"));
    let check = |keys: &Vec<Value>, token| {
        policy(&Algorithm::ALL).check(&parse(&json!(keys), Origin::Url).keys, token, NOW).map(drop)
    };
    assert_eq!(check(&keys, token("rsa-nameless", "RS256")), Ok(()));
    keys.insert(0, jwk("rsa-new"));
    assert_eq!(check(&keys, token("rsa-nameless", "RS256")), Err(TokenError::Ambiguous));
    assert_eq!(check(&keys, token("rsa", "RS256")), Ok(()), "one that names its key is not held up");
}

#[test]
fn keys_are_equal_by_what_they_are_and_never_shown() {
    let keys = |secret: &'static [u8], kid: &str| Keys::secret(&Secret::new(secret), Some(kid.into()));
    assert_eq!(keys(SECRET, "a"), keys(SECRET, "a"));
    assert_ne!(keys(SECRET, "a"), keys(SECRET, "b"));
    assert_ne!(keys(SECRET, "a"), keys(b"another", "a"));
    assert_ne!(published(), Keys::default());
    assert_eq!(published(), published());
    let shown = format!("{:?}", keys(b"hush", "a"));
    assert!(!shown.contains("hush") && !shown.contains("104, 117"), "{shown}");
}
