//! Secrets and signatures are in nothing that anybody but the sender sees.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::fake::{Bench, post};
use super::make::{SECRET, bearer, github, sent, set, slack, source, stripe};

/// Whatever is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Hexadecimal, base64 and the like of some length: what a signature looks like.
fn signatures(request: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/_-".contains(c);
    let head = request.split("\r\n\r\n").next().unwrap();
    head.split(|c| !is_part(c)).filter(|word| word.len() >= 32).map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_that_is_said_holds_a_secret_or_a_signature() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(logged.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut said = String::new();
    let mut secret = vec![SECRET.to_owned()];
    for scheme in [github, stripe, slack, bearer] {
        let failing = |m: &mut crate::ingress::Mapping| {
            set(m, "type", "${headers['x-hub-signature-256'].size() + headers['stripe-signature'].size()}");
        };
        let bench = Bench::of(vec![source(scheme(), |m| set(m, "type", "ok"))]);
        let unmapped = Bench::of(vec![source(scheme(), failing)]);
        let good = sent(&scheme(), "", "{}");
        secret.extend(signatures(&good));
        let wrong =
            [good.replace("{}", "[]"), good.replace(SECRET, "hush-hush-husk"), post("/webhooks/s", "", "{}")];
        for request in [&good, &wrong[0], &wrong[1], &wrong[2]] {
            for bench in [&bench, &unmapped] {
                let answer = bench.ask(request).await;
                write!(said, "{} {} {}", answer.head, answer.body, bench.exposition()).unwrap();
                write!(said, "{:?} {:?}", bench.published(), bench.app.overview(None, 9)).unwrap();
            }
        }
        write!(said, "{:?} {:?}", scheme(), source(scheme(), |_| ())).unwrap();
    }
    said += &String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("no configured secret matches"), "the reasons are there");
    assert!(secret.len() > 3);
    for secret in secret {
        assert!(!said.contains(&secret), "{secret}");
    }
}
