//! The figures sidestream is held to, beside what was measured.

use crate::contender::Kind::{Floor, Nchan, Pingora, Sidestream};
use crate::report::{Report, number, render};
use crate::scenario::FAULTS;
use crate::scenario::Scenario::{
    self, Admin, Auth, Churn, Cpu, Idle, Patterns, Replay, Resume, Sources, Throughput, Topics, Webhooks,
};

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

struct Target {
    scenario: Scenario,
    what: &'static str,
    limit: Limit,
    unit: &'static str,
    measured: Option<f64>,
}

/// The table of targets of the scenarios that were run; `None` when sidestream was not among the contenders.
pub fn table(report: &Report) -> Option<String> {
    let mut targets = targets(report);
    targets.retain(|target| report.ran(target.scenario));
    if targets.iter().all(|target| target.measured.is_none()) {
        return None;
    }
    let mut table = vec![["target", "asked", "measured", "verdict"].map(str::to_owned).to_vec()];
    for Target { what, limit, unit, measured, .. } in targets {
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
    let at_most = |scenario, what, bound, unit, measured| Target {
        scenario,
        what,
        limit: Limit::AtMost(bound),
        unit,
        measured,
    };
    let at_least = |scenario, what, bound, unit, measured| Target {
        scenario,
        what,
        limit: Limit::AtLeast(bound),
        unit,
        measured,
    };
    let ratio = |scenario, base, name| report.ratio(scenario, Sidestream, base, name);
    let own = |scenario, name| report.figure(scenario, Sidestream, name);
    vec![
        at_most(Cpu, "CPU per delivery, cpu", 1.25, "× floor", ratio(Cpu, Floor, "cpu_us_per_delivery")),
        at_most(Cpu, "CPU per delivery, cpu", 0.8, "× nchan", ratio(Cpu, Nchan, "cpu_us_per_delivery")),
        at_most(Cpu, "faults and gaps, cpu", 0.0, "", faults(report, Cpu)),
        at_most(Cpu, "publisher's median wait, cpu", 0.1, "× nchan", ratio(Cpu, Nchan, "wait_p50_us")),
        at_most(Cpu, "latency p50, cpu", 2.0, "× floor", ratio(Cpu, Floor, "latency_p50_us")),
        at_least(
            Throughput,
            "deliveries/s, throughput",
            8.0,
            "× nchan",
            ratio(Throughput, Nchan, "deliveries_per_s"),
        ),
        at_most(Throughput, "faults and gaps, throughput", 0.0, "", faults(report, Throughput)),
        at_most(Idle, "memory per idle connection", 1024.0, "bytes", own(Idle, "pss_per_connection")),
        at_least(Webhooks, "webhooks/s", 0.9, "× pingora", ratio(Webhooks, Pingora, "webhooks_per_s")),
        // 5 % is what allocators keep or give back from one cycle to the next.
        at_most(
            Churn,
            "memory after the last cycle, churn",
            1.05,
            "× after the second",
            own(Churn, "growth"),
        ),
        at_most(Churn, "connections back to 0, churn", 2.0, "s", own(Churn, "zero_s")),
        at_least(Resume, "one topic, resume", 500e3, "events/core-second", own(Resume, "topic_per_core_s")),
        at_least(Resume, "a pattern, resume", 500e3, "events/core-second", own(Resume, "pattern_per_core_s")),
        at_least(Resume, "envelope, resume", 500e3, "events/core-second", own(Resume, "envelope_per_core_s")),
        at_most(Resume, "faults and gaps, resume", 0.0, "", faults(report, Resume)),
        at_most(Topics, "CPU per event, topics", 2.0, "× 10 topics", own(Topics, "cpu_ratio")),
        at_most(Topics, "publisher's median wait, topics", 2.0, "× 10 topics", own(Topics, "wait_ratio")),
        at_most(Topics, "memory per connection, topics", 1536.0, "bytes", own(Topics, "pss_per_connection")),
        at_most(Topics, "faults and gaps, topics", 0.0, "", faults(report, Topics)),
        at_most(Patterns, "faults and gaps, patterns", 0.0, "", faults(report, Patterns)),
        at_most(Replay, "live p99, replay", 2.0, "× before", own(Replay, "p99_ratio")),
        at_most(Replay, "faults and gaps, replay", 0.0, "", faults(report, Replay)),
        at_most(Admin, "live p99, admin", 1.2, "× before", own(Admin, "p99_ratio")),
        at_most(Admin, "faults and gaps, admin", 0.0, "", faults(report, Admin)),
        at_most(Sources, "verified and mapped, sources", 2.5, "× plain", own(Sources, "ratio_github")),
        // What the plain way does not look at can make no difference; 5 % is what the runs differ by.
        at_most(Sources, "JSON, sources", 1.05, "× text", own(Sources, "ratio_json")),
        at_most(Sources, "faults, sources", 0.0, "", faults(report, Sources)),
        at_most(Auth, "CPU per subscribe with HS256, auth", 1.3, "× public", own(Auth, "ratio_hs256")),
        at_most(Auth, "CPU per subscribe with ES256, auth", 2.0, "× public", own(Auth, "ratio_es256")),
        at_least(Auth, "subscribes/s with HS256, auth", 0.5, "× public", own(Auth, "rate_ratio_hs256")),
        at_least(Auth, "subscribes/s with ES256, auth", 0.5, "× public", own(Auth, "rate_ratio_es256")),
        // A grant is decided once, and looked at no more; 5 % is what the runs differ by.
        at_most(Auth, "CPU per delivery, auth", 1.05, "× public", own(Auth, "ratio_delivery")),
        at_most(Auth, "faults and gaps, auth", 0.0, "", faults(report, Auth)),
    ]
}

fn faults(report: &Report, scenario: Scenario) -> Option<f64> {
    report.figure(scenario, Sidestream, "missing")?;
    Some(FAULTS.iter().filter_map(|name| report.figure(scenario, Sidestream, name)).sum())
}
