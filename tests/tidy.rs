//! The repository reads itself: layers, homes of dependencies, sizes of files, links between documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file at most. Where one nears it, the layout is to change, not the limit.
const MAX_LINES: usize = 600;

/// What each part may import, besides itself. Arrows point down only; `ARCHITECTURE.md` draws them.
const LAYERS: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("live", &[]),
    ("lifecycle", &[]),
    ("network", &[]),
    ("secret", &[]),
    ("throttle", &[]),
    ("sse", &["event"]),
    ("jwt", &["event", "secret"]),
    ("jwks", &["event", "jwt"]),
    ("verify", &["event", "jwt", "live", "secret"]),
    ("expr", &["event"]),
    ("content", &["event", "secret"]),
    ("log", &["event", "live"]),
    ("net", &["lifecycle"]),
    ("auth", &["event", "jwt", "net", "secret"]),
    ("forward", &["event", "auth", "net", "throttle"]),
    ("relay", &["event", "net", "live", "lifecycle", "secret", "throttle"]),
    ("fanout", &["event", "sse", "auth", "log", "live", "network"]),
    (
        "ingress",
        &[
            "event",
            "sse",
            "verify",
            "expr",
            "content",
            "log",
            "fanout",
            "net",
            "network",
            "relay",
            "live",
            "lifecycle",
            "secret",
        ],
    ),
    (
        "edge",
        &["event", "sse", "jwt", "auth", "forward", "log", "fanout", "net", "live", "lifecycle", "throttle"],
    ),
    ("admin", &["event", "sse", "auth", "log", "fanout", "net", "live", "lifecycle", "secret"]),
    (
        "config",
        &[
            "event", "verify", "expr", "content", "jwt", "auth", "forward", "log", "fanout", "net", "relay",
            "ingress", "edge", "admin", "live", "secret",
        ],
    ),
    (
        "app",
        &[
            "event",
            "verify",
            "jwt",
            "jwks",
            "auth",
            "log",
            "fanout",
            "net",
            "relay",
            "forward",
            "ingress",
            "edge",
            "admin",
            "live",
            "lifecycle",
            "secret",
            "config",
        ],
    ),
    ("cli", &["event", "sse", "jwt", "auth", "secret", "verify", "net", "relay", "ingress", "config", "app"]),
];

/// Dependencies that may be named in these places only, so that each could be replaced there.
const HOMES: &[(&str, &[&str])] = &[
    (
        "pingora",
        &[
            "src/net/",
            "src/relay/",
            "src/forward/",
            "src/edge/",
            "src/ingress/",
            "src/admin/",
            "src/app/",
            "src/cli/request.rs",
            "src/jwks/",
        ],
    ),
    ("serde_yaml", &["src/config/yaml.rs"]),
    ("saphyr_parser", &["src/config/"]),
    ("dashmap", &["src/fanout/interest.rs", "src/fanout/holders.rs"]),
    ("mio", &["src/fanout/shard/"]),
    ("nix", &["src/net/silence.rs"]),
    ("jsonwebtoken", &["src/jwt/"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this ending, by their path from the root.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", ".git", ".venv"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let short = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.insert(short, fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// The part that a source file belongs to.
fn part(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// The parts that a source text names by `crate::…`, in a `use` or inline.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            // `use crate::{a, b::c}` names several.
            let names_here: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.trim_end_matches(['}', ';', ' ']).split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names_here {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                names.push((number + 1, name[..end].to_owned()));
            }
        }
    }
    names
}

#[test]
fn arrows_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in files("src", ".rs") {
        let own = part(&path);
        if ["lib", "main"].contains(&own) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == own) else {
            wrong.push(format!(
                "{path}: the part {own} has no layer; give it one here and in ARCHITECTURE.md"
            ));
            continue;
        };
        for (line, name) in named(&text) {
            let known = LAYERS.iter().any(|(part, _)| *part == name);
            if known && name != own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{path}:{line}: {own} must not know {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn dependencies_stay_in_their_homes() {
    let mut wrong = Vec::new();
    for (path, text) in files("src", ".rs") {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or(line);
                // Not as the end of another name: `unix` is not `nix`.
                let named = code
                    .match_indices(&format!("{name}::"))
                    .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                if !at_home && named {
                    wrong.push(format!("{path}:{}: {name} is at home in {homes:?}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        for (path, text) in files(folder, ".rs") {
            let lines = text.lines().count();
            if lines > MAX_LINES {
                long.push(format!("{path}: {lines} lines; at most {MAX_LINES}"));
            }
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> =
        files("src", ".rs").into_iter().filter(|(_, text)| !text.starts_with("//!")).collect();
    let names: Vec<_> = silent.iter().map(|(path, _)| path).collect();
    assert!(names.is_empty(), "without a first line of documentation: {names:?}");
}

#[test]
fn unsafe_code_is_nowhere() {
    let word = concat!("un", "safe ");
    let found: Vec<_> = files("src", ".rs")
        .into_iter()
        .filter(|(_, text)| text.lines().any(|l| l.split("//").next().unwrap_or(l).contains(word)))
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in files("", ".md") {
        let folder = Path::new(&path).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or(target);
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !root().join(&folder).join(target).exists() {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
