//! The metrics of all parts together, as Prometheus reads them.

use prometheus::{Registry, TextEncoder};
use sidestream::{admin, edge, fanout, forward, ingress, jwks, relay};

/// The exposition as a whole: names, units, HELP and TYPE, and labels from bounded sets only.
#[test]
fn the_exposition_is_well_formed() {
    let registry = Registry::new();
    admin::Metrics::register(&registry).unwrap();
    edge::Metrics::register(&registry).unwrap();
    fanout::Metrics::register(&registry).unwrap();
    ingress::Metrics::register(&registry).unwrap();
    relay::Metrics::register(&registry).unwrap();
    forward::Metrics::register(&registry).unwrap();
    jwks::Metrics::register(&registry).unwrap();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    lint(&text);
    promtool(&text);
}

/// Labels that a metric may carry; each has as many values as the configuration or the code names.
const LABELS: [&str; 7] = ["source", "outcome", "kind", "version", "rule", "reason", "code_class"];

fn lint(text: &str) {
    let mut described = std::collections::HashMap::new();
    for line in text.lines().filter(|l| l.starts_with("# ")) {
        let mut words = line.splitn(4, ' ').skip(1);
        let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
        match what {
            "HELP" => assert!(rest.ends_with('.'), "{line}"),
            "TYPE" => {
                let unit = |units: &[&str]| units.iter().any(|u| name.ends_with(u));
                assert!(name.starts_with("sidestream_") || name.starts_with("process_"), "{line}");
                assert_eq!(rest == "counter", unit(&["_total"]), "{line}");
                assert!(rest != "histogram" || unit(&["_seconds", "_bytes"]), "{line}");
                assert!(!unit(&["_ms", "_millis", "_kb", "_minutes"]), "{line}");
                assert!(described.insert(name, rest).is_none(), "described twice: {line}");
            }
            other => panic!("{other} in {line}"),
        }
    }
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
        let histogram = base.is_some_and(|b| described.get(b) == Some(&"histogram"));
        assert!(histogram || described.contains_key(name), "no TYPE: {line}");
        for label in labels.trim_end_matches('}').split(',').filter(|l| !l.is_empty()) {
            let label = label.split_once('=').unwrap().0;
            assert!(LABELS.contains(&label) || (histogram && label == "le"), "{label} in {line}");
        }
    }
    for name in [
        "webhooks_total",
        "webhook_seconds",
        "events_total",
        "event_bytes_total",
        "log_append_seconds",
        "connections",
        "log_up",
        "gaps_total",
    ] {
        assert!(described.contains_key(format!("sidestream_{name}").as_str()), "{name}");
    }
}

/// Prometheus's own lint, where it is installed.
fn promtool(text: &str) {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        assert!(std::env::var_os("CI").is_none(), "promtool is not installed");
        eprintln!("skipped: promtool is not installed");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
