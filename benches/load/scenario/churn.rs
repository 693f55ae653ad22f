//! `churn`: many connections come and are closed by their clients, again and again; nothing may be left of them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use crate::args::Args;
use crate::contender::{Contender, Endpoint};
use crate::subscribers::Subscribers;
use crate::{Res, metrics, procfs, sys};

const GAUGE: &str = "sidestream_connections";
/// The gauge is waited for this long; the target is 2 s.
const GAUGE_LIMIT: Duration = Duration::from_secs(15);
/// Those without a gauge get this long to notice that all have left.
const SETTLE: Duration = Duration::from_secs(2);

pub fn run(contender: &Contender, args: &Args) -> Res<Outcome> {
    let (mut pss, mut zero) = (Vec::new(), Vec::new());
    for _ in 0..args.cycles() {
        let subscribers = Subscribers::connect(&contender.subscribe, args.connections())?;
        if let Some(endpoint) = &contender.metrics {
            wait_for_gauge(endpoint, args.connections())?;
        }
        drop(subscribers);
        if let Some(endpoint) = &contender.metrics {
            zero.push(wait_for_gauge(endpoint, 0)?.as_secs_f64());
        }
        sleep(SETTLE);
        pss.push(procfs::pss_bytes(&contender.pids())?);
    }
    let (second, last) = (pss[1.min(pss.len() - 1)], pss[pss.len() - 1]);
    let mut outcome =
        Outcome { detail: json!({ "pss_bytes": pss, "gauge_zero_s": zero }), ..Outcome::default() };
    outcome.figures.extend([
        ("pss_second_cycle", second),
        ("pss_last_cycle", last),
        ("growth", last / second),
    ]);
    outcome.figures.extend(zero.into_iter().reduce(f64::max).map(|slowest| ("zero_s", slowest)));
    Ok(outcome)
}

/// How long it takes the gauge to show `wanted`.
pub fn wait_for_gauge(endpoint: &Endpoint, wanted: usize) -> Res<Duration> {
    let begun = Instant::now();
    loop {
        sys::check_stop()?;
        let shown = metrics::value(endpoint, GAUGE)? as usize;
        let after = begun.elapsed();
        if shown == wanted {
            return Ok(after);
        }
        if after > GAUGE_LIMIT {
            return Err(format!("{GAUGE} is {shown} after {after:.1?}, not {wanted}").into());
        }
        sleep(Duration::from_millis(20));
    }
}
