//! The commands as a person or a container runs them: the binary itself, against a stand-in for the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

fn sidestream(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestream"));
    command
        .args(args)
        .env_remove("SIDESTREAM_CONFIG")
        .env_remove("SIDESTREAM_LOG")
        .env_remove("SIDESTREAM_TOKEN");
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    sidestream(args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file of the given text, alone in a folder that goes with it.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestream.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Answers each connection with the next of `answers`, whole, and then closes it; hands out the requests.
fn stand_in(listener: TcpListener, answers: Vec<String>) -> Receiver<String> {
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            serve_one(stream.try_clone().unwrap(), stream, &answer, &sender);
        }
    });
    requests
}

fn serve_one(from: impl Read, mut to: impl Write, answer: &str, requests: &Sender<String>) {
    let _ = requests.send(read_request(from));
    to.write_all(answer.as_bytes()).unwrap();
}

/// A request's head, and its body by its length.
fn read_request(stream: impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "cut off: {request}");
    }
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + std::str::from_utf8(&body).unwrap()
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn stream(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
}

/// A running `tail`, ended when dropped.
struct Tail {
    child: Child,
    out: std::io::Lines<BufReader<std::process::ChildStdout>>,
    err: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Tail {
    fn start(args: &[&str]) -> Self {
        let mut command = sidestream(&[&["tail"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, out, err }
    }

    fn line(&mut self) -> String {
        self.out.next().expect("a line").unwrap()
    }

    fn complaint(&mut self, part: &str) -> String {
        let found = self.err.by_ref().map(Result::unwrap).find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no complaint with {part}"))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn check_tells_every_error_and_exits_with_78() {
    let (_folder, path) = file("edge:\n  heartbeat: 15\n  colour: red\n");
    let checked = run(&["check", "-c", &path]);
    assert_eq!(checked.status.code(), Some(78));
    let text = out(&checked);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        lines[0],
        format!("{path}:2:14: edge.heartbeat: expected a duration such as 250ms, 15s, 5m, 1h or 7d; got 15")
    );
    assert!(lines[1].starts_with(&format!("{path}:3:3: edge.colour: unknown key; allowed here: cors, ")));

    let from_environment = sidestream(&["check"]).env("SIDESTREAM_CONFIG", &path).output().unwrap();
    assert_eq!((from_environment.status.code(), out(&from_environment)), (Some(78), text));
}

#[test]
fn check_of_a_good_file_of_none_and_of_one_that_is_not_there() {
    let (_folder, path) = file("admin: { token: hush }\n");
    let good = run(&["check", "-c", &path]);
    assert_eq!(good.status.code(), Some(0));
    assert!(
        out(&good).starts_with(&format!("{path}:1:17: admin.token: warning: a secret in the file itself"))
    );
    assert!(out(&good).ends_with(&format!("{path}: good\n")));
    assert!(!out(&good).contains("hush"));
    assert_eq!(run(&["check"]).status.code(), Some(0));
    let missing = run(&["check", "-c", "/no/such/file.yaml"]);
    assert_eq!(missing.status.code(), Some(78));
    assert_eq!(
        out(&missing),
        "/no/such/file.yaml: it cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn serve_refuses_a_bad_configuration() {
    let (_folder, path) = file("edge: { heartbeat: 15 }\n");
    for args in [&["serve", "-c", &path][..], &["-c", &path]] {
        let refused = run(args);
        assert_eq!(refused.status.code(), Some(78));
        assert!(err(&refused).contains("edge.heartbeat: expected a duration"), "{}", err(&refused));
    }
}

#[test]
fn schema_is_a_json_schema_that_names_the_keys() {
    let printed = run(&["schema"]);
    assert_eq!(printed.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["edge"]["properties"]["heartbeat"]["default"], "15s");
    assert_eq!(schema["properties"]["topics"]["items"]["required"], serde_json::json!(["name", "match"]));
}

#[test]
fn help_of_every_command_is_complete() {
    let help = |args: &[&str]| {
        let shown = run(&[args, &["--help"]].concat());
        assert_eq!(shown.status.code(), Some(0));
        out(&shown)
    };
    let top = help(&[]);
    for command in ["serve", "check", "schema", "publish", "tail", "healthcheck", "token", "sign", "eval"] {
        assert!(top.contains(&format!("  {command} ")), "{command}");
        let text = help(&[command]);
        assert!(text.contains("Example"), "{command}: {text}");
        for line in text.lines() {
            assert!(line.len() <= 120, "{command}: {line}");
        }
    }
    assert!(help(&["publish"]).contains("[default: http://127.0.0.1:8081]"));
    assert!(help(&["tail"]).contains("[default: http://127.0.0.1:8080]"));
    assert!(help(&["check"]).contains("SIDESTREAM_CONFIG"));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn wrong_arguments_exit_with_2() {
    let wrong: [&[&str]; 12] = [
        &["sreve"],
        &["publish"],
        &["publish", "a..b", "-d", "x"],
        &["publish", "a", "-d", "x", "--type", "open"],
        &["tail"],
        &["tail", "orders.*"],
        &["tail", "a", "--since", "x\ny"],
        &["token", "--topics"],
        &["token", "--topics", "a..b"],
        &["token", "--ttl", "10"],
        &["token", "--ttl", "10ms"],
        &["token", "--sub", ""],
    ];
    for args in wrong {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn publish_posts_and_prints_the_answer() {
    let (listener, url) = listen();
    let accepted = r#"{"topic":"orders","cursor":"e-1","subscribers":2,"duplicate":false}"#;
    let requests = stand_in(listener, vec![answer("202 Accepted", accepted), answer("202 Accepted", "")]);
    let published =
        run(&["publish", "orders", "-d", r#"{"id":7}"#, "--type", "new", "--id", "k1", "--url", &url]);
    assert_eq!(
        (published.status.code(), out(&published)),
        (Some(0), format!("{accepted}\n")),
        "{}",
        err(&published)
    );
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /webhooks/orders HTTP/1.1\r\n"), "{request}");
    for part in ["Sidestream-Event: new\r\n", "Sidestream-Id: k1\r\n", "Content-Type: application/json\r\n"] {
        assert!(request.contains(part), "{request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"id\":7}"), "{request}");

    let mut child =
        sidestream(&["publish", "users.42", "--url", &url]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"two\nlines\n").unwrap();
    assert!(child.wait().unwrap().success());
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /webhooks/users.42 "), "{request}");
    assert!(request.ends_with("\r\n\r\ntwo\nlines\n"), "{request}");
}

#[test]
fn publish_fails_when_the_server_refuses_or_is_not_there() {
    let (listener, url) = listen();
    let requests = stand_in(listener, vec![answer("503 Service Unavailable", r#"{"title":"draining"}"#)]);
    let refused = run(&["publish", "orders", "-d", "x", "--url", &url]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(err(&refused), format!("sidestream: {url} answered 503: {{\"title\":\"draining\"}}\n"));
    // The stand-in hangs up only after its last answer; then its port is closed.
    requests.iter().for_each(drop);
    let missing = run(&["publish", "orders", "-d", "x", "--url", &url]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("cannot be reached: Connection refused"), "{}", err(&missing));
}

#[test]
fn publish_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ingress.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve_one(stream.try_clone().unwrap(), stream, &answer("202 Accepted", "{}"), &sender);
    });
    let published = run(&["publish", "orders", "-d", "x", "--url", &format!("unix:{}", path.display())]);
    assert_eq!((published.status.code(), out(&published).as_str()), (Some(0), "{}\n"), "{}", err(&published));
    assert!(requests.recv().unwrap().starts_with("POST /webhooks/orders "));
}

#[test]
fn tail_prints_resumes_with_the_last_id_and_ends_when_refused() {
    let (listener, url) = listen();
    let gap = r#"{"requested":"e-2","resumed":"e-5","reason":"evicted","missed":3}"#;
    let answers = vec![
        stream(
            "retry: 10\nid: e-0\n\nid: e-1\nevent: new\ndata: one\ndata: more\n\nid: e-2\ndata: two\n\nid: e-3\ndata: cut",
        ),
        answer("503 Service Unavailable", "draining"),
        stream(&format!("retry: 10\n\nid: e-5\nevent: sidestream.gap\ndata: {gap}\n\n")),
        answer("401 Unauthorized", "no"),
    ];
    let requests = stand_in(listener, answers);
    let mut tail = Tail::start(&["orders", "--url", &url, "--token", "t0k"]);
    assert_eq!(tail.line(), "e-1  new  one\\nmore");
    assert_eq!(tail.line(), "e-2  message  two");
    assert_eq!(tail.line(), format!("e-5  sidestream.gap  {gap}"));
    assert!(tail.out.next().is_none(), "and no more");
    assert_eq!(tail.child.wait().unwrap().code(), Some(1));
    assert!(tail.complaint("401").ends_with("answered 401: no"));

    let requests: Vec<String> = requests.iter().collect();
    assert!(requests[0].starts_with("GET /topics/orders HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("Accept: text/event-stream\r\n"));
    assert!(requests[0].contains("Authorization: Bearer t0k\r\n"));
    assert!(!requests[0].contains("Last-Event-ID"));
    for (request, id) in requests[1..].iter().zip(["e-2", "e-2", "e-5"]) {
        assert!(request.contains(&format!("Last-Event-ID: {id}\r\n")), "{request}");
    }
}

#[test]
fn tail_of_several_topics_since_a_cursor_as_json() {
    let (listener, url) = listen();
    thread::spawn(move || {
        for _ in 0..2 {
            let (mut to, _) = listener.accept().unwrap();
            let request = read_request(to.try_clone().unwrap());
            assert!(request.contains("Last-Event-ID: e-9\r\n"), "{request}");
            let topic = request.split([' ', '/']).nth(3).unwrap().to_owned();
            let body = format!("id: e-10\ndata: {topic}\n\n");
            to.write_all(stream(&body).as_bytes()).unwrap();
        }
    });
    let mut tail = Tail::start(&["a", "b.c", "--since", "e-9", "--json", "--url", &url]);
    let mut lines = [tail.line(), tail.line()];
    lines.sort();
    assert_eq!(lines[0], r#"{"data":"a","id":"e-10","topic":"a","type":"message"}"#);
    assert_eq!(lines[1], r#"{"data":"b.c","id":"e-10","topic":"b.c","type":"message"}"#);
}

#[test]
fn tail_outlives_the_server() {
    let (listener, url) = listen();
    let address = listener.local_addr().unwrap();
    let requests = stand_in(listener, vec![stream("retry: 10\nid: e-1\n\ndata: one\n\n")]);
    let mut tail = Tail::start(&["orders", "--url", &url]);
    assert_eq!(tail.line(), "e-1  message  one");
    tail.complaint("the server ended the stream");
    tail.complaint("cannot be reached");
    requests.iter().for_each(drop);
    let requests = stand_in(TcpListener::bind(address).unwrap(), vec![stream("id: e-2\ndata: two\n\n")]);
    assert_eq!(tail.line(), "e-2  message  two");
    assert!(requests.recv().unwrap().contains("Last-Event-ID: e-1\r\n"));
}

#[test]
fn tail_takes_nothing_but_an_event_stream() {
    let (listener, url) = listen();
    let _requests = stand_in(listener, vec![answer("200 OK", "<html>"), answer("204 No Content", "")]);
    let page = run(&["tail", "orders", "--url", &url]);
    assert_eq!(page.status.code(), Some(1), "{}", err(&page));
    let nothing = run(&["tail", "orders", "--url", &url]);
    assert_eq!(nothing.status.code(), Some(0), "{}", err(&nothing));
}

#[test]
fn healthcheck_by_url_and_by_configuration() {
    let (listener, url) = listen();
    let (_folder, path) = file(&format!(
        "edge: {{ no: such key }}\nadmin: {{ listen: {} }}\n",
        url.trim_start_matches("http://")
    ));
    let ready = || answer("200 OK", "{}");
    let not_ready = answer("503 Service Unavailable", r#"["log"]"#);
    let requests = stand_in(listener, vec![ready(), ready(), ready(), not_ready]);
    assert_eq!(run(&["healthcheck", "--url", &url]).status.code(), Some(0));
    assert_eq!(run(&["healthcheck", "-c", &path]).status.code(), Some(0));
    let from_environment = sidestream(&["healthcheck"]).env("SIDESTREAM_CONFIG", &path).output().unwrap();
    assert_eq!(from_environment.status.code(), Some(0));
    let not_ready = run(&["healthcheck", "--url", &url]);
    assert_eq!(not_ready.status.code(), Some(1));
    assert!(err(&not_ready).ends_with("answered 503: [\"log\"]\n"), "{}", err(&not_ready));
    for request in requests {
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
    }
    assert_eq!(run(&["healthcheck", "--url", &url]).status.code(), Some(1), "no server");
}

/// Sockets that accept and say nothing must not hang a probe.
#[test]
fn healthcheck_gives_up() {
    let (listener, url) = listen();
    let (sender, requests) = channel();
    thread::spawn(move || {
        let (stream, _): (TcpStream, _) = listener.accept().unwrap();
        sender.send(read_request(stream.try_clone().unwrap())).unwrap();
        // Held until the probe has gone.
        let _ = (&stream).read(&mut [0]);
    });
    let silent = run(&["healthcheck", "--url", &url]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(err(&silent).contains("did not answer in 3 s"), "{}", err(&silent));
    assert_eq!(requests.iter().count(), 1);
}

const AUTH: &str =
    "auth: { jwt: { algorithms: [HS256], issuer: us, keys: [ { secret: { file: secret } } ] } }\n";

/// The claims of a token, unchecked.
fn claims(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn token_signs_with_the_configured_secret() {
    let (folder, path) = file(AUTH);
    std::fs::write(folder.path().join("secret"), "a secret of 32 bytes, or of more\n").unwrap();
    let made = run(&["token", "-c", &path, "--sub", "42", "--topics", "orders.*", "news", "--ttl", "2h"]);
    assert_eq!((made.status.code(), err(&made).as_str()), (Some(0), ""));
    let text = out(&made);
    assert_eq!(text.lines().count(), 1);
    let claims = claims(text.trim_end());
    assert_eq!((&claims["sub"], &claims["iss"]), (&"42".into(), &"us".into()));
    assert_eq!(claims["topics"], serde_json::json!(["orders.*", "news"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7200);
}

#[test]
fn token_says_why_there_is_none() {
    let none = run(&["token", "--sub", "42"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(err(&none).contains("no auth.jwt") && err(&none).contains("-c names"), "{}", err(&none));
    let (_folder, path) = file(AUTH);
    let refused = run(&["token", "-c", &path, "--sub", "42"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(err(&refused).contains("auth.jwt.keys[0].secret: "), "{}", err(&refused));
    let public = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jwt/rsa.pem");
    let (_folder, path) = file(&format!(
        "auth: {{ jwt: {{ algorithms: [RS256], keys: [ {{ pem: {{ file: {public} }} }} ] }} }}"
    ));
    let public = run(&["token", "-c", &path, "--sub", "42"]);
    assert_eq!(public.status.code(), Some(1));
    assert!(err(&public).contains("no secret to sign with"), "{}", err(&public));
}
