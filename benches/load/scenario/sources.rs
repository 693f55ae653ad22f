//! `sources`: what it costs to verify, parse and map a webhook as GitHub sends it, beside taking the same one as it comes.
//!
//! One server has a source for each way of taking it. They are posted to in turn, a slice of time each, so that whatever
//! the machine does besides meets all of them:
//!
//! ```text
//! warm-up of all │ plain · text · verified · mapped · github │ github · mapped · … · plain │ plain · …
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Outcome, webhooks};
use crate::args::Args;
use crate::contender::{Contender, Endpoint};
use crate::github::{self, Webhook};
use crate::procfs::Cpu;
use crate::publisher::{Plan, RequestOf, Route, Until, publish};
use crate::stats::median;
use crate::{Res, metrics};

/// `github` is as in the contract, less its rate and relay. `verified` and `mapped` are its two halves.
pub const SETTINGS: &str = r#"
sources:
  - { name: plain, path: /webhooks/plain, verify: none, topic: bench.plain }
  - name: verified
    path: /webhooks/verified
    verify: { github: { secrets: [ "It's a secret to everybody but this bench" ] } }
    topic: bench.verified
    dedupe: { window: 24h }
  - name: mapped
    path: /webhooks/mapped
    verify: none
    topic: "mapped.${headers['x-github-event']}"
    type: "${headers['x-github-event']}"
    id: "${headers['x-github-delivery']}"
    filter: "!has(body.sender) || body.sender.type != 'Bot'"
    data: "${raw}"
    dedupe: { window: 24h }
  - name: github
    path: /webhooks/github
    verify: { github: { secrets: [ "It's a secret to everybody but this bench" ] } }
    topic: "github.${headers['x-github-event']}"
    type: "${headers['x-github-event']}"
    id: "${headers['x-github-delivery']}"
    filter: "!has(body.sender) || body.sender.type != 'Bot'"
    data: "${raw}"
    dedupe: { window: 24h }
"#;

/// Slices that each way's window is cut into: an even number, as every other pass goes backwards.
const SLICES: u32 = 4;

/// A way of taking the webhook.
struct Way {
    source: &'static str,
    topic: &'static str,
    /// CPU per webhook, its ratio to the plain way, and the median wait.
    figures: [&'static str; 3],
    webhook: Arc<Webhook>,
    taken: Taken,
}

/// What was accepted in a way's slices.
#[derive(Default)]
struct Taken {
    count: f64,
    server_micros: f64,
    /// Warm-up included.
    accepted: u64,
    refused: u32,
    waits: Vec<f64>,
}

pub fn run(contender: &Contender, args: &Args) -> Res<Outcome> {
    let (payload, text) = (github::payload()?, github::text());
    let way = |source, topic, figures, media_type, body: &[u8]| -> Res<Way> {
        let endpoint = contender.accept.at(format!("/webhooks/{source}"));
        let webhook = Arc::new(Webhook::new(&endpoint, media_type, body)?);
        Ok(Way { source, topic, figures, webhook, taken: Taken::default() })
    };
    let mut ways = [
        way("plain", "bench.plain", ["cpu_us_plain", "", "wait_us_plain"], JSON, &payload)?,
        way("plain", "bench.plain", ["cpu_us_text", "", "wait_us_text"], "text/plain", &text)?,
        way(
            "verified",
            "bench.verified",
            ["cpu_us_verified", "ratio_verified", "wait_us_verified"],
            JSON,
            &payload,
        )?,
        way("mapped", "mapped.push", ["cpu_us_mapped", "ratio_mapped", "wait_us_mapped"], JSON, &payload)?,
        way("github", "github.push", ["cpu_us_github", "ratio_github", "wait_us_github"], JSON, &payload)?,
    ];
    let (pids, numbers) = (contender.pids(), Arc::new(AtomicU64::new(0)));
    let count = ways.len() as u32;
    for way in &mut ways {
        way.slice(&contender.accept, &numbers, args.warm_up() / count, None)?;
    }
    let (begun, before) = (Instant::now(), Cpu::now(&pids));
    for pass in 0..SLICES {
        let length = args.window() / SLICES;
        let slice = |way: &mut Way| way.slice(&contender.accept, &numbers, length, Some(&pids));
        if pass % 2 == 0 {
            ways.iter_mut().try_for_each(slice)?;
        } else {
            ways.iter_mut().rev().try_for_each(slice)?;
        }
    }
    let cores = Cpu::now(&pids).cores_since(&before, begun.elapsed().as_secs_f64());
    let mut outcome = Outcome::default();
    outcome.figures.extend(cores);
    judge(contender, &mut ways, (&payload, &text), &mut outcome)?;
    Ok(outcome)
}

const JSON: &str = "application/json";

impl Way {
    /// Posts for a time as fast as it is answered; counted when `pids` of the server are given.
    fn slice(
        &mut self,
        to: &Endpoint,
        numbers: &Arc<AtomicU64>,
        time: Duration,
        pids: Option<&[u32]>,
    ) -> Res<()> {
        let (webhook, numbers) = (Arc::clone(&self.webhook), Arc::clone(numbers));
        // Numbers go on from slice to slice: no delivery is the same as another.
        let made: RequestOf = Arc::new(move |_, request: &mut Vec<u8>| {
            webhook.write(numbers.fetch_add(1, Ordering::Relaxed), request);
        });
        let before = pids.map(Cpu::now);
        let clock = Instant::now();
        let plan = Plan {
            route: Route::Made(to.clone(), made),
            lanes: webhooks::LANES,
            rate: None,
            clock,
            until: Until::Time(clock + time),
        };
        let published = publish(&plan)?;
        let taken = &mut self.taken;
        taken.accepted += published.answers.len() as u64;
        taken.refused += published.refused;
        if let (Some(pids), Some(before)) = (pids, before) {
            taken.server_micros += Cpu::now(pids).server - before.server;
            taken.count += published.answers.len() as f64;
            taken.waits.extend(published.answers.iter().map(|answer| f64::from(answer.wait_micros)));
        }
        Ok(())
    }
}

/// The figures; and whether everything that was answered with 2xx was published, and as it came.
fn judge(
    contender: &Contender,
    ways: &mut [Way],
    (payload, text): (&[u8], &[u8]),
    outcome: &mut Outcome,
) -> Res<()> {
    let admin = contender.metrics.as_ref().ok_or("no admin listener")?;
    let (mut refused, mut missing, mut detail) = (0.0, 0.0, json!({}));
    let (plain, as_text) = (ways[0].taken.per_webhook()?, ways[1].taken.per_webhook()?);
    outcome.figures.insert("ratio_json", plain / as_text);
    for way in ways.iter_mut() {
        let [cpu, ratio, wait] = way.figures;
        let each = way.taken.per_webhook()?;
        outcome.figures.insert(cpu, each);
        if !ratio.is_empty() {
            outcome.figures.insert(ratio, each / plain);
        }
        outcome.figures.extend(median(&mut way.taken.waits).map(|micros| (wait, micros)));
        refused += f64::from(way.taken.refused);
        detail[cpu] = json!({ "webhooks": way.taken.count });

        let page = metrics::json(&contender.subscribe.at(format!("/topics/{}?last=1", way.topic)))?;
        let data = page["events"][0]["data"].as_str().unwrap_or_default().as_bytes();
        if data != payload && data != text {
            return Err(format!("the last event of {} is not what was posted", way.topic).into());
        }
    }
    for source in ["plain", "verified", "mapped", "github"] {
        let accepted: u64 =
            ways.iter().filter(|way| way.source == source).map(|way| way.taken.accepted).sum();
        let events = metrics::value(admin, &format!("sidestream_events_total{{source=\"{source}\"}}"))?;
        missing += (accepted as f64 - events).abs();
    }
    outcome.figures.extend([("refused", refused), ("missing", missing)]);
    outcome.detail = detail;
    Ok(())
}

impl Taken {
    fn per_webhook(&self) -> Res<f64> {
        if self.count > 0.0 {
            Ok(self.server_micros / self.count)
        } else {
            Err("nothing was accepted".into())
        }
    }
}

/// Own check of what is posted.
pub fn check() -> Res<()> {
    github::check()?;
    if SETTINGS.contains(github::SECRET) { Ok(()) } else { Err("own check failed: the secret".into()) }
}
