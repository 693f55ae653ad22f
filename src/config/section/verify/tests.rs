//! What can be written, and what is said of what can't.

use std::ffi::OsString;
use std::path::Path;

use http::{HeaderMap, Method};

use super::*;
use crate::config::marks::{Marks, Reading};
use crate::config::yaml;
use crate::event::Millis;
use crate::verify::credential::Credential;
use crate::verify::{Facts, Freshness, Request, Verified, preset};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The scheme with the warnings, or the problems, of a file that is `verify: <text>`.
fn read_with(text: &str, registry: &Registry) -> Result<(Scheme, Vec<String>), Vec<String>> {
    let file = format!("verify: {text}\n");
    let Reading::Whole(marks, refusals) = Marks::read(&file) else { panic!("{file}") };
    assert!(refusals.is_empty(), "{file}");
    let raw: Raw = serde_json::from_value(yaml::parse(&file).unwrap()["verify"].take()).unwrap();
    let variable = |name: &str| match name {
        "WHSEC" => Some(OsString::from(WHSEC)),
        "TEXT" => Some(OsString::from("hush hush")),
        _ => None,
    };
    let environment = Environment { variable: &variable, folder: Path::new("/nowhere") };
    let mut check = Check::new("t.yaml", "", &marks);
    let scheme = raw.build("verify", &mut check, &environment, registry);
    let lines = |problems: &[crate::config::Problem]| problems.iter().map(ToString::to_string).collect();
    match scheme {
        Some(scheme) if check.problems.is_empty() => Ok((scheme, lines(&check.warnings))),
        _ => {
            assert!(!check.problems.is_empty(), "nothing came of it, and nothing was said: {file}");
            Err(lines(&check.problems))
        }
    }
}

fn read(text: &str) -> Result<(Scheme, Vec<String>), Vec<String>> {
    read_with(text, &Registry::default())
}

#[track_caller]
fn good(text: &str) -> Scheme {
    assert!(accepted(text), "{text}");
    let (scheme, warnings) = read(text).unwrap();
    assert_eq!(warnings, [""; 0], "{text}");
    scheme
}

#[track_caller]
fn bad(text: &str, want: &str) {
    let problems = read(text).unwrap_err();
    assert!(problems.iter().any(|problem| problem.ends_with(want)), "{text}: {problems:?}");
    assert!(!format!("{problems:?}").contains("hush"), "{problems:?}");
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

/// Every verifier in the form in which the documents write it, and what it comes to.
#[test]
fn every_verifier() {
    let hour = Freshness::Signed(std::time::Duration::from_hours(1));
    let usual = Freshness::Signed(crate::verify::limits::TOLERANCE);
    let whsec = "secrets: [ { env: WHSEC } ]";
    let text = "secrets: [ { env: TEXT }, { env: WHSEC } ]";
    let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let none = Freshness::Unsigned;
    for (written, name, freshness) in [
        ("none".into(), "none", none),
        (format!("{{ standard: {{ {whsec} }} }}"), "standard", usual),
        (format!("{{ standard: {{ {whsec}, tolerance: 1h }} }}"), "standard", hour),
        (format!("{{ svix: {{ {whsec} }} }}"), "svix", usual),
        (format!("{{ github: {{ {text} }} }}"), "github", none),
        (format!("{{ gitea: {{ {text} }} }}"), "gitea", none),
        (format!("{{ forgejo: {{ {text} }} }}"), "forgejo", none),
        (format!("{{ gitlab: {{ signed: {{ {whsec} }} }} }}"), "gitlab", usual),
        (format!("{{ gitlab: {{ token: {{ {text} }} }} }}"), "gitlab", none),
        (format!("{{ stripe: {{ {text} }} }}"), "stripe", usual),
        (format!("{{ slack: {{ {text} }} }}"), "slack", usual),
        (format!("{{ shopify: {{ {text} }} }}"), "shopify", none),
        (format!("{{ twilio: {{ {text}, public_url: \"https://a.example/x\" }} }}"), "twilio", none),
        (format!("{{ discord: {{ public_keys: [ {key} ] }} }}"), "discord", usual),
        (format!("{{ meta: {{ {text} }} }}"), "meta", none),
        (format!("{{ websub: {{ {text} }} }}"), "websub", none),
        (format!("{{ websub: {{ {text}, algorithms: [sha256, sha512] }} }}"), "websub", none),
        (format!("{{ grafana: {{ {text} }} }}"), "grafana", none),
        (format!("{{ grafana: {{ {text}, header: X-Mine, timestamp_header: X-Time }} }}"), "grafana", usual),
        (format!("{{ hmac: {{ {text}, header: X-Mine }} }}"), "hmac", none),
        (format!("{{ bearer: {{ {text} }} }}"), "bearer", none),
        ("{ basic: { user: u, passwords: [ { env: TEXT } ] } }".into(), "basic", none),
        (format!("{{ header: {{ name: X-Key, {text} }} }}"), "header", none),
        (format!("{{ query: {{ parameter: key, {text} }} }}"), "query", none),
    ] {
        let scheme = good(&written);
        assert_eq!((scheme.name(), scheme.facts().freshness), (name, freshness), "{written}");
        assert!(preset::NAMES.contains(&name));
        assert_eq!(scheme.is_none(), name == "none");
        let (headers, body) = (HeaderMap::new(), b"{}");
        let mut request = Request {
            method: &Method::POST,
            target: "/x",
            headers: &headers,
            body,
            received: Millis(1 << 40),
        };
        if ["twilio", "discord", "query"].contains(&name) {
            continue;
        }
        let headers = scheme.sign(&request).unwrap().into_iter().collect();
        request.headers = &headers;
        let secret = (name != "none").then_some(0);
        assert_eq!(scheme.verify(&request), Ok(Verified { secret }), "{written}");
    }
}

#[test]
fn every_parameter_of_hmac() {
    let scheme = good(
        "{ hmac: { secrets: [ { env: WHSEC } ], header: X-Mine, algorithm: sha512, encoding: base64, key: whsec, \
         prefix: \"v1=\", separator: \",\", signed: \"{timestamp}.{method}.{body}\", \
         timestamp: { item: \"t=\", unit: milliseconds }, tolerance: 10s } }",
    );
    let headers = HeaderMap::new();
    let request = Request {
        method: &Method::POST,
        target: "/x",
        headers: &headers,
        body: b"{}",
        received: Millis(1_700_000_000_000),
    };
    let signed = scheme.sign(&request).unwrap();
    // printf '1700000000000.POST.{}' | openssl dgst -sha512 -mac hmac -macopt hexkey:31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0 -binary | base64
    let want = "y/pF+q5fk8Dle6gbHQQJmcLRi26ME8+XIR4Xy7oF+Z6YuBjARuqpe0Lci1tjVLQGZBOqj4pBYgaX471LQVzYJQ==";
    assert_eq!(signed, [("x-mine".parse().unwrap(), format!("t=1700000000000,v1={want}").parse().unwrap())]);
    good(
        "{ hmac: { secrets: [ { env: TEXT } ], header: a, timestamp: { header: b }, signed: \"{timestamp}:{body}\" } }",
    );
    for (text, want) in [
        (
            "signed: \"{timestamp}.{body}\"",
            "verify.hmac.signed: a timestamp is to be signed, once, and to be found somewhere",
        ),
        (
            "timestamp: { header: b }",
            "verify.hmac.signed: a timestamp is to be signed, once, and to be found somewhere",
        ),
        ("signed: \"x\"", "verify.hmac.signed: the body is to be signed, once"),
        (
            "signed: \"{header:x}{body}\"",
            "verify.hmac.signed: between two values that are signed there is to be a text that can't be part of them",
        ),
        (
            "signed: \"{timestamp}.{body}\", timestamp: { item: \"t=\" }",
            "verify.hmac.signed: a timestamp beside the signature takes something between the two",
        ),
        (
            "signed: \"{timestamp}.{body}\", timestamp: { item: \"t=\", header: b }",
            "verify.hmac.timestamp: expected either header or item",
        ),
        (
            "signed: \"{timestamp}.{body}\", timestamp: {}",
            "verify.hmac.timestamp: expected either header or item",
        ),
        ("key: hex", "verify.hmac.secrets[0]: expected hexadecimal digits, two for each byte"),
        ("key: base64", "verify.hmac.secrets[0]: expected base64 with its padding"),
        (
            "tolerance: 2d",
            "verify.hmac.tolerance: expected 1s to 1d (less refuses honest senders, more lets captured requests be sent \
             again for long); got 2d",
        ),
    ] {
        bad(&format!("{{ hmac: {{ secrets: [ {{ env: TEXT }} ], header: a, {text} }} }}"), want);
    }
}

#[test]
fn secrets_that_are_none() {
    for (text, want) in [
        (
            "{ github: { secrets: [ { env: UNSET } ] } }",
            "verify.github.secrets[0]: the environment variable UNSET is not set",
        ),
        (
            "{ github: { secrets: [ { env: TEXT }, { file: gone } ] } }",
            "verify.github.secrets[1]: /nowhere/gone: No such file or directory (os error 2)",
        ),
        (
            "{ standard: { secrets: [ { env: WHSEC }, { env: TEXT } ] } }",
            "verify.standard.secrets[1]: expected whsec_ and base64 with its padding",
        ),
        (
            "{ gitlab: { signed: { secrets: [ { env: TEXT } ] } } }",
            "verify.gitlab.signed.secrets[0]: expected whsec_ and base64 with its padding",
        ),
        (
            "{ discord: { public_keys: [ abcd ] } }",
            "verify.discord.public_keys[0]: expected an Ed25519 public key of 32 bytes",
        ),
        (
            "{ standard: { secrets: [ whpk_aHVzaA== ] } }",
            "verify.standard.secrets[0]: expected an Ed25519 public key of 32 bytes",
        ),
        (
            "{ bearer: { secrets: [ { env: WHSEC }, \"hush\\n\" ] } }",
            "verify.bearer.secrets[1]: it holds what no header field can hold",
        ),
        (
            "{ basic: { user: \"a:b\", passwords: [ { env: TEXT } ] } }",
            "verify.basic.user: the user's name holds a colon, which would end it",
        ),
        (
            "{ twilio: { secrets: [ { env: TEXT } ], public_url: a.example } }",
            "verify.twilio.public_url: expected a URL such as https://hooks.example/webhooks/twilio, with a path and \
             without user, query and fragment",
        ),
        (
            "{ slack: { secrets: [ { env: TEXT } ], tolerance: 0s } }",
            "verify.slack.tolerance: expected 1s to 1d (less refuses honest senders, more lets captured requests be sent \
             again for long); got 0s",
        ),
    ] {
        bad(text, want);
    }
}

#[test]
fn literals_and_short_keys_deserve_a_word() {
    let warnings = |text: &str| read(text).unwrap().1;
    let literal = warnings("{ github: { secrets: [ { env: TEXT }, hush ] } }");
    assert_eq!(literal.len(), 1);
    assert!(literal[0].contains("verify.github.secrets[1]: a secret in the file itself"), "{literal:?}");
    let short = warnings("{ svix: { secrets: [ whsec_aGk= ] } }");
    assert!(short.iter().any(|warning| warning.contains("a key of less than 24 bytes")), "{short:?}");
    // A public key is none.
    let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    assert_eq!(warnings(&format!("{{ standard: {{ secrets: [ {public} ] }} }}")), [""; 0]);
}

#[test]
fn what_the_schema_refuses() {
    let secrets = "secrets: [ { env: TEXT } ]";
    for text in [
        "~",
        "github",
        "None",
        "{}",
        "[]",
        "{ github: {} }",
        "{ github: { secrets: [] } }",
        "{ github: { secrets: hush } }",
        "{ github: { secrets: [ '' ] } }",
        "{ github: { secrets: [ 5 ] } }",
        "{ github: { secret: hush } }",
        "{ gitlab: { secrets: [ hush ] } }",
        "{ gitlab: {} }",
        "{ bearer: { secrets: [ { env: A, file: B } ] } }",
    ] {
        assert!(!accepted(text), "{text}");
    }
    for text in [
        format!("{{ github: {{ {secrets} }}, gitea: {{ {secrets} }} }}"),
        format!("{{ github: {{ {secrets}, tolerance: 5m }} }}"),
        format!("{{ gitlab: {{ signed: {{ {secrets} }}, token: {{ {secrets} }} }} }}"),
        format!("{{ header: {{ {secrets} }} }}"),
        format!("{{ header: {{ name: \"a b\", {secrets} }} }}"),
        format!("{{ twilio: {{ {secrets} }} }}"),
        "{ basic: { passwords: [ hush ] } }".into(),
        format!("{{ websub: {{ {secrets}, algorithms: [] }} }}"),
        format!("{{ websub: {{ {secrets}, algorithms: [md5] }} }}"),
        format!("{{ hmac: {{ {secrets} }} }}"),
        format!("{{ hmac: {{ {secrets}, header: a, separator: x }} }}"),
        format!("{{ hmac: {{ {secrets}, header: a, signed: \"{{bodi}}\" }} }}"),
        format!("{{ standard: {{ secrets: [{}] }} }}", "a,".repeat(17)),
    ] {
        assert!(!accepted(&text), "{text}");
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let build = |settings: &Value| {
        let token = settings["tokens"][0].as_str().ok_or("expected tokens")?;
        let verifier =
            Credential::bearer(vec![Secret::new(token.as_bytes())]).map_err(|why| why.to_string())?;
        Ok(Scheme::new("acme", verifier, Facts::default()))
    };
    registry.add("acme", build).unwrap();
    registry
}

#[test]
fn verifiers_that_a_program_brings_along() {
    bad(
        "{ githb: { secrets: [ hush ] } }",
        &format!(
            "t.yaml:1:11: verify.githb: unknown verifier; did you mean github? there are {}",
            preset::NAMES.join(", ")
        ),
    );
    let read = |text| read_with(text, &registry());
    let (scheme, warnings) = read("{ acme: { tokens: [ { env: TEXT } ] } }").unwrap();
    assert_eq!((scheme.name(), warnings.len()), ("acme", 0));
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer hush hush".parse().unwrap())]);
    let request =
        Request { method: &Method::POST, target: "/x", headers: &headers, body: b"", received: Millis(0) };
    assert!(scheme.verify(&request).is_ok(), "the secret stood in its place");
    for (text, want) in [
        (
            "{ acme: { tokens: [ { env: UNSET } ] } }",
            "verify.acme.tokens[0]: the environment variable UNSET is not set",
        ),
        ("{ acme: 5 }", "verify.acme: expected tokens"),
        ("{ acne: {} }", "did you mean acme? there are "),
    ] {
        let problems = read(text).unwrap_err();
        assert!(problems[0].contains(want), "{problems:?}");
    }
}

#[test]
fn what_is_told_of_it_shows_no_secret() {
    let shown = |text: &str| {
        let raw: Raw = serde_json::from_value(yaml::parse(text).unwrap()).unwrap();
        let environment = Environment { variable: &|_| Some("hush".into()), folder: Path::new("/f") };
        let keys: Vec<_> = raw.secrets("v", &environment).into_iter().map(|(key, _)| key).collect();
        let text = serde_json::to_string(&raw).unwrap();
        assert!(!text.contains("hush") && !format!("{raw:?}").contains("hush"), "{text}");
        (text, keys, raw.secret_files(&environment))
    };
    let (text, keys, files) = shown("{ bearer: { secrets: [ hush, { env: A }, { file: b } ] } }");
    assert_eq!(text, r#"{"bearer":{"secrets":["(secret)","{env: A}","{file: b}"]}}"#);
    assert_eq!(keys, ["v.bearer.secrets[0]", "v.bearer.secrets[1]"]);
    assert_eq!(files, [Path::new("/f/b")]);
    let (text, keys, files) = shown("{ acme: { a: { env: A }, b: [ { file: c } ], c: hush } }");
    assert_eq!(text, r#"{"acme":"(settings)"}"#);
    assert_eq!(keys, ["v.acme.a", "v.acme"]);
    assert_eq!(files, [Path::new("/f/c")]);
    assert_eq!(shown("none"), ("\"none\"".into(), vec![], vec![]));
}

/// A value that is written a level too high may be a secret: no node that could hold one quotes what it got.
#[test]
fn nothing_above_a_secret_is_quoted() {
    fn walk(schema: &Value) -> bool {
        let below = ["properties", "items"].map(|key| &schema[key]);
        let children = below[0].as_object().into_iter().flat_map(|map| map.values()).chain([below[1]]);
        let holds =
            children.map(|child| child.is_object() && walk(child)).fold(false, |any, holds| any | holds);
        let secret = schema[SECRET] == true;
        assert!(secret || !holds, "{schema}");
        secret
    }
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    assert!(walk(&Value::from(settings.into_generator().into_root_schema_for::<Raw>())));
}
