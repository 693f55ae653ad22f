//! `webhooks`: how many are accepted per second when nobody listens.

use std::time::Instant;

use super::Outcome;
use crate::Res;
use crate::args::Args;
use crate::contender::Contender;
use crate::procfs::Cpu;
use crate::publisher::{Plan, Route, Until, publish};
use crate::stats::Histogram;

pub const LANES: u8 = 64;

pub fn run(contender: &Contender, args: &Args) -> Res<Outcome> {
    let mut plan = Plan {
        route: Route::One(contender.accept.clone()),
        lanes: LANES,
        rate: None,
        clock: Instant::now(),
        until: Until::Time(Instant::now() + args.warm_up()),
    };
    publish(&plan)?;
    let pids = contender.pids();
    let before = Cpu::now(&pids);
    plan.clock = Instant::now();
    plan.until = Until::Time(plan.clock + args.window());
    let published = publish(&plan)?;
    let seconds = plan.clock.elapsed().as_secs_f64();
    let after = Cpu::now(&pids);

    let mut waits = Histogram::new();
    published.answers.iter().for_each(|answer| waits.record(answer.wait_micros as u32));
    let count = published.answers.len() as f64;
    let mut outcome = Outcome::default();
    outcome.figures.extend([
        ("webhooks_per_s", count / seconds),
        ("cpu_us_per_webhook", (after.server - before.server) / count),
        ("refused", f64::from(published.refused)),
    ]);
    outcome.figures.extend(after.cores_since(&before, seconds));
    for (name, quantile) in [("wait_p50_us", 0.5), ("wait_p99_us", 0.99)] {
        outcome.figures.extend(waits.quantile(quantile).map(|value| (name, value)));
    }
    Ok(outcome)
}
