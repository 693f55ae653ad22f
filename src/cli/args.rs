//! The arguments of every command, with their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, value_parser};
use http::{HeaderName, HeaderValue};

use crate::config::{Source, duration};
use crate::event::{EventType, Millis, Pattern, Topic, limits};

use super::request::Url;

/// A sidecar and reverse proxy that turns webhooks into Server-Sent Events.
///
/// Webhooks are posted to the ingress; browsers subscribe at the edge, which passes every other path on to your app.
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "sidestream", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: ConfigFile,
}

const EXAMPLES: &str = "\
Examples:
  sidestream                                             # serve with the defaults, on loopback
  curl -N http://127.0.0.1:8080/topics/orders            # subscribe
  curl -d '{\"id\":7}' http://127.0.0.1:8081/webhooks/orders   # publish

Exit codes: 0 done, 2 wrong arguments, 78 the configuration is refused, 1 otherwise.
SIDESTREAM_LOG sets the levels of the log on standard error, such as debug or info,sidestream::edge=trace.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve until SIGTERM or SIGINT, then drain and exit (the default command).
    #[command(after_help = "\
Without a file: three listeners on loopback (edge 8080, ingress 8081, admin 9090), the log in memory, every topic \
allowed. SIGHUP, a changed file and POST /api/reload load the configuration again. A second SIGTERM or SIGINT exits at \
once.

Examples:
  sidestream serve
  sidestream serve -c /etc/sidestream/sidestream.yaml
  SIDESTREAM_LOG=debug sidestream serve")]
    Serve(ConfigFile),

    /// Check a configuration, and print every error with its place.
    #[command(after_help = "\
Prints FILE:LINE:COLUMN: key.path: what is wrong, what is allowed. Exits with 0 when it is good, 78 when it is not.

Example:
  sidestream check -c sidestream.yaml")]
    Check(ConfigFile),

    /// Print the JSON Schema of the configuration.
    #[command(after_help = "\
Example, for editors that complete and check YAML by a schema:
  sidestream schema > sidestream.schema.json")]
    Schema,

    /// Publish one event, and print the answer.
    #[command(after_help = "\
Examples:
  sidestream publish orders -d '{\"id\":7}'
  sidestream publish orders --type order.created --id 7 < order.json
  sidestream publish orders -d hello --url unix:/run/sidestream/ingress.sock")]
    Publish(Publish),

    /// Subscribe, and print a line for each event, until interrupted.
    #[command(after_help = "\
A line holds the event's id, type and data; with several topics, the topic first. Line breaks and control characters in \
the data are escaped. After a lost connection it resumes with the last id; what was missed is told as an event of the \
type sidestream.gap. It gives up on an answer that will not change by itself, such as 401 or 404.

Examples:
  sidestream tail orders
  sidestream tail orders users.42 --json | jq .data
  sidestream tail orders --since 9f2c4e1ab03d-41")]
    Tail(Tail),

    /// Ask a running server whether it is ready: exit 0 when it is, 1 when not.
    #[command(after_help = "\
For container probes: the image has no shell and no curl. It asks /readyz of the admin listener, for at most 3 s. What \
is wrong elsewhere in the configuration does not matter to it, as it does not to a server that is running. A changed \
admin.listen counts from the server's next start.

Examples:
  sidestream healthcheck
  sidestream healthcheck -c /etc/sidestream/sidestream.yaml   # takes the address from admin.listen
  sidestream healthcheck --url http://127.0.0.1:9090/healthz")]
    Healthcheck(Healthcheck),

    /// Print a token that the configuration believes, for development.
    #[command(after_help = TOKEN)]
    Token(Token),

    /// Print the header fields that a sender of a source would send with the body on standard input.
    #[command(after_help = SIGN)]
    Sign(Sign),

    /// Show step by step what would become of a captured request. Nothing is published.
    #[command(after_help = EVAL)]
    Eval(Eval),
}

const TOKEN: &str = "\
It is signed with the first secret in auth.jwt.keys, and says besides what is asked for whatever the configuration \
requires: the first issuer and audience, and the first value of each claim. Public keys can't sign.

Examples:
  sidestream token -c sidestream.yaml --sub 42 --topics 'orders.*' news
  SIDESTREAM_TOKEN=$(sidestream token -c sidestream.yaml --sub 42) sidestream tail users.42.inbox";

const SIGN: &str = "\
It prints a field a line, as curl -H @FILE reads them, with the first of the source's secrets. Where a secret is sent \
along as it is (bearer, basic, header, GitLab's token), that is what it prints. Without a Content-Type among --header, \
JSON is application/json and all else a form.

Examples:
  sidestream sign -c sidestream.yaml --source github -H 'X-GitHub-Event: push' < push.json > fields
  curl -H @fields --data-binary @push.json http://127.0.0.1:8081/webhooks/github

  sidestream sign -c sidestream.yaml --source stripe < event.json |
    curl -H @- --data-binary @event.json http://127.0.0.1:8081/webhooks/stripe";

const EVAL: &str = "\
The file holds the request line, the header fields, an empty line and the body, byte by byte. A request that was \
signed long ago is refused, as the server would refuse it now; --time signed tries it at the time that it was signed. \
Rate limits, what was published before, and the app that it is handed on to are left out.

Exits with 0 when it would be published, or is a handshake that would be granted; 1 when not, also where a filter \
leaves it out; 78 when the configuration is refused.

Examples:
  sidestream eval -c sidestream.yaml --source github --request push.http
  sidestream eval -c sidestream.yaml --source stripe --request old.http --time signed
  sidestream eval -c sidestream.yaml --source github --request - --json < push.http | jq .events";

const INGRESS_URL: &str = "The ingress: http://host:port, https://host:port or unix:/path. With a path of its own, \
    that is used in place of /webhooks";

const EDGE_URL: &str = "The edge: http://host:port, https://host:port or unix:/path. With a path of its own, that is \
    used in place of /topics";

const ADMIN_URL: &str = "What to ask: http://host:port, https://host:port or unix:/path; /readyz unless it has a path \
    of its own. Without it: admin.listen of the configuration, by default http://127.0.0.1:9090";

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration file; without one the defaults are used.
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "SIDESTREAM_CONFIG", value_parser = path())]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// Whether it names a file.
    pub fn is_named(&self) -> bool {
        self.source() != Source::Defaults
    }

    /// The source it names. An empty name, as of an environment variable that is set to nothing, names none.
    pub fn source(&self) -> Source {
        match &self.file {
            Some(path) if !path.as_os_str().is_empty() => Source::File(path.clone()),
            _ => Source::Defaults,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The topic, such as orders or users.42.
    #[arg(value_parser = topic)]
    pub topic: Topic,
    /// The event's data; without it, standard input is read to its end.
    #[arg(short = 'd', long)]
    pub data: Option<String>,
    /// The event's type; without it subscribers see `message`.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    pub kind: Option<EventType>,
    /// An idempotency key: a second delivery with it publishes nothing.
    #[arg(long, value_parser = delivery_id)]
    pub id: Option<String>,
    #[arg(long, help = INGRESS_URL, default_value = "http://127.0.0.1:8081")]
    pub url: Url,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Tail {
    /// The topics, such as orders or users.42; each gets a connection of its own.
    #[arg(required = true, value_name = "TOPIC", value_parser = topic)]
    pub topics: Vec<Topic>,
    /// Begin after this cursor, the id of an event; without it, with what is published from now on.
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    pub since: Option<String>,
    /// A token, sent as Authorization: Bearer. The environment variable keeps it out of the list of processes.
    #[arg(long, value_name = "JWT", env = "SIDESTREAM_TOKEN", hide_env_values = true, value_parser = token)]
    pub token: Option<String>,
    /// Print each event as a JSON object with topic, id, type and data.
    #[arg(long)]
    pub json: bool,
    #[arg(long, help = EDGE_URL, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
}

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    #[arg(long, help = ADMIN_URL)]
    pub url: Option<Url>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// Whom it is about: the claim sub.
    #[arg(long, value_name = "SUBJECT", value_parser = NonEmptyStringValueParser::new())]
    pub sub: Option<String>,
    /// What the bearer may listen to: names or patterns. Without it, what auth.jwt.allow makes of the rest.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_parser = pattern)]
    pub topics: Vec<Pattern>,
    /// How long it is good.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The source that it is for.
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// The delivery's id, which goes where the source's senders have it. Without it one is made up where it is signed.
    #[arg(long, value_parser = delivery_id)]
    pub id: Option<String>,
    /// When it is signed, in seconds since 1970; without it, now.
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(..=LATEST))]
    pub time: Option<u64>,
    /// A header field that is sent along, such as 'X-GitHub-Event: push'. Can be given again.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The path and query that it is posted to; without it, the source's path. Twilio signs the query.
    #[arg(long, value_parser = target)]
    pub path: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Eval {
    /// The source that it is for.
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// The file that holds the request; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// The path and query that it came to; without it, what its first line says.
    #[arg(long, value_parser = target)]
    pub path: Option<String>,
    /// When it came: now, or at the time that is signed in it (signed), or at a time in seconds since 1970.
    #[arg(long, value_name = "now|signed|SECONDS", default_value = "now", value_parser = when)]
    pub time: When,
    /// Show everything that is long whole.
    #[arg(long)]
    full: bool,
    /// Print a JSON object, in which everything is whole.
    #[arg(long, conflicts_with = "full")]
    json: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

impl Eval {
    /// How it is told.
    pub fn form(&self) -> Form {
        match (self.json, self.full) {
            (true, _) => Form::Json,
            (false, true) => Form::Text(Extent::Whole),
            (false, false) => Form::Text(Extent::Part),
        }
    }
}

/// When a captured request is taken to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Now.
    Now,
    /// When it was signed, if that is told.
    Signed,
    /// At this time.
    At(Millis),
}

/// How a report is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In lines.
    Text(Extent),
    /// As JSON.
    Json,
}

/// How much of a long text is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its beginning.
    Part,
    /// All.
    Whole,
}

/// Seconds since 1970 at most, which is the year 9999: beyond it a number is no time, or in milliseconds.
const LATEST: u64 = 253_402_300_799;

fn when(text: &str) -> Result<When, String> {
    match text {
        "now" => Ok(When::Now),
        "signed" => Ok(When::Signed),
        _ => match text.parse() {
            Ok(seconds @ 0..=LATEST) => Ok(When::At(Millis(seconds * 1000))),
            _ => Err("expected now, signed, or seconds since 1970".to_owned()),
        },
    }
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = || "expected a name, a colon and a value, such as 'X-GitHub-Event: push'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| expected())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| expected())?;
    if value.is_empty() { Err(expected()) } else { Ok((name, value)) }
}

fn target(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'#') {
        return Ok(text.to_owned());
    }
    Err("expected a path with or without a query, such as /webhooks/twilio?a=b".to_owned())
}

/// A path that may be empty, which clap's own parser refuses.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn topic(text: &str) -> Result<Topic, String> {
    Topic::parse(text).map_err(|error| error.to_string())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| error.to_string())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration(text)?;
    if ttl < Duration::from_secs(1) { Err("expected 1s or more".to_owned()) } else { Ok(ttl) }
}

fn event_type(text: &str) -> Result<EventType, String> {
    EventType::parse(text).map_err(|error| error.to_string())
}

fn delivery_id(text: &str) -> Result<String, String> {
    header_value(text, limits::DEDUPE_KEY_BYTES)
}

fn cursor(text: &str) -> Result<String, String> {
    header_value(text, limits::CURSOR_BYTES)
}

fn token(text: &str) -> Result<String, String> {
    /// Servers take about so much in one header.
    const TOKEN_BYTES: usize = 8 * 1024;
    header_value(text, TOKEN_BYTES)
}

fn header_value(text: &str, most: usize) -> Result<String, String> {
    if text.is_empty() || text.len() > most || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(format!("expected 1 to {most} visible ASCII characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_serve_with_or_without_a_file() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["sidestream"], args].concat());
        assert!(parse(&[]).unwrap().command.is_none());
        let cli = parse(&["-c", "a.yaml"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.config.source(), Source::File("a.yaml".into()));
        assert_eq!(parse(&["-c", ""]).unwrap().config.source(), Source::Defaults);
    }
}
