//! The example as it is run: its own binary, a request that is taken, and some that are not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

const SECRET: &str = "the secret of this test";

/// The example's binary. It is built here, since cargo builds examples for some ways of running the tests only.
fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--example", "custom-verifier"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
        // This test is in the folder `deps` beside the examples.
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().join("examples/custom-verifier")
    })
}

fn custom(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).env("ACME_SECRET", SECRET).env_remove("SIDESTREAM_CONFIG").stdin(Stdio::null());
    command
}

fn with_input(mut command: Command, input: &str) -> Output {
    let pipe = Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The example's configuration, on free ports.
fn configuration() -> (tempfile::TempDir, String) {
    let own = std::fs::read_to_string("examples/custom-verifier/sidestream.yaml").unwrap();
    let listeners = ["edge", "ingress", "admin"].map(|name| format!("{name}: {{ listen: 127.0.0.1:0 }}\n"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidestream.yaml");
    std::fs::write(&path, listeners.concat() + &own).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The program, ended when dropped.
struct Running {
    child: Child,
    edge: String,
    ingress: String,
}

impl Running {
    fn start(path: &str) -> Self {
        let mut child =
            custom(&["serve", "-c", path]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut banner = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |name: &str| {
            let line = banner.find(|line| line.trim_start().starts_with(name)).expect("a banner");
            line.split_whitespace().nth(1).unwrap().trim_start_matches("http://").to_owned()
        };
        let (edge, ingress) = (address("edge"), address("ingress"));
        Self { child, edge, ingress }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads the whole answer.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn request(fields: &str, body: &str) -> String {
    let fields = fields.replace('\n', "\r\n");
    let length = body.len();
    format!(
        "POST /webhooks/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    )
}

fn sign(path: &str, body: &str) -> String {
    let signed = with_input(custom(&["sign", "-c", path, "--source", "orders"]), body);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    String::from_utf8(signed.stdout).unwrap()
}

#[test]
fn one_request_is_taken_and_others_are_refused() {
    let (_folder, path) = configuration();
    let running = Running::start(&path);
    let order = r#"{"event":"paid","order":7,"card":"4242"}"#;
    let fields = sign(&path, order);
    let taken = ask(&running.ingress, &request(&fields, order));
    assert!(taken.starts_with("HTTP/1.1 202 ") && taken.contains(r#""topic":"orders.7""#), "{taken}");
    let again = ask(&running.ingress, &request(&fields, order));
    assert!(again.contains(r#""duplicate":true"#), "{again}");

    let forged = ask(&running.ingress, &request(&fields, &order.replace('7', "8")));
    assert!(forged.starts_with("HTTP/1.1 401 "), "{forged}");
    let unsigned = ask(&running.ingress, &request("", order));
    assert!(unsigned.starts_with("HTTP/1.1 401 "), "{unsigned}");

    let page = "GET /topics/orders.*?since=start HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
    let page = ask(&running.edge, page);
    assert!(page.contains(r#""topic":"orders.7","type":"paid""#), "{page}");
    assert!(page.contains(r#""data":"{\"event\":\"paid\",\"order\":7}""#), "{page}");
    assert!(!page.contains("4242") && !page.contains("orders.8"), "{page}");
}

#[test]
fn the_commands_know_the_verifier_and_the_step() {
    let (_folder, path) = configuration();
    assert!(custom(&["check", "-c", &path]).output().unwrap().status.success());

    let order = r#"{"event":"paid","order":7,"card":"4242"}"#;
    let captured = request(&sign(&path, order), order);
    let eval = |captured: &str| {
        let args = ["eval", "-c", &path, "--source", "orders", "--request", "-"];
        let output = with_input(custom(&args), captured);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = eval(&captured);
    assert_eq!(code, Some(0), "{text}");
    for line in ["verify    by acme, with secret 0\n", "step      redact: 1 events\n", "topic     orders.7\n"]
    {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("event 0   orders.7, type paid: {\"event\":\"paid\",\"order\":7}\n"), "{text}");
    let (code, text) = eval(&captured.replace("4242", "4243"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("verify    refused: no configured secret matches\n"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

/// sidestream itself, without the verifier, must not take the source for one that needs none.
#[test]
fn without_it_the_configuration_is_refused() {
    let (_folder, path) = configuration();
    let mut plain = Command::new(env!("CARGO_BIN_EXE_sidestream"));
    let checked = plain.args(["check", "-c", &path]).env("ACME_SECRET", SECRET).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(78), "{text}");
    assert!(text.contains("sources[0].verify.acme: unknown verifier;"), "{text}");
    assert!(text.contains("sources[0].steps[0]: unknown step;"), "{text}");
}

#[test]
fn settings_that_are_wrong_are_told_without_their_values() {
    for (good, wrong, told) in [
        (
            "secrets: [ { env: ACME_SECRET } ]",
            "secrets: hush",
            "verify.acme: expected { secrets: [ { env: NAME } ] }",
        ),
        ("fields: [ card ]", "fields: []", "steps[0]: expected { fields: [ name ] }"),
    ] {
        let (_folder, path) = configuration();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(good, wrong)).unwrap();
        let checked = custom(&["check", "-c", &path]).output().unwrap();
        let text = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(78), "{text}");
        assert!(text.contains(told) && !text.contains("hush"), "{text}");
    }
}
