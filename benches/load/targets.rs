//! The figures sidestream is held to, beside what was measured.

use crate::contender::Kind::{Floor, Nchan, Pingora, Sidestream};
use crate::report::{Report, number, render};
use crate::scenario::FAULTS;
use crate::scenario::Scenario::{self, Churn, Cpu, Idle, Throughput, Webhooks};

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

struct Target {
    what: &'static str,
    limit: Limit,
    unit: &'static str,
    measured: Option<f64>,
}

/// The table of targets; `None` when sidestream was not among the contenders.
pub fn table(report: &Report) -> Option<String> {
    let targets = targets(report);
    if targets.iter().all(|target| target.measured.is_none()) {
        return None;
    }
    let mut table = vec![["target", "asked", "measured", "verdict"].map(str::to_owned).to_vec()];
    for Target { what, limit, unit, measured } in targets {
        let (sign, bound) = match limit {
            Limit::AtMost(bound) => ("≤", bound),
            Limit::AtLeast(bound) => ("≥", bound),
        };
        let verdict = measured.map(|value| match limit {
            Limit::AtMost(bound) => value <= bound,
            Limit::AtLeast(bound) => value >= bound,
        });
        let verdict = match verdict {
            Some(true) => "pass",
            Some(false) => "MISS",
            None => "not measured",
        };
        let measured = measured.map_or("–".into(), |value| format!("{} {unit}", number(value)));
        let asked = format!("{sign} {} {unit}", number(bound));
        table.push(vec![what.to_owned(), asked, measured, verdict.to_owned()]);
    }
    Some(render(&table))
}

fn targets(report: &Report) -> Vec<Target> {
    let at_most = |what, bound, unit, measured| Target { what, limit: Limit::AtMost(bound), unit, measured };
    let at_least =
        |what, bound, unit, measured| Target { what, limit: Limit::AtLeast(bound), unit, measured };
    let ratio = |scenario, base, name| report.ratio(scenario, Sidestream, base, name);
    let own = |scenario, name| report.figure(scenario, Sidestream, name);
    vec![
        at_most("CPU per delivery, cpu", 1.25, "× floor", ratio(Cpu, Floor, "cpu_us_per_delivery")),
        at_most("CPU per delivery, cpu", 0.8, "× nchan", ratio(Cpu, Nchan, "cpu_us_per_delivery")),
        at_most("faults and gaps, cpu", 0.0, "", faults(report, Cpu)),
        at_most("publisher's median wait, cpu", 0.1, "× nchan", ratio(Cpu, Nchan, "wait_p50_us")),
        at_most("latency p50, cpu", 2.0, "× floor", ratio(Cpu, Floor, "latency_p50_us")),
        at_least("deliveries/s, throughput", 8.0, "× nchan", ratio(Throughput, Nchan, "deliveries_per_s")),
        at_most("faults and gaps, throughput", 0.0, "", faults(report, Throughput)),
        at_most("memory per idle connection", 1024.0, "bytes", own(Idle, "pss_per_connection")),
        at_least("webhooks/s", 0.9, "× pingora", ratio(Webhooks, Pingora, "webhooks_per_s")),
        // 5 % is what allocators keep or give back from one cycle to the next.
        at_most("memory after the last cycle, churn", 1.05, "× after the second", own(Churn, "growth")),
        at_most("connections back to 0, churn", 2.0, "s", own(Churn, "zero_s")),
    ]
}

fn faults(report: &Report, scenario: Scenario) -> Option<f64> {
    report.figure(scenario, Sidestream, "deliveries_per_s")?;
    Some(FAULTS.iter().filter_map(|name| report.figure(scenario, Sidestream, name)).sum())
}
