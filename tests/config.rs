//! The configuration files that are part of the repository: defaults, examples, and fixtures that are good or bad.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sidestream::config::{Config, Loaded, Rejected, SCHEMA, Source, load};

fn load_file(path: &Path) -> Result<Loaded, Rejected> {
    load(&Source::File(path.to_owned()))
}

fn load_text(text: &str) -> Result<Loaded, Rejected> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestream.yaml");
    std::fs::write(&path, text).unwrap();
    load_file(&path)
}

/// The YAML files of a folder, of which there is at least one.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

fn defaults() -> String {
    std::fs::read_to_string("config/sidestream.yaml").unwrap()
}

/// The defaults' file with the keys that are off by default switched on: of what is commented out, that is what looks
/// like a key or an item.
fn uncommented() -> String {
    let is_entry = |text: &str| {
        let text = text.trim_start().trim_start_matches("- ");
        text.split_once(':').is_some_and(|(key, rest)| {
            !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let line = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(text) if is_entry(text) => {
            let indent = line.len() - line.trim_start().len();
            format!("{:indent$}{text}\n", "")
        }
        _ => format!("{line}\n"),
    };
    defaults().lines().map(line).collect()
}

#[test]
fn the_defaults_file_says_what_an_empty_file_means() {
    let loaded = load_file(Path::new("config/sidestream.yaml")).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
}

/// What is off by default.
const OFF: [&str; 88] = [
    "admin.token",
    "auth",
    "auth.cookie",
    "auth.forward",
    "auth.forward.cache",
    "auth.forward.timeout",
    "auth.forward.url",
    "auth.jwt",
    "auth.jwt.algorithms",
    "auth.jwt.allow",
    "auth.jwt.audience",
    "auth.jwt.claims",
    "auth.jwt.issuer",
    "auth.jwt.jwks_url",
    "auth.jwt.keys",
    "auth.jwt.keys.jwks",
    "auth.jwt.keys.kid",
    "auth.jwt.keys.pem",
    "auth.jwt.keys.secret",
    "auth.jwt.leeway",
    "auth.jwt.require_exp",
    "auth.jwt.topics_claim",
    "edge.cors",
    "edge.cors.credentials",
    "edge.cors.max_age",
    "edge.cors.origins",
    "edge.upstream",
    "fanout.shards",
    "ingress.rate",
    "ingress.rate.burst",
    "ingress.rate.per_second",
    "ingress.rate_per_ip",
    "ingress.rate_per_ip.burst",
    "ingress.rate_per_ip.per_second",
    "sources",
    "sources.binary",
    "sources.data",
    "sources.dedupe",
    "sources.dedupe.by",
    "sources.dedupe.keys",
    "sources.dedupe.window",
    "sources.each",
    "sources.expose_on_edge",
    "sources.filter",
    "sources.handshake",
    "sources.handshake.event_grid",
    "sources.handshake.event_grid.parameter",
    "sources.handshake.event_grid.secret",
    "sources.handshake.origins",
    "sources.handshake.rate",
    "sources.handshake.topics",
    "sources.handshake.verify_token",
    "sources.id",
    "sources.max_body",
    "sources.max_unpacked",
    "sources.name",
    "sources.on_error",
    "sources.path",
    "sources.rate",
    "sources.rate.burst",
    "sources.rate.per_second",
    "sources.rate_per_ip",
    "sources.rate_per_ip.burst",
    "sources.rate_per_ip.per_second",
    "sources.relay",
    "sources.relay.mode",
    "sources.relay.retries",
    "sources.relay.timeout",
    "sources.relay.url",
    "sources.relay.when",
    "sources.replay_guard",
    "sources.respond",
    "sources.respond.body",
    "sources.respond.deadline",
    "sources.respond.headers",
    "sources.respond.status",
    "sources.steps",
    "sources.topic",
    "sources.type",
    "sources.verify",
    "topics",
    "topics.access",
    "topics.history",
    "topics.history.age",
    "topics.history.bytes",
    "topics.history.events",
    "topics.match",
    "topics.name",
];

/// Every key with a default is written with it, not merely mentioned; the others are there, commented out.
#[test]
fn the_defaults_file_holds_every_key() {
    fn keys(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
        for (key, child) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            all.insert(path.clone());
            // There are twenty verifiers, of which a source has one; docs/providers.md has them.
            if path == "sources.verify" {
                continue;
            }
            keys(child, &path, all);
            keys(&child["items"], &path, all);
        }
    }
    fn written(text: &str) -> BTreeSet<String> {
        let mut open: Vec<(usize, &str)> = Vec::new();
        let mut all = BTreeSet::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((key, _)) = line.split_once(':') else { continue };
            let entry = key.trim_start().trim_start_matches("- ");
            let indent = key.len() - entry.len();
            open.retain(|(outer, _)| *outer < indent);
            open.push((indent, entry));
            all.insert(open.iter().map(|(_, key)| *key).collect::<Vec<_>>().join("."));
        }
        all
    }
    let mut expected = BTreeSet::new();
    keys(&SCHEMA, "", &mut expected);
    let all = written(&uncommented());
    assert_eq!(all, expected);

    let off: BTreeSet<String> = all.difference(&written(&defaults())).cloned().collect();
    assert_eq!(off, OFF.map(str::to_owned).into());
}

#[test]
fn what_the_defaults_file_comments_out_is_good_too() {
    let secrets =
        ["ADMIN_TOKEN", "GITHUB_WEBHOOK_SECRET", "READINGS_TOKEN", "META_VERIFY_TOKEN", "EVENT_GRID_TOKEN"];
    let named = |text: String, name: &&str| text.replace(&format!("{{ env: {name} }}"), "{ env: PATH }");
    let text = secrets.iter().fold(uncommented(), named);
    let file = |name: &str| format!("{{ file: {}/tests/{name} }}", env!("CARGO_MANIFEST_DIR"));
    let text = text
        .replace("{ env: JWT_SECRET }", &file("config/valid/secret"))
        .replace("{ file: keys/a.pem }", &file("data/jwt/rsa.pem"))
        .replace("{ file: keys/jwks.json }", &file("data/jwt/jwks.json"));
    let loaded = load_text(&text).unwrap();
    assert!(loaded.config.edge.upstream.is_some());
    assert!(loaded.config.admin.token.is_some());
    assert_eq!(loaded.config.topics.len(), 1);
    assert!(loaded.config.edge.access.tokens.is_some() && loaded.config.edge.access.forward.is_some());
    assert_eq!(loaded.config.ingress.sources.all().len(), 2);
}

#[test]
fn examples_load_without_a_warning() {
    for path in files("config/examples") {
        let loaded = load_file(&path).unwrap_or_else(|rejected| panic!("{rejected}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
    }
}

/// Beside each fixture that is good may stand a `.warnings` file with the lines it gives.
#[test]
fn valid_fixtures_load() {
    for path in files("tests/config/valid") {
        let loaded = load_file(&path).unwrap_or_else(|rejected| panic!("{rejected}"));
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        compare(&path.with_extension("warnings"), &warnings.join("\n"));
    }
}

/// Beside each fixture that is bad stands an `.errors` file with the lines it gives. `UPDATE_FIXTURES=1` rewrites them.
#[test]
fn invalid_fixtures_tell_every_error() {
    for path in files("tests/config/invalid") {
        let rejected = load_file(&path).expect_err(&path.display().to_string());
        assert!(!rejected.problems.is_empty());
        compare(&path.with_extension("errors"), &rejected.to_string());
    }
}

fn compare(golden: &Path, text: &str) {
    let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        if text.is_empty() {
            let _ = std::fs::remove_file(golden);
        } else {
            std::fs::write(golden, &text).unwrap();
        }
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap_or_default(), text, "{}", golden.display());
}
