//! What the documents on sources show is what there is: configurations load, and expressions give what stands beside them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn document(name: &str) -> String {
    std::fs::read_to_string(format!("docs/{name}.md")).unwrap()
}

/// The fenced blocks of a kind, of which there is at least one.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), None::<String>);
    for line in text.lines() {
        match &mut open {
            None if line.strip_prefix("```") == Some(kind) => open = Some(String::new()),
            // Another block, whose end must not be taken for a beginning.
            None => {}
            Some(_) if line.starts_with("```") => found.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(!found.is_empty(), "{kind}");
    found
}

fn sidestream(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestream"));
    command.args(args).env_remove("SIDESTREAM_CONFIG");
    for name in environment() {
        command.env(name, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
    let pipe = Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The secrets that the documents take from the environment.
fn environment() -> BTreeSet<String> {
    let named = |text: &str| -> Vec<String> {
        text.split("{ env: ").skip(1).filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect()
    };
    ["sources", "expressions", "relay"].iter().flat_map(|name| named(&document(name))).collect()
}

fn write(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("sidestream.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What goes wrong with a block names its own lines; the source that it is of is in there too.
#[test]
fn configurations_load() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sources", "expressions", "relay", "forward"] {
        for block in blocks(&document(name), "yaml") {
            // An app to hand on to is said elsewhere.
            let app = if block.contains("relay: upstream") {
                "edge: { upstream: \"http://127.0.0.1:3000\" }\n"
            } else {
                ""
            };
            let checked = sidestream(&["check", "-c", &write(&folder, &format!("{app}{block}"))], "");
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            assert!(checked.status.success(), "{name}: {said}\n{block}");
            assert!(!said.contains("warning"), "{name}: {said}\n{block}");
        }
    }
}

/// The one of plugins.md is the example's, which is tried with the program that it needs.
#[test]
fn the_plug_in_is_the_examples() {
    let example = std::fs::read_to_string("examples/custom-verifier/sidestream.yaml").unwrap();
    assert_eq!(blocks(&document("plugins"), "yaml"), [example]);
}

/// Every key of a source stands in the table of sources.md.
#[test]
fn every_key_of_a_source_is_there() {
    let schema = String::from_utf8(sidestream(&["schema"], "").stdout).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let text = document("sources");
    let of = |path: &str| {
        let keys = schema.pointer(path).and_then(Value::as_object).unwrap_or_else(|| panic!("{path}"));
        keys.keys().cloned().collect::<Vec<_>>()
    };
    let rows: String = text.lines().filter(|line| line.starts_with('|')).collect();
    for key in of("/properties/sources/items/properties") {
        assert!(rows.contains(&format!("`{key}`")), "{key}");
    }
    for verifier in of("/properties/sources/items/properties/verify/properties") {
        assert!(rows.contains(&format!("`{verifier}`")), "{verifier}");
    }
    for key in of("/properties/sources/items/properties/handshake/properties") {
        assert!(text.contains(&format!("`{key}`")) || text.contains(&format!("{key}: ")), "{key}");
    }
}

/// The lines of a kind of block: what is written, and what it gives.
fn examples(kind: &str) -> Vec<(String, String)> {
    let blocks = blocks(&document("expressions"), kind).concat();
    let parted = |line: &str| {
        let (written, gives) = line.rsplit_once(" // ").unwrap_or_else(|| panic!("{line}"));
        (written.trim_end().to_owned(), gives.to_owned())
    };
    blocks.lines().map(parted).collect()
}

#[test]
fn expressions_give_what_stands_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let request = &blocks(&document("expressions"), "http")[0];
    // One source for each, with the name and the path that the page speaks of.
    let try_one = |key: &str, written: &str| {
        let topic = if key == "topic" { "" } else { "    topic: t\n" };
        let text = serde_json::to_string(written).unwrap();
        let mut source =
            String::from("sources:\n  - name: github\n    path: /webhooks/github\n    verify: none\n");
        let _ = writeln!(source, "{topic}    {key}: {text}");
        let path = write(&folder, &source);
        let told =
            sidestream(&["eval", "-c", &path, "--source", "github", "--request", "-", "--json"], request);
        let said =
            String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        let told: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{written}: {said}"));
        assert_eq!(told["outcome"], "accepted", "{written}: {}", told["why"]);
        told["events"][0].clone()
    };
    for (written, gives) in examples("cel") {
        // As JSON, so that text has its quotes.
        let event = try_one("data", &format!("${{json({written})}}"));
        assert_eq!(event["data"], gives, "{written}");
    }
    for (written, gives) in examples("data") {
        assert_eq!(try_one("data", &written)["data"], gives, "{written}");
    }
    for (written, gives) in examples("topic") {
        assert_eq!(try_one("topic", &written)["topic"], gives, "{written}");
    }
}

/// What the README says of descriptors is what they are shared out to.
#[test]
fn descriptors_are_shared_out_as_it_says() {
    let readme = std::fs::read_to_string("README.md").unwrap().replace('\n', " ");
    for (open_files, said) in [
        (1024, "with 1,024 descriptors there is room for {} subscribers"),
        (20_000, "with 20,000 for {},"),
        (65_536, "with 65,536 for {},"),
        (1 << 20, "with a million for the default limit of {}."),
    ] {
        let room = sidestream::net::Budget::share(open_files, 100_000).subscribers;
        let (thousands, rest) = (room / 1000, room % 1000);
        let room = if thousands > 0 { format!("{thousands},{rest:03}") } else { rest.to_string() };
        let said = said.replace("{}", &room);
        assert!(readme.contains(&said), "{said}");
    }
}
