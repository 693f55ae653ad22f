//! `sign` and `eval` as a person runs them: the binary itself, with configurations and captured requests in files.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// Every secret begins so, that none may be in what is told.
const SECRET: &str = "the-secret-of";

/// 32 bytes in base64.
const WHSEC: &str = "whsec_dGhlLXNlY3JldC1vZi13aHNlYy0wMTIzNDU2Nzg5";

const SOURCES: &str = r#"
sources:
  - { name: github, path: /webhooks/github, topic: "github.${headers['x-github-event']}", filter: "!has(body.bot)",
      verify: { github: { secrets: [ the-secret-of-old, the-secret-of-github ] } }, dedupe: { window: 1d } }
  - { name: stripe, path: /webhooks/stripe, topic: "stripe.${tokens(body.type)}", relay: { url: "http://127.0.0.1:3000/", mode: sync },
      verify: { stripe: { secrets: [ whsec_old ] } } }
  - { name: slack, path: /webhooks/slack, topic: slack, verify: { slack: { secrets: [ the-secret-of-slack ] } } }
  - { name: shopify, path: /webhooks/shopify, topic: shopify, verify: { shopify: { secrets: [ the-secret-of-shopify ] } } }
  - { name: standard, path: /webhooks/standard, topic: standard, verify: { standard: { secrets: [ WHSEC ] } } }
  - { name: gitlab, path: /webhooks/gitlab, topic: gitlab, verify: { gitlab: { token: { secrets: [ the-secret-of-gitlab ] } } } }
  - { name: twilio, path: /webhooks/twilio, topic: "twilio.${body.From}",
      verify: { twilio: { secrets: [ the-secret-of-twilio ], public_url: "https://hooks.example/webhooks/twilio" } } }
  - { name: discord, path: /webhooks/discord, topic: discord,
      verify: { discord: { public_keys: [ 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c ] } } }
  - { name: grafana, path: /webhooks/grafana, topic: grafana, verify: { grafana: { secrets: [ the-secret-of-grafana ] } } }
  - { name: own, path: /webhooks/own, topic: own, replay_guard: body,
      verify: { hmac: { secrets: [ the-secret-of-own ], header: x-sig, signed: "{header:x-at}.{body}" } } }
  - { name: basic, path: /webhooks/basic, topic: basic, verify: { basic: { user: joe, passwords: [ the-secret-of-joe ] } } }
  - { name: readings, path: "/webhooks/readings/{topic}", each: "${body.readings}", filter: "each.value != 2", id: "${body.batch}",
      data: "${each}", dedupe: { by: ["header:x-id", "body:/batch"] }, respond: { status: 200, body: thanks },
      verify: { bearer: { secrets: [ the-secret-of-readings ] } } }
  - { name: token, path: /webhooks/token, topic: token,
      verify: { jwt: { algorithms: [ HS256 ], audience: us, keys: [ { secret: the-secret-of-the-tokens-of-this } ] } } }
  - { name: remote, path: /webhooks/remote, topic: remote,
      verify: { jwt: { algorithms: [ RS256 ], jwks_url: "https://id.example/keys.json" } } }
  - { name: open, path: /webhooks/open, topic: open, verify: none, handshake: { origins: [ "hooks.example" ] } }
"#;

/// A folder with a configuration, and what is captured in the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self::with(&SOURCES.replace("WHSEC", WHSEC))
    }

    fn with(configuration: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("sidestream.yaml", configuration);
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A command on a source, with something to read.
    fn run(&self, command: &str, source: &str, args: &[&str], input: &str) -> Output {
        let configuration = self.path("sidestream.yaml");
        let mut all = vec![command, "-c", &configuration, "--source", source];
        all.extend(args);
        run(sidestream(&all), input)
    }

    fn sign(&self, source: &str, args: &[&str], body: &str) -> String {
        let signed = self.run("sign", source, args, body);
        assert!(signed.status.success(), "{source}: {}", err(&signed));
        out(&signed)
    }

    /// A signed request.
    fn request(&self, source: &str, args: &[&str], body: &str) -> String {
        let fields = self.sign(source, args, body);
        format!("POST /webhooks/{source} HTTP/1.1\nHost: hooks.example\n{fields}\n{body}")
    }

    fn eval(&self, source: &str, args: &[&str], request: &str) -> (i32, String) {
        let told = self.run("eval", source, &[&["--request", "-"], args].concat(), request);
        let text = out(&told) + &err(&told);
        assert!(!text.contains(SECRET) && !text.contains(WHSEC), "{text}");
        (told.status.code().unwrap(), text)
    }

    fn json(&self, source: &str, args: &[&str], request: &str) -> Value {
        let (_, text) = self.eval(source, &[&["--json"], args].concat(), request);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

fn sidestream(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestream"));
    command.args(args).env_remove("SIDESTREAM_CONFIG");
    command
}

fn run(mut command: Command, input: &str) -> Output {
    let pipe = Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // One that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether a report has a line for a step that says so.
#[track_caller]
fn says(text: &str, step: &str, said: &str) {
    let line = format!("{step:<9} {said}");
    assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
}

const PING: &str = r#"{"id":"evt_1","type":"ping"}"#;

#[test]
fn sign_prints_what_the_sender_would_send() {
    let folder = Folder::new();
    let stripe = folder.sign("stripe", &["--time", "1700000000"], PING);
    let signature = "t=1700000000,v1=c85ace7651c98070cdf1a41664c68ebc94f6ea4a5413a569964c8b9caf496ba2";
    assert_eq!(stripe, format!("content-type: application/json\nstripe-signature: {signature}\n"));

    let github = folder.sign("github", &["-H", "X-GitHub-Event: push", "--id", "7"], "Hello");
    let lines: Vec<&str> = github.lines().collect();
    assert_eq!(lines[..2], ["x-github-event: push", "content-type: application/x-www-form-urlencoded"]);
    assert_eq!(lines[2], "x-github-delivery: 7");
    assert!(lines[3].starts_with("x-hub-signature-256: sha256=") && lines.len() == 4, "{github}");

    let typed = folder.sign("github", &["--header", "content-type:text/plain"], "Hello");
    assert!(typed.starts_with("content-type: text/plain\nx-hub-signature-256: "), "{typed}");
    let made_up = folder.sign("standard", &[], "{}");
    assert!(made_up.contains("webhook-id: msg_"), "{made_up}");
    let ours = folder.sign("basic", &["--id", "7"], "{}");
    assert!(ours.contains("sidestream-id: 7\nauthorization: Basic "), "{ours}");
    assert_eq!(
        out(&run(sidestream(&["sign", "--source", "default"]), "{}")),
        "content-type: application/json\n"
    );
}

#[test]
fn what_sign_prints_eval_believes() {
    let folder = Folder::new();
    let at = ["-H", "x-at: 7"];
    let form = "From=%2B14158675309&Body=hello";
    let cases: [(&str, &[&str], &str); 13] = [
        ("github", &["-H", "x-github-event: push"], PING),
        ("stripe", &[], PING),
        ("slack", &[], PING),
        ("shopify", &["-H", "x-shopify-topic: orders/paid", "--id", "7"], PING),
        ("standard", &["--id", "msg_7"], PING),
        ("gitlab", &[], PING),
        ("twilio", &[], form),
        ("grafana", &[], PING),
        ("own", &at, PING),
        ("basic", &["--id", "7"], PING),
        ("open", &["--id", "7"], PING),
        ("token", &[], PING),
        ("readings", &[], r#"{"batch":7,"readings":[{"value":1}]}"#),
    ];
    for (source, args, body) in cases {
        let request = folder.request(source, args, body).replace("/readings ", "/readings/a.b ");
        let (code, text) = folder.eval(source, &[], &request);
        assert_eq!(code, 0, "{text}");
        let forged = request.replace("evt_1", "evt_2").replace("hello", "hellp").replace("of-readings", "x");
        if !matches!(source, "gitlab" | "basic" | "open" | "token" | "readings") {
            let (code, text) = folder.eval(source, &[], &forged);
            assert_eq!(code, 1, "{text}");
            assert!(text.contains("unauthorized"), "{text}");
        }
    }
    let with_query = ["--path", "/webhooks/twilio?a=b"];
    let request = folder.request("twilio", &with_query, form);
    assert_eq!(folder.eval("twilio", &[], &request).0, 1, "signed for another query");
    assert_eq!(folder.eval("twilio", &with_query, &request).0, 0);
}

#[test]
fn sign_says_what_it_can_not_sign() {
    let folder = Folder::new();
    for (source, args, told) in [
        ("githab", &[][..], "there is no source githab; there are github, stripe, slack, "),
        (
            "discord",
            &[],
            "no request of senders by discord can be signed for the source discord: only their public keys",
        ),
        (
            "remote",
            &[],
            "no request of senders by jwt can be signed for the source remote: only their public keys",
        ),
        ("own", &[], "no request of senders by hmac can be signed for the source own: "),
        (
            "standard",
            &["--id", "a.b"],
            "no request of senders by standard can be signed for the source standard: ",
        ),
        ("stripe", &["--id", "7"], "--id: senders by stripe have the id in the body"),
        ("grafana", &["--id", "7"], "--id: senders by grafana send no id"),
    ] {
        let refused = folder.run("sign", source, args, "{}");
        assert_eq!((refused.status.code(), out(&refused).as_str()), (Some(1), ""), "{source}");
        assert!(err(&refused).starts_with(&format!("sidestream: {told}")), "{}", err(&refused));
    }
    let unnamed = run(sidestream(&["sign", "--source", "github"]), "{}");
    assert_eq!(
        err(&unnamed),
        "sidestream: there is no source github; there are default; -c names a configuration\n"
    );
    let wrong: [&[&str]; 6] = [
        &["-H", "no colon"],
        &["-H", "name:"],
        &["-H", "name: a\nb: c"],
        &["--time", "1700000000000"],
        &["--path", "webhooks"],
        &["--id", ""],
    ];
    for args in wrong {
        assert_eq!(folder.run("sign", "github", args, "{}").status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn eval_tells_every_step() {
    let folder = Folder::new();
    let body = r#"{"ref":"main"}"#;
    let request = folder.request("github", &["-H", "X-GitHub-Event: pull.request", "--id", "7"], body);
    let file = folder.write("captured.http", request.replace('\n', "\r\n"));
    let told = folder.run("eval", "github", &["--request", &file], "");
    let text = out(&told);
    assert_eq!((told.status.code(), err(&told).as_str()), (Some(0), ""), "{text}");
    says(&text, "route", "github at /webhooks/github");
    says(&text, "verify", "by github, with secret 0");
    says(&text, "id", "7");
    says(&text, "filter", "kept");
    says(&text, "topic", "github.pull~2Erequest");
    says(&text, "type", "pull.request");
    says(&text, "data", body);
    assert!(text.contains("made of the id, for 1d\n"), "{text}");
    let answer = r#"202 Accepted: {"topic":"github.pull~2Erequest","cursor":"…","subscribers":null,"duplicate":false}"#;
    says(&text, "answer", answer);
    says(&text, "outcome", "accepted: one event");

    let told = folder.json("github", &[], &request);
    assert_eq!(
        (&told["outcome"], &told["accepted"], &told["secret"]),
        (&json!("accepted"), &json!(true), &json!(0))
    );
    assert_eq!(
        told["events"],
        json!([{ "topic": "github.pull~2Erequest", "type": "pull.request", "data": body }])
    );
    assert_eq!((&told["dedupe"]["of"], &told["dedupe"]["seconds"]), (&json!("the id"), &json!(86_400)));
    assert_eq!((&told["answer"]["status"], &told["why"]), (&json!(202), &Value::Null));
    assert!(told["steps"].as_array().unwrap().iter().all(|step| step["ok"] == json!(true)));

    let stripe = folder.request("stripe", &[], PING);
    let (_, text) = folder.eval("stripe", &[], &stripe);
    says(&text, "relay", "the app gets it after the log, and its answer is the sender's");
}

/// The second secret is the one that is to be kept; which of them it was is what one wants to know.
#[test]
fn eval_names_the_secret_by_its_index() {
    let folder = Folder::new();
    let request = folder.request("github", &["-H", "x-github-event: push"], "{}");
    let swapped =
        SOURCES.replace("WHSEC", WHSEC).replace("of-old, the-secret-of-github", "of-new, the-secret-of-old");
    folder.write("sidestream.yaml", swapped);
    says(&folder.eval("github", &[], &request).1, "verify", "by github, with secret 1");
    assert_eq!(folder.json("github", &[], &request)["secret"], json!(1));
}

#[test]
fn eval_tells_each_event_of_several() {
    let folder = Folder::new();
    let body = r#"{"batch":7,"readings":[{"value":1},{"value":2},{"value":"\u001b[31m"}]}"#;
    let request = folder.request("readings", &["--path", "/x"], body).replace("/readings ", "/readings/a.b ");
    let (code, text) = folder.eval("readings", &[], &request);
    assert_eq!(code, 0, "{text}");
    says(&text, "data 0", r#"{"value":1}"#);
    says(&text, "filter 1", "left out");
    says(&text, "topic 1", "a.b");
    assert!(text.contains("made of the first there is of header:x-id, body:/batch, for 1h\n"), "{text}");
    says(&text, "answer", "200 OK: thanks");
    says(&text, "outcome", "accepted: 2 events");
    let told = folder.json("readings", &[], &request);
    assert_eq!(told["events"][1]["data"], json!(r#"{"value":"\u001b[31m"}"#));
    // A terminal is not written to by whoever sent the request.
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn eval_shows_what_is_long_when_it_is_asked_to() {
    let folder = Folder::new();
    let body = format!("{{\"text\":\"{}\"}}", "long ".repeat(1000));
    let request = folder.request("open", &[], &body);
    let (_, text) = folder.eval("open", &[], &request);
    assert!(!text.contains(&body) && text.contains("… (5011 bytes; --full shows all)"), "{text}");
    says(&folder.eval("open", &["--full"], &request).1, "data", &body);
    assert_eq!(folder.json("open", &[], &request)["events"][0]["data"], json!(body));
}

#[test]
fn eval_says_why_not_and_exits_with_1() {
    let folder = Folder::new();
    let push = ["-H", "x-github-event: push"];
    let text = ["-H", "x-github-event: push", "-H", "content-type: text/plain"];
    let good = folder.request("github", &push, "{}");
    let unsigned = good.lines().filter(|line| !line.starts_with("x-hub")).collect::<Vec<_>>().join("\n");
    let cases = [
        ("github", good.replace("{}", "[]"), "unauthorized", 401, "no configured secret matches"),
        ("github", unsigned, "unauthorized", 401, "the header x-hub-signature-256 is missing"),
        (
            "github",
            folder.request("github", &[], "{}"),
            "unmapped",
            422,
            "topic, at byte 16: there is no key",
        ),
        (
            "github",
            folder.request("github", &text, "no JSON"),
            "unmapped",
            422,
            "the body is not JSON (line 1, column",
        ),
        ("github", good.replace("POST", "GET"), "malformed", 405, "GET is not taken here"),
        ("open", good.replace("/github", "/open").replace("{}", "[1"), "accepted", 202, ""),
        ("github", good.replace("/github", "/elsewhere?token=the-secret-of-it"), "not_found", 404, ""),
    ];
    for (source, request, outcome, status, why) in cases {
        let told = folder.json(source, &[], &request);
        assert_eq!(told["outcome"], outcome, "{told}");
        assert!(told["why"].as_str().unwrap_or_default().contains(why), "{told}");
        assert_eq!(told["accepted"], json!(outcome == "accepted"));
        if status != 404 {
            assert_eq!(told["answer"]["status"], status, "{told}");
        }
        let (code, text) = folder.eval(source, &[], &request);
        assert_eq!(code, i32::from(outcome != "accepted"), "{text}");
        assert!(text.contains(&format!("outcome   {outcome}: ")), "{text}");
    }
    let bot = folder.request("github", &push, r#"{"bot":true}"#);
    let (code, text) = folder.eval("github", &[], &bot);
    assert_eq!(code, 1);
    says(&text, "filter", "left out");
    says(&text, "outcome", "filtered: nothing is published");

    let (code, text) = folder.eval("stripe", &[], &good);
    let told = "sidestream: its path is another source's; the source stripe is at /webhooks/stripe (--path tries it there)\n";
    assert_eq!((code, text.as_str()), (1, told));
    let elsewhere = good.replace("/webhooks/github", "/hook");
    assert_eq!(folder.eval("github", &["--path", "/webhooks/github"], &elsewhere).0, 0);
}

#[test]
fn eval_of_what_was_signed_at_another_time() {
    let folder = Folder::new();
    for source in ["stripe", "standard", "slack"] {
        let old = folder.request(source, &["--time", "1700000000"], PING);
        let (code, text) = folder.eval(source, &[], &old);
        assert_eq!(code, 1, "{text}");
        assert!(
            text.contains("at most 300 are allowed (--time signed tries it at its own time)\n"),
            "{text}"
        );
        let (code, text) = folder.eval(source, &["--time", "signed"], &old);
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with("time      2023-11-14T22:13:20."), "{text}");
        assert_eq!(folder.eval(source, &["--time", "1700000300"], &old).0, 0);
        assert_eq!(folder.eval(source, &["--time", "1700000301"], &old).0, 1);
        let forged = folder.eval(source, &["--time", "signed"], &old.replace("evt_1", "evt_2"));
        assert!(forged.0 == 1 && forged.1.contains("no configured secret matches"), "{}", forged.1);
    }
    let far = folder.request("stripe", &["--time", "4000000000"], PING);
    assert_eq!(folder.eval("stripe", &["--time", "signed"], &far).0, 1, "years ahead is no clock's fault");
    // A token says when it ends, and not how long that is ago.
    let ended = folder.request("token", &["--time", "1700000000"], PING);
    let (code, text) = folder.eval("token", &["--time", "signed"], &ended);
    says(&text, "verify", "refused: the token has expired (--time SECONDS tries it at another time)");
    assert_eq!((code, folder.eval("token", &["--time", "1700000007"], &ended).0), (1, 0));
    let fetched = std::fs::read_to_string("tests/data/webhooks/pubsub.http").unwrap();
    let (code, text) = folder.eval("remote", &["--path", "/webhooks/remote"], &fetched);
    assert_eq!(code, 1);
    says(&text, "verify", "refused: the keys have not been fetched yet (a dry run fetches none)");

    for time in ["soon", "-1", "1700000000000"] {
        let wrong = folder.run("eval", "stripe", &["--request", "-", "--time", time], &far);
        assert_eq!(wrong.status.code(), Some(2), "{time}");
    }
}

#[test]
fn eval_of_handshakes() {
    let folder = Folder::new();
    let question = folder.request("slack", &[], r#"{"type":"url_verification","challenge":"c7"}"#);
    let (code, text) = folder.eval("slack", &[], &question);
    assert_eq!(code, 0, "{text}");
    says(&text, "answer", "200 OK: c7");
    says(&text, "outcome", "handshake: nothing is published");
    let options = "OPTIONS /webhooks/open HTTP/1.1\nWebHook-Request-Origin: hooks.example\n\n";
    let told = folder.json("open", &[], options);
    assert_eq!(told["outcome"], "handshake");
    let headers = told["answer"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["webhook-allowed-origin", "hooks.example"])), "{told}");
    assert_eq!(folder.eval("open", &[], &options.replace("hooks", "crooks")).0, 1);
}

#[test]
fn requests_are_read_as_they_were_captured() {
    let folder = Folder::new();
    let open = |head: &str, body: &str| format!("POST /webhooks/open HTTP/1.1\n{head}\n{body}");
    let data = |request: &str| folder.json("open", &[], request)["events"][0]["data"].clone();
    assert_eq!(data(&open("", "two\r\nlines\n")), json!("two\r\nlines\n"));
    assert_eq!(data(&open("Content-Length: 3\n", "two\n")), json!("two"));
    assert_eq!(
        data(&open("Transfer-Encoding: chunked\n", "3\r\ntwo\r\n1;x\r\n!\r\n0\r\n\r\n")),
        json!("two!")
    );
    let (code, text) = folder.eval("open", &[], &open("Content-Length: 3\n", "two and more"));
    assert!(code == 0 && text.contains("-: 9 bytes behind the end of the body are left out"), "{text}");
    for (request, why) in [
        ("", "it is empty"),
        ("{}\n\n", "line 1 is no request line"),
        (open("Content-Length: 9\n", "two").as_str(), "Content-Length says 9 bytes, and the body has 3"),
        (open("Transfer-Encoding: chunked\n", "{}").as_str(), "take Transfer-Encoding out"),
    ] {
        let (code, text) = folder.eval("open", &[], request);
        assert!(code == 1 && text.starts_with("sidestream: -: ") && text.contains(why), "{text}");
    }
    let missing = folder.run("eval", "open", &["--request", "/no/such.http"], "");
    assert!(err(&missing).contains("/no/such.http: it cannot be read"), "{}", err(&missing));
}

#[test]
fn a_bad_configuration_exits_with_78() {
    let folder =
        Folder::with("sources:\n  - { name: a, path: /webhooks/a, verify: none, topic: \"a.${bdy}\" }\n");
    for command in ["sign", "eval"] {
        let args: &[&str] = if command == "eval" { &["--request", "-"] } else { &[] };
        let refused = folder.run(command, "a", args, "{}");
        assert_eq!(refused.status.code(), Some(78));
        assert!(
            err(&refused).contains("sources[0].topic: there is no variable \"bdy\""),
            "{}",
            err(&refused)
        );
    }
}

/// A server, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The line of `sign --help`, on a server.
#[test]
fn curl_sends_what_sign_prints() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is missing");
        eprintln!("skipped: curl is missing");
        return;
    }
    let folder = Folder::new();
    let listeners = ["edge", "ingress", "admin"].map(|name| format!("{name}: {{ listen: 127.0.0.1:0 }}\n"));
    let served = folder.write("served.yaml", listeners.concat() + &SOURCES.replace("WHSEC", WHSEC));
    let mut child = sidestream(&["serve", "-c", &served]);
    let mut server = Server(child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut banner = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ingress = banner.find(|line| line.trim_start().starts_with("ingress")).unwrap();
    let url = ingress.split_whitespace().nth(1).unwrap();
    let body = folder.write("body.json", PING);
    let script = r#""$0" sign -c "$1" --source standard --id msg_7 < "$2" |
        curl -sS -H @- --data-binary "@$2" "$3/webhooks/standard""#;
    let post = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_sidestream"), &served, &body, url]);
        out(&shell.output().unwrap())
    };
    let first = post();
    assert!(first.starts_with(r#"{"topic":"standard","cursor":""#), "{first}");
    assert!(first.ends_with(r#""duplicate":false}"#), "{first}");
    assert!(post().ends_with(r#""duplicate":true}"#));
}
