//! Secrets and signatures are in nothing that anybody but the sender sees.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::fake::{Bench, post};
use super::make::{SECRET, bearer, github, sent, set, signed, slack, source, stripe};
use crate::secret::Secret;
use crate::verify::{Algorithm, Scheme, preset};

/// The secret of those that want it in base64.
const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

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

/// What proves who sends is nothing for subscribers, even where an expression takes all there is.
#[tokio::test]
async fn no_proof_is_seen_by_expressions() {
    let header = || preset::header("x-key".parse().unwrap(), vec![Secret::new(SECRET.as_bytes())]).unwrap();
    let query = || preset::query("key", vec![Secret::new(SECRET.as_bytes())]).unwrap();
    let gitlab = || preset::gitlab_token(vec![Secret::new(SECRET.as_bytes())]).unwrap();
    for scheme in [github, stripe, slack, bearer, header, gitlab] {
        let all =
            "${json(headers)}${size(headers)}${headers.map(name, name)}${headers.exists(n, n == 'x-own')}";
        let bench = Bench::of(vec![source(scheme(), |m| set(m, "data", all))]);
        let extra =
            "X-Own: seen\r\nCookie: a=hush-hush-hush\r\nProxy-Authorization: Basic hush-hush-hush\r\n";
        let request = sent(&scheme(), extra, "{}");
        let signature = signed(&scheme(), "/webhooks/s", "{}");
        assert_eq!(bench.ask(&request).await.status, 202);
        let data = bench.published().remove(0).2;
        assert!(data.contains("\"x-own\":\"seen\"") && data.ends_with("true"), "{data}");
        assert!(!data.contains(SECRET) && !data.contains("cookie"), "{data}");
        for hidden in
            signatures(&signature).iter().map(String::as_str).chain(["authorization", "x-key", "signature"])
        {
            assert!(!data.contains(hidden), "{hidden}: {data}");
        }
        // Nor when it is asked for by name.
        let name = signature.lines().last().unwrap().split(':').next().unwrap().to_uppercase();
        let asked = format!("headers['{name}']");
        let bench = Bench::of(vec![source(scheme(), |m| set(m, "data", &format!("${{{asked}}}")))]);
        assert_eq!(bench.ask(&request).await.status, 422, "{asked}");
    }
    for source in [source(query(), |m| set(m, "data", "${json(query)}")), {
        let mut source = source(crate::verify::Scheme::none(), |m| set(m, "data", "${json(query)}"));
        source.handshake.event_grid = crate::content::handshake::EventGrid::Query {
            parameter: "key".into(),
            secrets: vec![Secret::new(SECRET.as_bytes())],
        };
        source
    }] {
        let bench = Bench::of(vec![source]);
        let target = format!("/webhooks/s?a=b&k%65y={SECRET}&c=d");
        assert_eq!(bench.ask(post(&target, "", "{}")).await.status, 202);
        assert_eq!(bench.published()[0].2, r#"{"a":"b","c":"d"}"#);
    }
}

/// What is kept for operators is the reason, and not what the sender wrote.
#[tokio::test]
async fn the_last_error_quotes_nothing_of_the_request() {
    let own = "hush-hush-hush";
    let envelope = |specversion: &str, more: &str| {
        format!(r#"{{"specversion":"{specversion}","id":"1","source":"/s","type":"t"{more}}}"#)
    };
    let (cloud, batch) = (
        "Content-Type: application/cloudevents+json\r\n",
        "Content-Type: application/cloudevents-batch+json\r\n",
    );
    for (method, head, body) in [
        ("HUSH-HUSH-HUSH", String::new(), String::new()),
        ("POST", format!("Content-Encoding: {own}\r\n"), "{}".to_owned()),
        ("POST", format!("Content-Type: application/cloudevents+{own}\r\n"), "{}".to_owned()),
        ("POST", cloud.to_owned(), envelope(own, "")),
        ("POST", cloud.to_owned(), envelope("1.0", &format!(r#","{own}":"x""#))),
        ("POST", batch.to_owned(), format!("[{}]", envelope(own, ""))),
        (
            "POST",
            format!("ce-specversion: {own}\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"),
            "{}".to_owned(),
        ),
    ] {
        let bench = Bench::of(vec![source(bearer(), |_| ())]);
        let request = sent(&bearer(), &head, &body).replacen("POST", method, 1);
        let answer = bench.ask(&request).await;
        assert!((400..500).contains(&answer.status), "{request}");
        let told = format!("{:?}", bench.app.overview(None, 9)).to_lowercase();
        assert!(told.contains("text: \""), "{told}");
        assert!(!told.contains(own), "{told}");
        assert!(answer.body.to_lowercase().contains(own), "the sender is told: {}", answer.body);
    }
}

/// Schemes whose senders can be played by a secret and a body alone.
fn every() -> Vec<Scheme> {
    let five = std::time::Duration::from_mins(5);
    let (text, texts) = ([Secret::new(SECRET.as_bytes())], || vec![Secret::new(SECRET.as_bytes())]);
    let key = [Secret::new(WHSEC.as_bytes())];
    let all = [
        preset::standard(&key, five),
        preset::svix(&key, five),
        preset::gitlab_signed(&key, five),
        preset::gitlab_token(texts()),
        preset::gitea(&text),
        preset::forgejo(&text),
        preset::shopify(&text),
        preset::meta(&text),
        preset::websub(&text, &[Algorithm::Sha256]),
        preset::grafana(&text, preset::GrafanaHeaders::default(), five),
        preset::basic("user", &text),
        preset::header("x-key".parse().unwrap(), texts()),
    ];
    let all = all.into_iter().map(Result::unwrap);
    all.chain([github(), stripe(), slack(), bearer()]).collect()
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
    let mut secret = vec![SECRET.to_owned(), WHSEC[6..].to_owned()];
    for scheme in every() {
        let scheme = || scheme.clone();
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
