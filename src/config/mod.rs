//! Configuration: from a YAML file to the settings of every part, with every error at once.
//!
//! text → marks (where each key stands) and a tree of values → the JSON Schema (each value is of its kind, no key is
//! unknown) → the raw twins → bounds and relations between keys → [`Config`]. What is wrong is taken out of the tree and
//! reported, and the rest goes on, so that one run names everything; relations of a wrong value are left alone.
//!
//! Nothing in the file is trusted: size and nesting are bounded, and no content makes this panic.

mod check;
mod diff;
mod marks;
mod problem;
mod schema;
mod section;
mod source;
mod watch;
mod within;
mod written;
mod yaml;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use crate::ingress::Registry;
use crate::net::{Address, ProxyProtocol};

pub use self::diff::{Change, Effect, diff};
pub use self::problem::{OneLine, Position, Problem};
pub use self::schema::SCHEMA;
pub use self::section::{Drain, LogKind, Shards, TopicRule};
pub use self::source::{Source, Watched};
pub use self::watch::Watcher;

use self::check::Check;
use self::marks::{Marks, Reading, Refusal};
use self::schema::{About, Miss};
use self::section::Root;
use self::written::{Environment, Misread, Span, Written};

/// Everything that is configured, checked, with each part's settings as that part wants them.
///
/// [`Config::default`] is what an empty file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the three listeners listen. Needs a restart.
    pub listen: Listeners,
    /// The edge's settings.
    pub edge: crate::edge::Settings,
    /// The fan-out's settings.
    pub fanout: crate::fanout::Settings,
    /// The ingress's settings.
    pub ingress: crate::ingress::Settings,
    /// How sources hand their webhooks on.
    pub relay: crate::relay::Plans,
    /// The admin listener's settings.
    pub admin: crate::admin::Settings,
    /// What the log keeps.
    pub history: crate::log::HistorySettings,
    /// Rules for topics; the first that matches applies.
    pub topics: Vec<TopicRule>,
    /// How many shards there are. Needs a restart.
    pub shards: Shards,
    /// How the process ends.
    pub drain: Drain,
    /// Where events are kept. Needs a restart.
    pub log: LogKind,
    effective: diff::Effective,
}

/// The addresses of the three listeners, and what their connections begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// Subscribers and the app.
    pub edge: Address,
    /// Webhooks.
    pub ingress: Address,
    /// Operators.
    pub admin: Address,
    /// Whether a proxy in front of `edge` says who its callers are.
    pub edge_proxy_protocol: ProxyProtocol,
    /// The same for `ingress`. Admin never takes anybody's word for who calls.
    pub ingress_proxy_protocol: ProxyProtocol,
}

/// A configuration and what goes with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What deserves a word, in the order of the file.
    pub warnings: Vec<Problem>,
    /// The files it was made of.
    pub watched: Watched,
}

/// Why there is no configuration: at least one problem, in the order of the file.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// The files that a change of could put it right.
    pub watched: Watched,
}

impl Rejected {
    /// The exit code of a process that ends for it: `EX_CONFIG` of sysexits.h.
    pub const EXIT_CODE: u8 = 78;
}

/// One problem a line.
impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejected {}

/// Reads, checks and converts the configuration. Blocks on small files; secrets come from the process's environment.
///
/// # Errors
/// [`Rejected`] with every problem.
pub fn load(source: &Source) -> Result<Loaded, Rejected> {
    load_with(source, &Registry::default())
}

/// As [`load`], with what the program brings along.
///
/// # Errors
/// [`Rejected`] with every problem.
pub fn load_with(source: &Source, registry: &Registry) -> Result<Loaded, Rejected> {
    read(source, registry).into_result()
}

/// Where a server that was started with `source` has its admin listener, as far as can be told: what is wrong elsewhere
/// in the file does not matter, as it does not to the server while it runs.
#[must_use]
pub fn admin_address(source: &Source) -> Address {
    read(source, &Registry::default()).config.unwrap_or_default().listen.admin
}

/// A duration as it is written in the configuration: `250ms 15s 5m 1h 7d`.
///
/// # Errors
/// Says what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    Span::read(text).map(|span| span.0).map_err(|why| match why {
        Misread::Form => format!("expected {}", Span::EXPECTED),
        Misread::Because(why) => why.into_owned(),
    })
}

/// What came of reading a configuration. With problems, `config` is what the rest amounts to; none when nothing was left.
struct Outcome {
    config: Option<Config>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    watched: Watched,
}

impl Outcome {
    /// The file as a whole is of no use.
    fn unusable(source: &Source, position: Option<Position>, message: String, watched: Watched) -> Self {
        let problem = Problem { file: source.name(), position, key: String::new(), message };
        Self { config: None, problems: vec![problem], warnings: Vec::new(), watched }
    }

    fn into_result(self) -> Result<Loaded, Rejected> {
        let Self { config, problems, warnings, watched } = self;
        match config {
            Some(config) if problems.is_empty() => Ok(Loaded { config, warnings, watched }),
            _ => Err(Rejected { problems, watched }),
        }
    }
}

fn read(source: &Source, registry: &Registry) -> Outcome {
    let mut watched = Watched::default();
    let text = match source {
        Source::Defaults => Vec::new(),
        Source::File(path) => {
            let read = source::read_bounded(path, source::FILE_BYTES);
            watched.add(path, &read);
            match read {
                // A pipe, as of a shell's `<(…)`, is empty when it is read again. That must not mean the defaults.
                Ok(text) if text.is_empty() && !path.is_file() => {
                    let message =
                        "it holds nothing, and is no file; expected a file, or a pipe that is read once";
                    return Outcome::unusable(source, None, message.into(), watched);
                }
                Ok(text) => text,
                Err(why) => {
                    return Outcome::unusable(source, None, format!("it cannot be read: {why}"), watched);
                }
            }
        }
    };
    parse(source, &text, &|name| std::env::var_os(name), registry, watched)
}

/// Parses text that has been read, with an environment of its own.
fn parse(
    source: &Source,
    text: &[u8],
    variable: &dyn Fn(&str) -> Option<OsString>,
    registry: &Registry,
    watched: Watched,
) -> Outcome {
    let text = match decode(text) {
        Ok(text) => text,
        Err((position, message)) => return Outcome::unusable(source, Some(position), message, watched),
    };
    let file = source.name();
    let refused = |refusals: Vec<Refusal>| -> Vec<Problem> {
        let problem =
            |(key, position, message)| Problem { file: file.clone(), position: Some(position), key, message };
        refusals.into_iter().map(problem).collect()
    };
    match Marks::read(text) {
        Reading::Broken(position, why) => {
            let (position, why) = explain(text, position).unwrap_or((position, why));
            Outcome::unusable(source, Some(position), why, watched)
        }
        Reading::Stopped(refusals) => {
            let mut problems = refused(refusals);
            problem::sort(&mut problems);
            Outcome { config: None, problems, warnings: Vec::new(), watched }
        }
        Reading::Whole(marks, refusals) => match yaml::parse(text) {
            Ok(tree) => {
                let mut check = Check::new(&file, text, &marks);
                check.problems = refused(refusals);
                convert(source, tree, check, variable, registry, watched)
            }
            Err((position, message)) => Outcome::unusable(source, position, message, watched),
        },
    }
}

/// What the other parser says of text that is no YAML from `position` on: its messages say what was expected there.
fn explain(text: &str, position: Position) -> Option<(Position, String)> {
    /// It is only given what has been read without harm, and not so much that it takes long over it.
    const EXPLAINED_BYTES: usize = 16 * 1024;
    let read: usize = text.split_inclusive('\n').take(position.line).map(str::len).sum();
    if read > EXPLAINED_BYTES {
        return None;
    }
    let (place, mut why) = yaml::parse(&text[..read]).err()?;
    // `match: *.created` is the slip that this file invites.
    if why.contains("alias") || why.contains("anchor") {
        why += "; a pattern such as \"*.created\" is to be in quotes";
    }
    Some((place?, why))
}

/// From a tree of values to a configuration.
fn convert(
    source: &Source,
    mut tree: serde_json::Value,
    mut check: Check<'_>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    registry: &Registry,
    mut watched: Watched,
) -> Outcome {
    let folder = source.folder();
    let environment = Environment { variable, folder: &folder };
    schema::drop_empty(&mut tree);
    for Miss { path, about, message } in schema::validate(&mut tree) {
        match about {
            About::Key => check.refuse_key(&path, message),
            About::Value => check.refuse(&path, message),
        }
    }
    let root: Root = serde_json::from_value(tree).unwrap_or_else(|error| {
        // Unreachable as long as the schema is as strict as the twins; if it is not, this is still an error.
        check.refuse("", error.to_string());
        Root::default()
    });
    for path in root.secret_files(&environment) {
        watched.look_at(&path);
    }
    let mut config = root.build(&mut check, &environment, registry);
    let token = config.admin.token.iter().map(|token| ("admin.token".to_owned(), token.clone()));
    let keys = section::auth_secrets(root.auth.as_ref(), &environment);
    let secrets = token.chain(keys).chain(section::source_secrets(&root.sources, &environment));
    config.effective = diff::Effective::of(&root, secrets.collect::<BTreeMap<_, _>>());
    let Check { mut problems, mut warnings, .. } = check;
    problem::sort(&mut problems);
    problem::sort(&mut warnings);
    Outcome { config: Some(config), problems, warnings, watched }
}

/// The text without a byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, (Position, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = good.matches('\n').count() + 1;
        let column = good.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        (Position { line, column }, "not UTF-8; expected YAML in UTF-8".to_owned())
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What an empty file means.
impl Default for Config {
    fn default() -> Self {
        let parsed = parse(&Source::Defaults, b"", &|_| None, &Registry::default(), Watched::default());
        parsed.into_result().expect("the defaults are good, as their test shows").config
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Loaded, Rejected> {
        let variable = |name: &str| match name {
            "ADMIN_TOKEN" => Some(OsString::from("hush")),
            "GITHUB_WEBHOOK_SECRET" => Some(OsString::from("quiet")),
            _ => None,
        };
        let source = Source::File("t.yaml".into());
        parse(&source, text.as_bytes(), &variable, &Registry::default(), Watched::default()).into_result()
    }

    fn lines(text: &str) -> Vec<String> {
        read(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    /// The values of the contract's section 6.
    #[test]
    fn the_defaults_are_the_contracts() {
        let config = Config::default();
        assert_eq!(config.listen.edge.to_string(), "127.0.0.1:8080");
        assert_eq!(config.listen.ingress.to_string(), "127.0.0.1:8081");
        assert_eq!(config.listen.admin.to_string(), "127.0.0.1:9090");
        assert_eq!(config.edge.prefix, "/topics");
        assert_eq!(config.edge.upstream, None);
        assert_eq!(config.edge.timeouts.first_byte, Duration::from_mins(1));
        assert_eq!(config.fanout.retry, (Duration::from_secs(2), Duration::from_secs(4)));
        assert_eq!(config.fanout.max_connection_age, None);
        assert_eq!(config.fanout.max_connections, 100_000);
        assert_eq!(config.ingress.max_body, 1 << 20);
        assert_eq!(config.history.dedupe_keys, 100_000);
        assert_eq!(config.history.total, 64 << 20);
        assert_eq!(config.shards, Shards::PerCore);
        assert_eq!(config.drain.timeout, Duration::from_secs(25));
        assert_eq!(config.topics, []);
        assert_eq!(read("# nothing\n").unwrap().config, config);
        assert_eq!(read("edge:\ntopics:\n").unwrap().config, config, "sections without content");
    }

    #[test]
    fn each_source_has_its_own_room_for_keys_and_all_together_are_bounded() {
        let source = |name: &str, more: &str| {
            format!("  - {{ name: {name}, path: /webhooks/{name}, verify: none, topic: a, {more} }}\n")
        };
        let list = source("a", "") + &source("b", "dedupe: { keys: 50 }") + &source("c", "");
        let history = read(&format!("ingress: {{ dedupe: {{ keys: 1001 }} }}\nsources:\n{list}"))
            .unwrap()
            .config
            .history;
        assert_eq!(["a", "b", "c", "gone"].map(|name| history.keys_of(name)), [500, 50, 500, 0]);
        assert_eq!(Config::default().history.keys_of("webhooks"), 100_000);
    }

    /// Section 6's example, as it is written there.
    #[test]
    fn the_contracts_source_loads() {
        let example = r#"
edge:
  upstream: http://127.0.0.1:3000
sources:                                 # default: the one of section 3
  - name: github
    path: /webhooks/github
    verify: { github: { secrets: [ { env: GITHUB_WEBHOOK_SECRET } ] } }
    topic: "github.${headers['x-github-event']}"     # ${…} holds a CEL expression
    type: "${headers['x-github-event']}"
    id: "${headers['x-github-delivery']}"
    filter: "!has(body.sender) || body.sender.type != 'Bot'"     # CEL, true keeps the event
    data: "${raw}"                        # default: the body's bytes, as they came
    dedupe: { window: 24h }
    rate: { per_second: 100, burst: 200 }
    respond: { status: 202 }
    relay: upstream                       # also hand the webhook on to the app
"#;
        let loaded = read(example).unwrap();
        assert_eq!(loaded.warnings, []);
        let [github] = loaded.config.ingress.sources.all() else { panic!() };
        assert_eq!((&*github.name, github.scheme.name()), ("github", "github"));
        assert_eq!(github.dedupe.window, Some(Duration::from_hours(24)));
        assert!(loaded.config.relay.of("github").is_some());
        assert_eq!(Config::default().ingress.sources.all()[0].path.to_string(), "/webhooks/{topic}");

        // A change names its source; what a secret was changed to is not shown.
        let changed = |from: &str, to: &str| {
            let changed = read(&example.replace(from, to)).unwrap();
            diff(&loaded.config, &changed.config).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(changed("24h", "48h"), ["sources.github.dedupe.window: 1d, now 2d"]);
        assert_eq!(changed("{ env: GITHUB_WEBHOOK_SECRET }", "{ env: ADMIN_TOKEN }").len(), 2);
        assert_eq!(changed("24h", "24h"), [] as [&str; 0]);
        let unset = read(&example.replace("GITHUB_WEBHOOK", "UNSET")).unwrap_err().to_string();
        let want = "t.yaml:7:36: sources[0].verify.github.secrets[0]: the environment variable UNSET_SECRET is not set";
        assert_eq!(unset, want);
    }

    #[test]
    fn every_error_at_once_in_order() {
        let text = "edge:\n  heartbeat: 15\n  hearbeat: 15s\n  retry: 4s..2s\ndrain: { window: 1h }\ntopics:\n  - match: a..b\n  - 7\n";
        assert_eq!(
            lines(text),
            [
                "t.yaml:2:14: edge.heartbeat: expected a duration such as 250ms, 15s, 5m, 1h or 7d; got 15",
                "t.yaml:3:3: edge.hearbeat: unknown key; did you mean heartbeat? allowed here: cors, heartbeat, \
                 limits, listen, max_connection_age, overload, prefix, proxy_protocol, retry, slow, \
                 trusted_proxies, upstream, upstream_timeouts",
                "t.yaml:4:10: edge.retry: expected the shorter duration first, as in 2s..4s; got \"4s..2s\"",
                "t.yaml:5:18: drain.window: drain.delay and drain.window take 1h together; expected at most \
                 drain.timeout (25s)",
                "t.yaml:7:5: topics[0].name: missing; expected a name of 1 to 64 of A-Z a-z 0-9 _ - and .",
                "t.yaml:7:12: topics[0].match: no pattern: it has an empty token (two dots in a row, or one at an \
                 end); got \"a..b\"",
                "t.yaml:8:5: topics[1]: expected a mapping with the keys access, history, match, name; got 7",
            ]
        );
    }

    #[test]
    fn a_relation_with_a_wrong_value_is_left_alone() {
        assert_eq!(lines("drain: { window: 5, timeout: 1s }\n").len(), 1);
        assert_eq!(lines("edge: 5\ningress: { listen: 127.0.0.1:8080 }\n").len(), 1);
    }

    #[test]
    fn a_secret_is_fetched_and_never_shown() {
        let loaded = read("admin: { token: { env: ADMIN_TOKEN } }").unwrap();
        assert_eq!(loaded.config.admin.token, Some(crate::secret::Secret::new(*b"hush")));
        assert!(loaded.warnings.is_empty());
        let literal = read("admin: { token: hush }").unwrap();
        assert_eq!(literal.config.admin.token, loaded.config.admin.token);
        assert!(
            literal.warnings[0]
                .to_string()
                .starts_with("t.yaml:1:17: admin.token: a secret in the file itself")
        );
        assert!(!format!("{literal:?}").contains("hush"));
        for wrong in ["12345", "{ hush: x }", "[hush]", "''", "{ env: hush, file: x }"] {
            let text = lines(&format!("admin: {{ token: {wrong} }}")).join("\n");
            assert!(
                text.starts_with("t.yaml:1:17: admin.token: expected {env: NAME}, {file: PATH} or"),
                "{text}"
            );
            assert!(!text.contains("12345") && !text.contains("hush"), "{text}");
        }
        assert_eq!(
            lines("admin: { token: { env: UNSET } }"),
            ["t.yaml:1:17: admin.token: the environment variable UNSET is not set"]
        );
    }

    #[test]
    fn text_that_is_no_text() {
        let source = Source::File("t.yaml".into());
        let rejected = parse(&source, b"edge:\n  \xff", &|_| None, &Registry::default(), Watched::default())
            .into_result()
            .unwrap_err();
        assert_eq!(rejected.to_string(), "t.yaml:2:3: not UTF-8; expected YAML in UTF-8");
        assert!(
            parse(&source, b"\xef\xbb\xbfedge:\n", &|_| None, &Registry::default(), Watched::default())
                .into_result()
                .is_ok()
        );
    }

    #[test]
    fn a_change_is_told_by_name_and_what_needs_a_restart_stays() {
        let old = Config::default();
        let new =
            read("edge: { listen: 127.0.0.1:80, heartbeat: 5s }\nadmin: { token: { env: ADMIN_TOKEN } }")
                .unwrap();
        let told = |changes: Vec<Change>| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let want = [
            "admin.token: not set, now {env: ADMIN_TOKEN}",
            "edge.heartbeat: 15s, now 5s",
            "edge.listen needs a restart; still 127.0.0.1:8080",
        ];
        assert_eq!(told(diff(&old, &new.config)), want);
        let running = new.config.clone().with_restart_keys_of(&old);
        assert_eq!(running.listen, old.listen);
        assert_eq!(running.fanout, new.config.fanout);
        assert_eq!(told(diff(&running, &new.config)), want[2..], "told again until the restart");
        assert_eq!(diff(&new.config, &new.config), []);
    }

    #[test]
    fn a_secret_whose_content_changes_is_a_change() {
        let text = b"admin: { token: { env: T } }";
        let with = |token: &'static str| {
            parse(&Source::Defaults, text, &|_| Some(token.into()), &Registry::default(), Watched::default())
                .into_result()
                .unwrap()
                .config
        };
        let changes = diff(&with("one"), &with("two"));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].to_string(), "admin.token: its content changed");
    }

    #[test]
    fn a_pipe_is_read_once_and_never_means_the_defaults() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"edge: { heartbeat: 5s }").unwrap();
        drop(writer);
        let source = Source::File(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader)).into());
        let loaded = load(&source).unwrap();
        assert_eq!(loaded.config.fanout.heartbeat, Duration::from_secs(5));
        assert_eq!(loaded.watched.paths().count(), 0);
        assert!(load(&source).unwrap_err().to_string().contains("it holds nothing, and is no file"));
    }

    proptest! {
        /// Damage to a good file reaches furthest.
        #[test]
        fn no_damaged_file_panics(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, "[-\\[\\]{}:,&*!|>'\"#?%@`\n \t\\PC]{0,3}"), 1..6)
        ) {
            let mut text: Vec<char> = include_str!("../../config/sidestream.yaml").chars().collect();
            for (at, cut, insert) in damage {
                let at = at.index(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, insert.chars());
            }
            let text: String = text.into_iter().collect();
            if let Err(rejected) = parse(&Source::Defaults, text.as_bytes(), &|_| None, &Registry::default(), Watched::default()).into_result() {
                prop_assert_eq!(rejected.to_string().lines().count(), rejected.problems.len());
                prop_assert!(rejected.problems.iter().all(|problem| problem.position.is_some()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&Source::Defaults, &bytes, &|_| None, &Registry::default(), Watched::default());
        }

        /// Text that is nearly YAML reaches further than noise does.
        #[test]
        fn no_yaml_like_text_panics(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[ \n]{1,4}", "[-?:,{}\\[\\]&*!|>'\"%@#~]{1,3}", "edge|admin|token|topics|listen|history|match|name",
                    ": ", "\n  ", "\n- ", "\\PC{0,4}", "0x|1e9|\\.inf|2s|~|null|<<", "\t|\r|\u{85}|\u{feff}|\0",
                ],
                0..40,
            )
        ) {
            let rejected = parse(&Source::Defaults, parts.concat().as_bytes(), &|_| None, &Registry::default(), Watched::default()).into_result();
            if let Err(rejected) = rejected {
                prop_assert!(!rejected.problems.is_empty());
                prop_assert_eq!(rejected.to_string().lines().count(), rejected.problems.len());
            }
        }
    }
}
