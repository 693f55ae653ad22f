//! Steps of a program's own, and the dry run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::fake::{Bench, post, settings};
use super::make::{NOW, github, json, open, saying, sent, signed, source};
use crate::event::{Event, Topic};
use crate::ingress::{
    Captured, Context, Denied, DryEnd, Mapping, NamedStep, NotTried, Registry, Settings, Source, SourcePath,
    Sources, Step, StepName, TopicRule, dry_run,
};

/// Does to events what its function says.
struct By<F>(F);

impl<F> Step for By<F>
where
    F: Fn(&Context<'_>, Vec<Event>) -> Result<Vec<Event>, Denied> + Send + Sync + 'static,
{
    fn apply(&self, context: &Context<'_>, events: Vec<Event>) -> Result<Vec<Event>, Denied> {
        (self.0)(context, events)
    }
}

fn stepping<F>(step: F) -> Source
where
    F: Fn(&Context<'_>, Vec<Event>) -> Result<Vec<Event>, Denied> + Send + Sync + 'static,
{
    Source { steps: vec![NamedStep { name: "own".into(), step: Arc::new(By(step)) }], ..open(|_| ()) }
}

#[tokio::test]
async fn a_step_changes_leaves_out_or_refuses() {
    let bench = Bench::of(vec![stepping(|context, mut events| {
        assert_eq!((context.source, context.request.body), ("s", &b"{}"[..]));
        events[0].data = Bytes::from_static(b"redacted");
        Ok(events)
    })]);
    assert_eq!(bench.ask(json("{}")).await.status, 202);
    assert_eq!(bench.published()[0].2, "redacted");

    let bench = Bench::of(vec![stepping(|_, _| Ok(Vec::new()))]);
    assert_eq!(bench.ask(json("{}")).await.json()["events"], serde_json::json!([]));
    bench.refused("filtered");

    let bench = Bench::of(vec![stepping(|_, _| Err(Denied("it is Sunday".into())))]);
    let answer = bench.ask(json("{}")).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.body.contains("Sunday"), "{}", answer.body);
    bench.refused("denied");
    let error = bench.app.overview(None, 9).unwrap()[0].last_error.clone().unwrap();
    assert_eq!(error.text, "the step own refused it: it is Sunday");
}

/// Whatever a step makes of it, the second time too: other topics, and more events or fewer.
#[tokio::test]
async fn a_repeated_delivery_is_a_duplicate_whatever_a_step_makes_of_it() {
    let calls = AtomicUsize::new(0);
    let source = Source {
        path: SourcePath::standard(),
        mapping: Mapping::to(TopicRule::Path),
        ..stepping(move |_, mut events| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            events[0].topic = Topic::parse(&format!("t{call}")).unwrap();
            Ok(vec![events.remove(0); 1 + call % 2])
        })
    };
    let bench = Bench::of(vec![source]);
    let request = post("/webhooks/o", "Sidestream-Id: 1\r\n", "{}");
    for duplicate in [false, true, true, true] {
        assert_eq!(bench.ask(&request).await.json()["duplicate"], duplicate);
    }
    assert_eq!(bench.published(), [("t0".into(), None, "{}".into())]);
}

#[tokio::test]
async fn what_a_step_makes_is_checked() {
    for (step, status, outcome) in
        [(Bytes::from_static(b"\xff"), 415, "malformed"), (Bytes::from_static(b"many"), 413, "too_large")]
    {
        let bench = Bench::of(vec![stepping(move |_, events| {
            let count = if step == "many" { crate::event::limits::DELIVERY_EVENTS + 1 } else { 1 };
            Ok(vec![Event { data: step.clone(), ..events[0].clone() }; count])
        })]);
        assert_eq!(bench.ask(json("{}")).await.status, status);
        bench.refused(outcome);
    }
}

#[test]
fn a_step_is_registered_once_under_a_good_name() {
    let build = |_: &serde_json::Value| Ok(By(|_: &Context<'_>, events| Ok(events)));
    let registry = Registry::new().step("own", build).unwrap();
    assert_eq!(registry.step_names().collect::<Vec<_>>(), ["own"]);
    assert!(registry.build_step("own", &serde_json::Value::Null).unwrap().is_ok());
    assert!(registry.build_step("other", &serde_json::Value::Null).is_none());
    assert!(registry.step("own", build).is_err());
    for name in ["", "Own", "a b", "a.b"] {
        assert!(Registry::new().step(name, build).is_err(), "{name:?}");
    }
}

fn captured(target: &str, head: &str, body: &str) -> Captured {
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    Captured { method: Method::POST, target: target.into(), headers, body, received: NOW }
}

/// The steps of one event that is published.
const STEPS: [StepName; 9] = [
    StepName::Route,
    StepName::Verify,
    StepName::Read,
    StepName::Id,
    StepName::Type,
    StepName::Topic,
    StepName::Filter,
    StepName::Data,
    StepName::Dedupe,
];

/// Whatever the ingress does, the dry run tells, and the reverse.
#[tokio::test]
async fn the_dry_run_says_what_the_ingress_does() {
    let cases = [
        ("{\"t\":\"a\"}", Some(202)),
        ("{\"t\":\"no\"}", Some(202)),
        ("{}", Some(422)),
        ("nothing", Some(422)),
    ];
    let make = || {
        let mapping = saying(&[("type", "${body.t}"), ("filter", "body.t != 'no'")]).mapping;
        Source { mapping, ..source(github(), |_| ()) }
    };
    for (body, status) in cases {
        let bench = Bench::of(vec![make()]);
        let answer = bench.ask(sent(&github(), "", body)).await;
        assert_eq!(Some(answer.status), status, "{body}");
        let with = Settings { sources: Sources::new(vec![make()]), max_body: 1 << 20, ..settings() };
        let tried = captured("/webhooks/s", &signed(&github(), "/webhooks/s", body), body);
        let run = dry_run(&with, Some("s"), &tried).unwrap();
        match run.end {
            DryEnd::Append(delivery) => {
                assert_eq!(bench.published().len(), delivery.events.len());
                let steps: Vec<_> = run.steps.iter().map(|report| report.step).collect();
                assert_eq!(steps, STEPS);
                assert_eq!(run.steps[1].said, Ok("by github, with secret 0".into()));
            }
            DryEnd::Filtered => assert_eq!((answer.status, bench.published()), (202, vec![])),
            DryEnd::Refused { status, outcome, .. } => {
                assert_eq!((status, outcome), (answer.status, "unmapped"));
                assert_eq!(bench.published(), []);
            }
            DryEnd::Handshake(_) => panic!("{body}"),
        }
    }
    let with = Settings { sources: Sources::new(vec![make()]), ..settings() };
    let forged = dry_run(&with, None, &captured("/webhooks/s", "", "{}")).unwrap();
    assert!(matches!(forged.end, DryEnd::Refused { status: 401, outcome: "unauthorized", .. }), "{forged:?}");
    let nowhere = dry_run(&with, None, &captured("/webhooks/x", "", "{}")).unwrap_err();
    assert_eq!(nowhere, NotTried::NoSource("/webhooks/x".into()));
    assert!(dry_run(&with, Some("x"), &captured("/webhooks/s", "", "{}")).is_err());
}
