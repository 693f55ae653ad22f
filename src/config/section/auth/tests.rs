//! What can be written, and what is said of what can't. The schema's part is in `tests/config`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::auth::{Access, Auth, Denied};
use crate::config::check::Check;
use crate::config::marks::{Marks, Reading};
use crate::config::section::Root;
use crate::config::written::Environment;
use crate::config::{schema, yaml};
use crate::event::{Millis, Pattern, Selector};
use crate::ingress::Registry;

const SECRET: &str = "a secret of 64 bytes, which is what an HS512 signature asks for!";
const JWT: &str = "jwt: { algorithms: [HS256], keys: [ { secret: { env: SECRET } } ] }";
const FORWARD: &str = "forward: { url: 'http://127.0.0.1:3000/may-listen' }";

/// What a file comes to, with its problems and its warnings, each as `key: message`.
fn read(text: &str) -> (Auth, Vec<String>, Vec<String>) {
    let Reading::Whole(marks, refusals) = Marks::read(text) else { panic!("{text}") };
    assert!(refusals.is_empty(), "{text}");
    let mut tree = yaml::parse(text).unwrap();
    schema::drop_empty(&mut tree);
    let misses: Vec<_> =
        schema::validate(&mut tree).iter().map(|miss| format!("{}: {}", miss.path, miss.message)).collect();
    assert_eq!(misses, [""; 0], "{text}");
    let root: Root = serde_json::from_value(tree).unwrap();
    let variable = |name: &str| (name == "SECRET").then(|| OsString::from(SECRET));
    let environment = Environment { variable: &variable, folder: Path::new(".") };
    let mut check = Check::new("t.yaml", &marks);
    let config = root.build(&mut check, &environment, &Registry::default());
    let lines = |problems: &[crate::config::Problem]| {
        problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
    };
    ((*config.edge.access).clone(), lines(&check.problems), lines(&check.warnings))
}

#[track_caller]
fn good(text: &str) -> Auth {
    let (auth, problems, warnings) = read(text);
    assert_eq!((problems, warnings), (Vec::new(), Vec::new()), "{text}");
    auth
}

#[track_caller]
fn bad(text: &str, want: &str) {
    let (_, problems, _) = read(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    assert!(problems[0].starts_with(want), "{text}: {problems:?}");
}

#[track_caller]
fn warned(text: &str, want: &str) {
    let (_, problems, warnings) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
    assert!(warnings[0].starts_with(want), "{text}: {warnings:?}");
}

fn misses(text: &str) -> Vec<String> {
    let mut tree = yaml::parse(text).unwrap();
    schema::drop_empty(&mut tree);
    schema::validate(&mut tree).into_iter().map(|miss| format!("{}: {}", miss.path, miss.message)).collect()
}

#[test]
fn the_default_by_what_there_is() {
    assert!(good("").is_open());
    assert!(good("auth:\n").is_open(), "a section without content is none");
    for (text, want) in [
        (format!("auth: {{ {JWT} }}"), Access::Jwt),
        (format!("auth: {{ {FORWARD} }}"), Access::Forward),
        (
            format!("topics: [ {{ name: a, match: a, access: forward }} ]\nauth: {{ {JWT}, {FORWARD} }}"),
            Access::Jwt,
        ),
        ("topics: [ { name: a, match: a, access: deny } ]".to_owned(), Access::Public),
    ] {
        assert_eq!(good(&text).rules.default_access(), want, "{text}");
    }
}

#[test]
fn everything() {
    let auth = good(
        "auth:\n  jwt: { algorithms: [HS256], keys: [ { secret: { env: SECRET } } ], issuer: a, topics_claim: \
         'https://id.example/topics', allow: ['users.{sub}.**', news] }\n  cookie: __Host-session\n  forward: { url: \
         'unix:/run/app.sock:/may-listen', timeout: 5s, cache: 10s }\ntopics:\n  - { name: p, match: 'p.**', access: \
         public }\n  - { name: a, match: 'a.**', access: forward }\n  - { name: h, match: 'h.**', history: { events: 1 } }\n  \
         - { name: d, match: 'd.**', access: deny }\nedge: { limits: { per_subject: 5 } }\n",
    );
    let tokens = auth.tokens.as_ref().unwrap();
    assert_eq!(tokens.claim(), "https://id.example/topics");
    let Value::Object(claims) =
        json!({ "iss": "a", "sub": "4.2", "exp": 2_000_000_000, "https://id.example/topics": "x" })
    else {
        panic!()
    };
    let token = tokens.checker().sign(&claims).unwrap();
    let bearer = tokens.read(&token, Millis(1_900_000_000_000)).unwrap();
    let allowed: Vec<_> = bearer.allowed.iter().map(Pattern::as_str).collect();
    assert_eq!(allowed, ["x", "users.4~2E2.**", "news"]);
    assert_eq!(auth.cookie.as_deref(), Some("__Host-session"));
    let forward = auth.forward.unwrap();
    assert_eq!(forward.url, "unix:/run/app.sock:/may-listen".parse().unwrap());
    assert_eq!((forward.timeout, forward.cache), (Duration::from_secs(5), Some(Duration::from_secs(10))));
    for (text, want) in [
        ("p.a", Ok(())),
        ("a.a", Err(Denied::App)),
        ("h.a", Err(Denied::NoToken)),
        ("d.a", Err(Denied::Rule)),
        ("x", Err(Denied::NoToken)),
    ] {
        let wanted = Selector::of(vec![Pattern::parse(text).unwrap()]);
        assert_eq!(auth.rules.judge(&wanted, None, None), want, "{text}");
    }
}

#[test]
fn defaults_of_the_keys() {
    let auth =
        good(&format!("auth: {{ {JWT}, {FORWARD} }}\ntopics: [ {{ name: a, match: a, access: forward }} ]"));
    assert_eq!(auth.tokens.unwrap().claim(), "topics");
    assert_eq!(auth.cookie, None);
    let forward = auth.forward.unwrap();
    assert_eq!((forward.timeout, forward.cache), (Duration::from_secs(2), None));
}

#[test]
fn what_does_not_go_together() {
    let rule = |access: &str| format!("topics: [ {{ name: a, match: a, access: {access} }} ]\n");
    bad(&rule("jwt"), "topics[0].access: nothing says which tokens are good");
    bad(&(rule("jwt") + &format!("auth: {{ {FORWARD} }}")), "topics[0].access: nothing says which tokens");
    bad(&rule("forward"), "topics[0].access: nothing says where the app is asked");
    bad(&(rule("forward") + &format!("auth: {{ {JWT} }}")), "topics[0].access: nothing says where the app");
    bad("auth: {}", "auth: nobody could listen to anything");
    bad("auth: { cookie: a }", "auth.cookie: nothing says which tokens in it");
    bad(&format!("auth: {{ cookie: a, {FORWARD} }}"), "auth.cookie: nothing says which tokens in it");
    bad("auth: { jwt: { algorithms: [HS256] } }", "auth.jwt: no keys");
    let forward = |more: &str| format!("auth: {{ forward: {{ url: 'http://a/', {more} }} }}");
    bad(&forward("timeout: 5ms"), "auth.forward.timeout: expected 10ms to 1m");
    bad(&forward("timeout: 2m"), "auth.forward.timeout: expected 10ms to 1m");
    bad(&forward("cache: 50ms"), "auth.forward.cache: expected 100ms to 1h");
    bad(&forward("cache: 2h"), "auth.forward.cache: expected 100ms to 1h");
    good(&forward("cache: off"));
}

#[test]
fn what_deserves_a_word() {
    warned(&format!("auth: {{ {JWT}, {FORWARD} }}"), "auth.forward: the app is never asked");
    warned(
        "edge: { limits: { per_subject: 1 } }",
        "edge.limits.per_subject: never reached: without auth.jwt",
    );
    let rules = |first: &str, second: &str| {
        format!("topics:\n  - {{ name: a, {first} }}\n  - {{ name: b, {second} }}\n")
    };
    warned(
        &rules("match: 'a.**'", "match: 'a.*'"),
        "topics[1].match: never reached: topics[0] matches all of it",
    );
    warned(&rules("match: a", "match: a"), "topics[1].match: never reached: topics[0] matches the same");
    warned(
        &rules("match: 'a.*'", "match: '*.b', access: deny"),
        "topics[0]: everybody may listen to what it",
    );
    good(&rules("match: 'a.*'", "match: '*.b', access: public"));
    good(&rules("match: 'a.*'", "match: 'b.*', access: deny"));
    good(&rules("match: 'a.*', access: public", "match: '*.b', access: deny"));
}

#[test]
fn what_the_schema_refuses() {
    for (text, want) in [
        ("auth: { jwt: { algorithms: [HS256], audiences: a } }", "auth.jwt.audiences: unknown key"),
        (
            "auth: { jwt: { algorithms: [HS256], topics_claim: exp } }",
            "auth.jwt.topics_claim: exp means something",
        ),
        (
            "auth: { jwt: { algorithms: [HS256], topics_claim: '' } }",
            "auth.jwt.topics_claim: expected the name of",
        ),
        ("auth: { jwt: { algorithms: [HS256], allow: ['${sub}'] } }", "auth.jwt.allow[0]: ${…} is for"),
        (
            "auth: { jwt: { algorithms: [HS256], allow: ['a.{sub'] } }",
            "auth.jwt.allow[0]: { and } don't pair",
        ),
        (
            "auth: { jwt: { algorithms: [HS256], allow: ['{a}{b}'] } }",
            "auth.jwt.allow[0]: two claims in one token",
        ),
        ("auth: { jwt: { algorithms: [HS256], allow: 'a' } }", "auth.jwt.allow: expected"),
        ("auth: { jwt: { algorithms: [none] } }", "auth.jwt.algorithms[0]: a token that is not signed"),
        ("auth: { jwt: {} }", "auth.jwt.algorithms: missing; expected a list of algorithms"),
        ("auth: { cookie: 'a b' }", "auth.cookie: expected a cookie's name"),
        ("auth: { cookie: 7 }", "auth.cookie: expected a cookie's name"),
        ("auth: { forward: {} }", "auth.forward.url: missing; expected a URL such as"),
        ("auth: { forward: { url: 'a/b' } }", "auth.forward.url: expected a URL such as"),
        ("auth: { forward: { url: 'http://u:p@a/' } }", "auth.forward.url: expected no user or password"),
        ("auth: { basic: {} }", "auth.basic: unknown key"),
        ("topics: [ { name: a, match: a, access: private } ]", "topics[0].access: expected"),
        ("topics: [ { name: a, match: a, access: [jwt] } ]", "topics[0].access: expected"),
    ] {
        let misses = misses(text);
        assert_eq!(misses.len(), 1, "{text}: {misses:?}");
        assert!(misses[0].starts_with(want), "{text}: {misses:?}");
    }
}

#[test]
fn secrets_are_watched_and_not_shown() {
    let text =
        "{ jwt: { algorithms: [HS256], keys: [ { secret: { env: SECRET } }, { secret: { file: s } } ] } }";
    let raw: Raw = serde_json::from_value(yaml::parse(text).unwrap()).unwrap();
    let variable = |_: &str| Some(OsString::from(SECRET));
    let environment = Environment { variable: &variable, folder: Path::new("/f") };
    assert_eq!(secret_files(Some(&raw), &environment), [Path::new("/f/s")]);
    let secrets = secrets(Some(&raw), &environment);
    let [(key, secret)] = secrets.as_slice() else { panic!("{secrets:?}") };
    assert_eq!(key, "auth.jwt.keys[0].secret");
    assert!(secret.matches(SECRET.as_bytes()));
    assert!(!serde_json::to_string(&raw).unwrap().contains("a secret of"));
}
