//! What it costs to know whether somebody may listen: reading a token, by how it is signed, and the judgement.
//!
//! `cargo bench --bench auth`. A subscribe with a token is measured whole by `load`; here is what of it is the token's.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sidestream::auth::{Access, Bearer, Rules, Template, Tokens};
use sidestream::event::{Millis, Pattern, Selector};
use sidestream::jwt::{Algorithm, Checker, Jwks, Keys, Origin, Policy};
use sidestream::secret::Secret;

/// Signed by `PyJWT`; `tests/data/jwt/make.py` says how.
const TOKENS: &str = include_str!("../tests/data/jwt/tokens.txt");
const JWKS: &str = include_str!("../tests/data/jwt/jwks.json");
const SECRET: &[u8] = b"a secret of 64 bytes, which is what an HS512 signature asks for!";
/// While the tokens are good.
const NOW: Millis = Millis(1_700_000_060_000);

fn tokens() -> Tokens {
    let mut keys = Keys::secret(&Secret::new(SECRET), None);
    keys.append(Jwks::parse(JWKS.as_bytes(), Origin::File).expect("a set").keys);
    let policy = Policy { audiences: vec!["sidestream".into()], ..Policy::new(Algorithm::ALL.into()) };
    let allow = vec![Template::parse("users.{sub}.**").expect("a template")];
    Tokens::new(Checker::new(policy, keys, None), "topics", allow)
}

fn token(algorithm: &str) -> &'static str {
    let of = |line: &&str| line.split(' ').nth(1) == Some(algorithm);
    TOKENS.lines().find(of).and_then(|line| line.rsplit(' ').next()).expect("a token signed so")
}

fn reading(c: &mut Criterion) {
    let tokens = tokens();
    let mut group = c.benchmark_group("token");
    for algorithm in ["HS256", "ES256", "RS256", "EdDSA"] {
        let token = token(algorithm);
        group.bench_function(algorithm, |b| {
            b.iter(|| tokens.read(black_box(token), NOW).expect("a good token"));
        });
    }
    group.finish();
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

fn judging(c: &mut Criterion) {
    let bearer = |count: usize| Bearer {
        subject: None,
        token_id: None,
        issued: None,
        expires: None,
        allowed: (1..=count).rev().map(|n| pattern(&format!("orders.{n}.**"))).collect(),
    };
    let rules = |count: usize| {
        let rules = (0..count).map(|n| (pattern(&format!("news.{n}.**")), Access::Public)).collect();
        Rules::new(rules, Access::Jwt)
    };
    let mut group = c.benchmark_group("judgement");
    for (name, rules, bearer, topics) in [
        ("one topic, 3 rules, 2 grants", rules(3), bearer(2), 1),
        ("64 topics, 100 rules, 64 grants", rules(100), bearer(64), 64),
    ] {
        let wanted = Selector::of((1..=topics).map(|n| pattern(&format!("orders.{n}.created"))).collect());
        group.bench_function(name, |b| {
            b.iter(|| rules.judge(black_box(&wanted), Some(&bearer), None).expect("it is granted"));
        });
    }
    group.finish();
}

criterion_group!(benches, reading, judging);
criterion_main!(benches);
