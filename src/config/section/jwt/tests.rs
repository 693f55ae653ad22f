//! What can be written, and what is said of what can't.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::config::check::Check;
use crate::config::marks::{Marks, Reading};
use crate::config::written::Environment;
use crate::config::yaml;
use crate::event::Millis;
use crate::jwt::{Algorithm, Checker, Expiry, TokenError};

const SECRET: &str = "a secret of 64 bytes, which is what an HS512 signature asks for!";
const URL: &str = "https://id.example/.well-known/jwks.json";
const TOKENS: &str = include_str!("../../../../tests/data/jwt/tokens.txt");
const NOW: Millis = Millis(1_700_000_060_000);

/// What a file that is `jwt: <text>` comes to, and its warnings or problems.
fn read(text: &str) -> (Option<Checker>, Vec<String>) {
    let file = format!("jwt: {text}\n");
    let Reading::Whole(marks, refusals) = Marks::read(&file) else { panic!("{file}") };
    assert!(refusals.is_empty(), "{file}");
    let raw: Raw = serde_json::from_value(yaml::parse(&file).unwrap()["jwt"].take()).unwrap();
    let variable = |name: &str| match name {
        "SECRET" => Some(OsString::from(SECRET)),
        "SHORT" => Some(OsString::from(&SECRET[..40])),
        "TINY" => Some(OsString::from("hush")),
        "SET" => Some(OsString::from(format!(
            r#"{{"keys":[{{"kty":"oct","kid":"secret","k":"{}"}},{{"kty":"AKP"}}]}}"#,
            "YSBzZWNyZXQgb2YgNjQgYnl0ZXMsIHdoaWNoIGlzIHdoYXQgYW4gSFM1MTIgc2lnbmF0dXJlIGFza3MgZm9yIQ"
        ))),
        _ => None,
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jwt");
    let environment = Environment { variable: &variable, folder: &folder };
    let mut check = Check::new("t.yaml", "", &marks);
    let checker = raw.build("jwt", &mut check, &environment);
    let lines = |problems: &[crate::config::Problem]| problems.iter().map(ToString::to_string).collect();
    if check.problems.is_empty() {
        assert!(checker.is_some(), "nothing came of it, and nothing was said: {file}");
        return (checker, lines(&check.warnings));
    }
    let problems: Vec<String> = lines(&check.problems);
    assert!(!format!("{problems:?}").contains("hush"), "{problems:?}");
    (None, problems)
}

#[track_caller]
fn good(text: &str) -> Checker {
    assert!(accepted(text), "{text}");
    let (checker, said) = read(text);
    assert_eq!(said, [""; 0], "{text}");
    checker.unwrap()
}

#[track_caller]
fn warned(text: &str, want: &str) -> Checker {
    let (checker, said) = read(text);
    assert!(said.iter().any(|warning| warning.contains(want)), "{text}: {said:?}");
    checker.unwrap()
}

#[track_caller]
fn bad(text: &str, want: &str) {
    let (checker, said) = read(text);
    assert!(checker.is_none(), "{text}");
    assert_eq!(said.len(), 1, "{text}: {said:?}");
    assert!(said[0].contains(want), "{text}: {said:?}");
}

/// Whether the schema has nothing against it.
fn accepted(text: &str) -> bool {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let schema = Value::from(settings.into_generator().into_root_schema_for::<Raw>());
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let options = crate::config::written::KINDS.iter().fold(options, |options, (format, check)| {
        options.with_format(*format, move |text: &str| check(text).is_none())
    });
    options.build(&schema).unwrap().is_valid(&yaml::parse(text).unwrap())
}

fn token(kid: &str, algorithm: &str) -> &'static str {
    let of = |line: &&str| line.starts_with(&format!("{kid} {algorithm} "));
    TOKENS.lines().find(of).unwrap().rsplit(' ').next().unwrap()
}

#[test]
fn everything() {
    let checker = good(&format!(
        "{{ algorithms: [RS256, ES256], jwks_url: {URL}, keys: [ {{ pem: {{ file: p256.pem }}, kid: p256 }} ], \
         issuer: https://id.example/, audience: [sidestream, other], leeway: 1m, require_exp: false, \
         claims: {{ email: push@project.example, email_verified: true, n: [1, 2] }} }}"
    ));
    let policy = checker.policy();
    assert_eq!(policy.algorithms, [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(policy.issuers, ["https://id.example/"]);
    assert_eq!(policy.audiences, ["sidestream", "other"]);
    assert_eq!((policy.leeway.as_secs(), policy.expiry), (60, Expiry::Optional));
    let required: Vec<_> = policy.required.iter().map(|r| (r.claim.as_str(), r.values.clone())).collect();
    assert_eq!(
        required,
        [
            ("email", vec![json!("push@project.example")]),
            ("email_verified", vec![json!(true)]),
            ("n", vec![json!(1), json!(2)]),
        ]
    );
    assert_eq!(checker.remote().unwrap().url().whole(), URL);
    assert_eq!(checker.check(token("p256", "ES256"), NOW), Err(TokenError::Required("n".into())));
    assert_eq!(checker.check(token("rsa", "RS256"), NOW), Err(TokenError::NoKeys));
}

#[test]
fn defaults() {
    let checker = good("{ algorithms: [RS256], keys: [ { pem: { file: rsa.pem } } ] }");
    let policy = checker.policy();
    assert_eq!((policy.leeway.as_secs(), policy.expiry), (30, Expiry::Required));
    assert!(policy.issuers.is_empty() && policy.audiences.is_empty() && policy.required.is_empty());
    assert!(checker.remote().is_none() && checker.ready());
    assert_eq!(checker.check(token("rsa", "RS256"), NOW), Err(TokenError::Audience));
}

#[test]
fn keys_of_each_kind() {
    for (algorithm, keys, kid) in [
        ("RS256", "pem: { file: rsa.pem }", "rsa"),
        ("PS384", "pem: { file: rsa.crt }, kid: rsa", "rsa"),
        ("RS512", "pem: { file: rsa-pkcs1.pem }", "rsa"),
        ("ES384", "jwks: { file: jwks.json }", "p384"),
        ("EdDSA", "jwks: { file: jwks.json }", "ed25519"),
        ("HS512", "secret: { env: SECRET }", "secret"),
        ("HS256", "secret: { env: SECRET }, kid: secret", "secret"),
    ] {
        let checker =
            good(&format!("{{ algorithms: [{algorithm}], audience: sidestream, keys: [ {{ {keys} }} ] }}"));
        assert!(checker.check(token(kid, algorithm), NOW).is_ok(), "{keys}");
    }
    let set = "{ algorithms: [HS256], audience: sidestream, keys: [ { jwks: { env: SET } } ] }";
    let checker = warned(set, "jwt.keys[0].jwks: keys[1] of the set is passed over: its kty");
    assert!(checker.check(token("secret", "HS256"), NOW).is_ok());
    let literal = format!("{{ algorithms: [HS256], keys: [ {{ secret: '{SECRET}' }} ] }}");
    warned(&literal, "jwt.keys[0].secret: a secret in the file itself");
}

#[test]
fn keys_that_are_wrong_are_named() {
    let with = |algorithms: &str, key: &str| format!("{{ algorithms: [{algorithms}], keys: [ {key} ] }}");
    bad(&with("RS256", "{ pem: { file: missing.pem } }"), "jwt.keys[0].pem: ");
    bad(&with("RS256", "{ pem: hush }"), "jwt.keys[0].pem: not in PEM form");
    bad(&with("RS256", "{ pem: { file: ../../proxy/tls/key.pem } }"), "jwt.keys[0].pem: a private key");
    bad(&with("RS256", "{ pem: { file: rsa-short.pem } }"), "jwt.keys[0].pem: an RSA key of 1024 bits");
    bad(&with("ES256", "{ pem: { file: rsa.pem } }"), "no key in it is for any of the algorithms (ES256)");
    bad(&with("HS256", "{ jwks: { file: jwks.json } }"), "jwt.keys[0].jwks: no key in it is for any");
    bad(&with("RS256", "{ jwks: { env: TINY } }"), "jwt.keys[0].jwks: no JSON object");
    bad(&with("RS256", "{ jwks: { file: jwks.json }, kid: a }"), "jwt.keys[0].kid: the keys of a set");
    bad(&with("HS256", "{ secret: { env: UNSET } }"), "jwt.keys[0].secret: the environment variable UNSET");
    bad(&with("HS256", "{ secret: { env: TINY } }"), "a secret of 4 bytes; HS256 needs at least 32");
    bad(&with("HS512", "{ secret: { env: SHORT } }"), "a secret of 40 bytes; HS512 needs at least 64");
    bad(&with("RS256", "{ secret: { env: SECRET } }"), "no key in it is for any of the algorithms (RS256)");
    bad(&with("RS256", "{}"), "jwt.keys[0]: expected exactly one of pem, jwks and secret");
    bad(
        &with("RS256", "{ pem: { file: rsa.pem }, secret: { env: SECRET } }"),
        "exactly one of pem, jwks and",
    );
    let two = with("RS256", "{ pem: { file: rsa.pem } }, { kid: a }");
    bad(&two, "jwt.keys[1]: expected exactly one of pem, jwks and secret");
}

#[test]
fn what_does_not_go_together() {
    bad("{ algorithms: [RS256] }", "no keys; expected keys, or a jwks_url");
    let two = "{ algorithms: [HS256, HS512], keys: [ { secret: { env: SHORT } } ] }";
    warned(two, "jwt.algorithms[1]: no key is for HS512");
    let url = |url: &str, more: &str| format!("{{ algorithms: [RS256], jwks_url: '{url}' {more} }}");
    good(&url(URL, ", issuer: a"));
    good(&url(URL, ", audience: a"));
    warned(&url(URL, ""), "jwt: neither issuer nor audience nor claims");
    good(&url("http://127.0.0.1:9/", ", issuer: a"));
    good(&url("http://localhost/", ", issuer: a"));
    warned(&url("http://id.example/", ", issuer: a"), "jwt.jwks_url: without TLS");
    let hmac = format!("{{ algorithms: [RS256, HS256], jwks_url: '{URL}', issuer: a }}");
    warned(&hmac, "jwt.algorithms[1]: no key is for HS256");
    bad(&url(URL, ", issuer: a, leeway: 11m"), "jwt.leeway: expected 0s to 10m");
    for odd in ["null", "[]", "{ a: b }", "[[a]]", "[a, null]"] {
        bad(&url(URL, &format!(", claims: {{ a.b: {odd} }}")), "jwt.claims.\"a.b\": expected a text");
    }
}

#[test]
fn what_the_schema_refuses() {
    for wrong in [
        "{ algorithms: [] }",
        "{}",
        "{ algorithms: [none] }",
        "{ algorithms: [rs256] }",
        "{ algorithms: RS256 }",
        "{ algorithms: [RS256], jwks_url: id.example }",
        "{ algorithms: [RS256], jwks_url: 'https://u:p@id.example/' }",
        "{ algorithms: [RS256], keys: [ { pem: 7 } ] }",
        "{ algorithms: [RS256], keys: [ { der: a } ] }",
        "{ algorithms: [RS256], issuer: '' }",
        "{ algorithms: [RS256], audience: [] }",
        "{ algorithms: [RS256], audience: [7] }",
        "{ algorithms: [RS256], audience: [''] }",
        "{ algorithms: [RS256], claims: [a] }",
        "{ algorithms: [RS256], leeway: 30 }",
        "{ algorithms: [RS256], topics: a }",
    ] {
        assert!(!accepted(wrong), "{wrong}");
    }
}

/// As a source writes it.
#[test]
fn below_verify() {
    use crate::config::section::verify;
    let text = "{ jwt: { algorithms: [RS256], jwks_url: 'https://id.example/', audience: sidestream, keys: \
                [ { pem: { file: rsa.pem } }, { jwks: { file: jwks.json } }, { secret: { env: SECRET } } ] } }";
    let raw: verify::Raw = serde_json::from_value(yaml::parse(text).unwrap()).unwrap();
    let variable = |_: &str| Some(OsString::from(SECRET));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jwt");
    let environment = Environment { variable: &variable, folder: &folder };
    assert_eq!(raw.secret_files(&environment), [folder.join("rsa.pem"), folder.join("jwks.json")]);
    let secrets = raw.secrets("v", &environment);
    let keys: Vec<_> = secrets.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["v.jwt.keys[0].pem", "v.jwt.keys[1].jwks", "v.jwt.keys[2].secret"]);
    assert!(secrets[2].1.matches(SECRET.as_bytes()));
    assert!(!serde_json::to_string(&raw).unwrap().contains("a secret"));

    let Reading::Whole(marks, _) = Marks::read("v: {}") else { panic!() };
    let mut check = Check::new("t.yaml", "", &marks);
    let scheme = raw.build("v", &mut check, &environment, &crate::verify::Registry::default());
    assert!(scheme.is_none(), "a secret is for none of the algorithms");
    assert!(check.problems[0].to_string().contains("v.jwt.keys[2].secret: no key in it"));
    let text = text.replace("[RS256]", "[RS256, HS256]");
    let raw: verify::Raw = serde_json::from_value(yaml::parse(&text).unwrap()).unwrap();
    let mut check = Check::new("t.yaml", "", &marks);
    let scheme = raw.build("v", &mut check, &environment, &crate::verify::Registry::default()).unwrap();
    assert_eq!((scheme.name(), scheme.remote().unwrap().url().host()), ("jwt", "id.example"));
}
