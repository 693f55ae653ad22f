//! The judgement by table and against a model, templates, tokens and grants.

mod grants;
mod judgement;
mod model;
mod templates;
mod tokens;

use serde_json::{Map, Value, json};

use super::*;
use crate::event::{Millis, Pattern, Selector};
use crate::jwt::{Algorithm, Checker, Keys, Policy, sign};
use crate::secret::Secret;

const SECRET: &[u8] = b"a secret of 32 bytes, or of more";

/// When the tokens of these tests begin, and in between.
const BEGIN: u64 = 1_700_000_000;
const END: u64 = BEGIN + 3600;
const NOW: Millis = Millis((BEGIN + 60) * 1000);

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| pattern(text)).collect()
}

fn wanted(texts: &[&str]) -> Selector {
    Selector::of(patterns(texts))
}

fn rules(rules: &[(&str, Access)], default: Access) -> Rules {
    Rules::new(rules.iter().map(|(text, access)| (pattern(text), *access)).collect(), default)
}

fn bearer(allowed: &[&str]) -> Bearer {
    Bearer {
        subject: Some("42".into()),
        token_id: None,
        issued: None,
        expires: None,
        allowed: patterns(allowed).into(),
    }
}

fn word(allowed: Option<&[&str]>) -> AppWord {
    AppWord { allowed: allowed.map(|allowed| patterns(allowed).into()), expires: None }
}

fn checker() -> Checker {
    let keys = Keys::secret(&Secret::new(SECRET), None);
    Checker::new(Policy::new(vec![Algorithm::Hs256]), keys, None)
}

fn tokens(allow: &[&str]) -> Tokens {
    let allow = allow.iter().map(|text| Template::parse(text).unwrap()).collect();
    Tokens::new(checker(), "topics", allow)
}

/// Claims of a token that is good now, and these.
fn claims(more: &Value) -> Map<String, Value> {
    let Value::Object(mut claims) = json!({ "iat": BEGIN, "exp": END }) else { panic!() };
    claims.extend(more.as_object().unwrap().clone());
    claims
}

/// A token that says these, and that it is good now.
fn token(more: &Value) -> String {
    sign(Algorithm::Hs256, &Secret::new(SECRET), None, &claims(more)).unwrap()
}
