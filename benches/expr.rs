//! Expressions: what filters, topics and data cost on a payload as GitHub sends it, and what parsing it costs.
//!
//! `cargo bench --bench expr`. A filter of three comparisons is to cost at most 2 µs, the parse apart, as all expressions
//! of a delivery share it. A budget serves some ten thousand evaluations; each batch of them gets its own, made and the
//! body parsed outside of the measured time.

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use sidestream::event::Millis;
use sidestream::expr::{Body, Budget, Known, Predicate, Request, Scope, Template, TopicTemplate};

/// Evaluations on one budget: some 30 steps each of two million.
const BATCH: u64 = 10_000;

/// Bytes of the payload.
const PAYLOAD: usize = 10 << 10;

/// A pull request event's shape: a few keys, then the repository with its many addresses, then who did it.
fn payload() -> Bytes {
    let mut text =
        String::from(r#"{"action":"opened","number":42,"pull_request":{"draft":false,"user":{"login":"a"}"#);
    for key in 0..40 {
        let _ = write!(
            text,
            r#","key_{key}":"https://api.example.com/repos/a/b/pulls/42/part/{key}","n_{key}":{key}"#
        );
    }
    text.push_str(r#"},"repository":{"id":1,"private":false,"full_name":"a/b""#);
    let mut key = 0;
    while text.len() < PAYLOAD - 120 {
        let _ = write!(text, r#","{key}_url":"https://api.example.com/repos/a/b{{/{key}}}\n""#);
        key += 1;
    }
    text.push_str(r#","default_branch":"main"},"sender":{"login":"someone","id":7,"type":"User"}}"#);
    Bytes::from(text)
}

struct Given {
    raw: Bytes,
    headers: HeaderMap,
}

impl Given {
    fn new() -> Self {
        let mut headers = HeaderMap::new();
        for n in 0..20 {
            let name = http::HeaderName::try_from(format!("x-other-{n}")).expect("a name");
            headers.insert(name, HeaderValue::from_static("a value of usual length"));
        }
        headers.insert("x-github-event", HeaderValue::from_static("pull_request"));
        Self { raw: payload(), headers }
    }

    fn scope<'a>(&'a self, budget: &'a Budget) -> Scope<'a> {
        let request = Request {
            raw: &self.raw,
            headers: &self.headers,
            query: "",
            path: "/webhooks/github",
            source: "github",
            method: "POST",
            received: Millis(1_795_510_241_007),
        };
        Scope::new(request, Body::Json(&self.raw), budget)
    }

    /// How long `count` evaluations take on a body that is parsed.
    fn time(&self, count: u64, evaluate: impl Fn(&Scope<'_>)) -> Duration {
        let parse = Predicate::compile("parse", "has(body.x) || true", Known::Request).expect("it compiles");
        let mut total = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let budget = Budget::new(self.raw.len());
            let scope = self.scope(&budget);
            assert!(parse.holds(&scope, None).expect("it holds"));
            let start = Instant::now();
            for _ in 0..left.min(BATCH) {
                evaluate(black_box(&scope));
            }
            total += start.elapsed();
            left -= left.min(BATCH);
        }
        total
    }
}

fn filters(c: &mut Criterion) {
    let given = Given::new();
    let mut group = c.benchmark_group("filter");
    for (name, text) in [
        (
            "three comparisons",
            "body.action == 'opened' && body.sender.type != 'Bot' && body.repository.default_branch == 'main'",
        ),
        ("with has", "!has(body.sender) || body.sender.type != 'Bot'"),
        ("of a header", "headers['x-github-event'] == 'pull_request'"),
        ("a pattern", "body.repository.full_name.matches('^a/[a-z]+$')"),
    ] {
        let filter = Predicate::compile("filter", text, Known::Request).expect("it compiles");
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                given.time(count, |scope| assert!(filter.holds(scope, None).expect("it is a bool")))
            });
        });
    }
    group.finish();
}

fn templates(c: &mut Criterion) {
    let given = Given::new();
    let text = "github.${body.repository.full_name}.${headers['x-github-event']}";
    let topic = TopicTemplate::compile("topic", text, Known::Request).expect("it compiles");
    c.bench_function("topic of two values", |b| {
        b.iter_custom(|count| {
            given.time(count, |scope| drop(black_box(topic.topic(scope, None).expect("it is a topic"))))
        });
    });
}

fn bodies(c: &mut Criterion) {
    let given = Given::new();
    let mut group = c.benchmark_group("body");
    group.throughput(Throughput::Bytes(given.raw.len() as u64));
    let parse = Predicate::compile("parse", "has(body.x) || true", Known::Request).expect("it compiles");
    group.bench_function("parse and drop", |b| {
        b.iter(|| {
            let budget = Budget::new(given.raw.len());
            parse.holds(&given.scope(&budget), None).expect("it holds")
        });
    });
    for (name, text) in [("raw", "${raw}"), ("parse and write", "${body}")] {
        let data = Template::compile("data", text, Known::Request).expect("it compiles");
        group.bench_function(name, |b| {
            b.iter(|| {
                let budget = Budget::new(given.raw.len());
                data.data(&given.scope(&budget), None).expect("it is data")
            });
        });
    }
    group.finish();
    c.bench_function("load a filter", |b| {
        b.iter(|| {
            Predicate::compile("filter", black_box("body.action == 'opened' && body.n > 1"), Known::Request)
        });
    });
}

/// What a delivery costs whose expressions use up its budget, until they are refused.
fn runaways(c: &mut Criterion) {
    let given = Given::new();
    let mut group = c.benchmark_group("budget used up by");
    group.sample_size(10);
    for (name, text) in [
        ("loops", "body.repository.all(a, body.repository.all(b, body.repository.all(c, true)))"),
        ("comparisons", "body.repository.all(a, body.repository.all(b, body == body))"),
        ("patterns", "body.repository.all(a, body.repository.all(b, !raw.matches('e.{150}[^ -~]')))"),
        (
            "patterns of many states",
            r"body.repository.all(a, body.repository.all(b, !raw.matches('([ -~]?){100}\\x00')))",
        ),
        ("json", "body.repository.all(a, body.repository.all(b, json(body) != ''))"),
    ] {
        let filter = Predicate::compile("filter", text, Known::Request).expect("it compiles");
        group.bench_function(name, |b| {
            b.iter(|| {
                let budget = Budget::new(given.raw.len());
                filter.holds(&given.scope(&budget), None).expect_err("it is refused")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, filters, templates, bodies, runaways);
criterion_main!(benches);
