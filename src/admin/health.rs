//! Liveness and readiness, as an orchestrator's probes ask for them.

use http::StatusCode;
use serde_json::json;

use super::settings::Readiness;
use crate::lifecycle::Phase;
use crate::log::Health;
use crate::net::http::Answer;

/// `/healthz`: 200 while nothing is wedged. A restart is the cure for what is named here, so nothing that a restart can't
/// cure, such as a broker that is down, belongs here.
pub(super) fn liveness(wedged: &[String]) -> Answer {
    if wedged.is_empty() {
        Answer::json(StatusCode::OK, json!({"status": "ok"}).to_string())
    } else {
        let body = json!({"status": "wedged", "wedged": wedged}).to_string();
        Answer::json(StatusCode::SERVICE_UNAVAILABLE, body)
    }
}

/// `/readyz`. `lacking` names what is not there and does not make it unready.
pub(super) fn readiness(phase: Phase, health: &Health, policy: Readiness, lacking: Vec<String>) -> Answer {
    let body = match judge(phase, health, policy, lacking) {
        Ready::Yes => json!({"status": "ready"}),
        Ready::Degraded(what) => json!({"status": "degraded", "degraded": what}),
        Ready::No(missing) => {
            let body = json!({"status": "unready", "missing": missing}).to_string();
            return Answer::json(StatusCode::SERVICE_UNAVAILABLE, body);
        }
    };
    Answer::json(StatusCode::OK, body.to_string())
}

#[derive(Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    /// Still 200: a sidecar's readiness gates its whole pod.
    Degraded(Vec<String>),
    No(Vec<String>),
}

fn judge(phase: Phase, health: &Health, policy: Readiness, lacking: Vec<String>) -> Ready {
    let mut missing = Vec::new();
    match phase {
        Phase::Starting => missing.push("not serving yet".to_owned()),
        Phase::Serving => {}
        Phase::Leaving | Phase::Draining | Phase::Ending => missing.push("draining".to_owned()),
    }
    let mut degraded = Vec::new();
    match health {
        Health::Up => {}
        Health::Starting => missing.push("log: starting".to_owned()),
        Health::Down(why) if policy == Readiness::Always || phase == Phase::Starting => {
            missing.push(format!("log: {why}"));
        }
        Health::Down(why) => degraded.push(format!("log: {why}")),
    }
    degraded.extend(lacking);
    if !missing.is_empty() {
        Ready::No(missing)
    } else if degraded.is_empty() {
        Ready::Yes
    } else {
        Ready::Degraded(degraded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_from_serving_until_leaving_and_a_later_outage_degrades() {
        let down = Health::Down("gone");
        let no = |missing: &[&str]| Ready::No(missing.iter().map(ToString::to_string).collect());
        let cases = [
            (Phase::Starting, Health::Starting, no(&["not serving yet", "log: starting"])),
            (Phase::Starting, Health::Up, no(&["not serving yet"])),
            (Phase::Starting, down.clone(), no(&["not serving yet", "log: gone"])),
            (Phase::Serving, Health::Starting, no(&["log: starting"])),
            (Phase::Serving, Health::Up, Ready::Yes),
            (Phase::Serving, down.clone(), Ready::Degraded(vec!["log: gone".into()])),
            (Phase::Leaving, Health::Up, no(&["draining"])),
            (Phase::Draining, Health::Up, no(&["draining"])),
            (Phase::Ending, Health::Up, no(&["draining"])),
        ];
        for (phase, health, want) in cases {
            assert_eq!(judge(phase, &health, Readiness::Startup, Vec::new()), want, "{phase:?} {health:?}");
        }
        assert_eq!(judge(Phase::Serving, &down, Readiness::Always, Vec::new()), no(&["log: gone"]));
        assert_eq!(judge(Phase::Serving, &Health::Up, Readiness::Always, Vec::new()), Ready::Yes);
    }

    #[test]
    fn what_is_lacking_is_named_and_never_makes_it_unready() {
        let judge = |phase, health: &Health, policy| judge(phase, health, policy, vec!["keys: a".into()]);
        let keys = Ready::Degraded(vec!["keys: a".into()]);
        for policy in [Readiness::Startup, Readiness::Always] {
            assert_eq!(judge(Phase::Serving, &Health::Up, policy), keys);
        }
        let both = Ready::Degraded(vec!["log: gone".into(), "keys: a".into()]);
        assert_eq!(judge(Phase::Serving, &Health::Down("gone"), Readiness::Startup), both);
        let no = Ready::No(vec!["not serving yet".into()]);
        assert_eq!(judge(Phase::Starting, &Health::Up, Readiness::Startup), no, "only what is missing");
    }
}
