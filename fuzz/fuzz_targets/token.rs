//! Nobody's token is believed who does not know the secret; and of whatever is signed nothing is granted but what its
//! claims list, pattern by pattern, and what templates come to. What stands before a NUL is taken as a token, the rest as
//! claims that are signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sidestream::auth::{MAX_TOPICS, Template, Tokens};
use sidestream::event::Millis;
use sidestream::jwt::{Algorithm, Checker, Jwks, Keys, Origin, Policy};
use sidestream::secret::Secret;

const NOW: Millis = Millis(1_700_000_000_000);
const JWKS: &str = include_str!("../../tests/data/jwt/jwks.json");
const ALLOW: [&str; 3] = ["users.{sub}.**", "t.{tenant}", "news"];

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let mut keys = Keys::secret(
        &Secret::new(*b"a secret of 64 bytes that is in no corpus, not even by accident."),
        None,
    );
    keys.append(Jwks::parse(JWKS.as_bytes(), Origin::File).expect("a set").keys);
    let policy = Policy { expiry: sidestream::jwt::Expiry::Optional, ..Policy::new(Algorithm::ALL.into()) };
    let allow = ALLOW.iter().map(|text| Template::parse(text).expect("a template")).collect();
    Tokens::new(Checker::new(policy, keys, None), "topics", allow)
});

fuzz_target!(|text: &str| {
    let (token, claims) = text.split_once('\0').unwrap_or((text, text));
    let why = TOKENS.read(token, NOW).expect_err("nobody knows the secret");
    assert!(why.to_string().len() < 512 && !why.reason().is_empty());

    let Ok(Value::Object(claims)) = serde_json::from_str(claims) else { return };
    let Some(token) = TOKENS.checker().sign(&claims) else { return };
    let Ok(bearer) = TOKENS.read(&token, NOW) else { return };
    let listed: Vec<&str> = match claims.get("topics") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().map(|text| text.as_str().expect("a text")).collect(),
        Some(other) => panic!("{other} lists nothing"),
    };
    assert!(listed.len() <= MAX_TOPICS);
    let allowed: Vec<&str> = bearer.allowed.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!(allowed[..listed.len()], listed);
    for added in &allowed[listed.len()..] {
        let shaped = |before: &str, after: &str| {
            let value = added.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            value.is_some_and(|value| !value.is_empty() && !value.contains(['.', '*']))
        };
        assert!(shaped("users.", ".**") || shaped("t.", "") || *added == "news", "{added}");
    }
});
