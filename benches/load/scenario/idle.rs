//! `idle`: what a connection that hears nothing costs in memory.

use std::thread::sleep;
use std::time::Duration;

use super::Outcome;
use crate::args::Args;
use crate::contender::Contender;
use crate::subscribers::Subscribers;
use crate::{Res, procfs};

/// Opened and closed before the first look, so that code and pools touched once are not counted as connections.
const WARM_UP: usize = 100;
const SETTLE: Duration = Duration::from_secs(2);

pub fn run(contender: &Contender, args: &Args) -> Res<Outcome> {
    drop(Subscribers::connect(&contender.subscribe, WARM_UP)?);
    sleep(SETTLE);
    let pids = contender.pids();
    let look = || Ok::<_, crate::Failure>((procfs::pss_bytes(&pids)?, procfs::tcp_buffer_bytes()));
    let (pss_before, tcp_before) = look()?;
    let cpu_before = procfs::cpu_micros(&pids);
    let subscribers = Subscribers::connect(&contender.subscribe, args.connections())?;
    sleep(SETTLE);
    let (pss, tcp) = look()?;
    let cpu = procfs::cpu_micros(&pids) - cpu_before;
    drop(subscribers);

    let count = args.connections() as f64;
    let mut outcome = Outcome::default();
    outcome.figures.extend([
        ("pss_per_connection", (pss - pss_before) / count),
        ("tcp_buffer_per_connection", (tcp - tcp_before) / count),
        ("cpu_us_per_connect", cpu / count),
        ("pss_start", pss_before),
    ]);
    Ok(outcome)
}
