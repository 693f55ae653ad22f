//! `patterns`: what an event costs when more and more distinct patterns are subscribed, of which it matches one; and when,
//! of the most, it matches 1, 10 and 100. Every event is of a topic never seen before, so nothing remembered helps.
//!
//! Distinct patterns that match the same topic: `deep.7.*.b.*.d.e.f.g.*` is one of a group in which each of seven tokens is
//! either named or `*`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use sidestream::event::{Pattern, Topic};

use super::Outcome;
use super::cost::{self, Offer, scatter};
use crate::Res;
use crate::args::Args;
use crate::contender::Contender;
use crate::selfcheck::ensure;
use crate::subscribers::Subscribers;

/// Named tokens of a group's topics: up to 128 patterns match one.
const TOKENS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// Figures of a stage: CPU, CPU net of heartbeats, the publisher's wait.
type Names = [&'static str; 3];

/// The curve: how many patterns, of which each event matches one.
const CURVE: [(usize, Names); 3] = [
    (10, ["cpu_us_10", "net_us_10", "wait_p50_us_10"]),
    (100, ["cpu_us_100", "net_us_100", "wait_p50_us_100"]),
    (1000, ["cpu_us_1000", "net_us_1000", "wait_p50_us_1000"]),
];
/// At the end of the curve: how many of all match an event.
const MATCHING: [(usize, Names); 3] = [
    (1, ["cpu_us_most", "net_us_most", "wait_p50_us_most"]),
    (10, ["cpu_us_match_10", "net_us_match_10", "wait_p50_us_match_10"]),
    (100, ["cpu_us_match_100", "net_us_match_100", "wait_p50_us_match_100"]),
];

/// Patterns at the end of the curve: what the connections allow, 10,000 at most.
pub fn most(connections: usize) -> usize {
    connections.min(10_000)
}

pub fn run(contender: &Contender, args: &Args, rate: f64) -> Res<Outcome> {
    let mut outcome = Outcome::default();
    for (count, names) in CURVE {
        let patterns = Patterns::alone(count);
        let mut subscribers = patterns.connect(contender)?;
        patterns.measure(contender, args, &mut subscribers, (1, rate), names, &mut outcome)?;
    }
    let patterns = Patterns::mixed(most(args.connections()));
    let mut subscribers = patterns.connect(contender)?;
    for (matching, names) in MATCHING {
        patterns.measure(contender, args, &mut subscribers, (matching, rate), names, &mut outcome)?;
    }
    let growth = outcome.figures["net_us_most"] / outcome.figures["net_us_10"];
    outcome.figures.insert("growth", growth);
    Ok(outcome)
}

/// Patterns that stand alone, then those in groups of ten, then in groups of a hundred: one subscriber each.
#[derive(Clone, Copy)]
struct Patterns {
    alone: usize,
    tens: usize,
    hundreds: usize,
}

impl Patterns {
    fn alone(count: usize) -> Patterns {
        Patterns { alone: count, tens: 0, hundreds: 0 }
    }

    /// Half of them alone, a quarter in groups of ten, a quarter in groups of a hundred.
    fn mixed(count: usize) -> Patterns {
        let (tens, hundreds) = (count / 40, count / 400);
        Patterns { alone: count - 10 * tens - 100 * hundreds, tens, hundreds }
    }

    fn count(self) -> usize {
        self.alone + 10 * self.tens + 100 * self.hundreds
    }

    fn pattern(self, index: usize) -> String {
        if index < self.alone {
            return format!("alone.{index}.*");
        }
        let index = index - self.alone;
        let (group, member) = if index < 10 * self.tens {
            (format!("ten.{}", index / 10), index % 10)
        } else {
            let index = index - 10 * self.tens;
            (format!("hundred.{}", index / 100), index % 100)
        };
        let token = |(bit, name): (usize, &&'static str)| if member >> bit & 1 == 1 { "*" } else { name };
        let tokens: Vec<&str> = TOKENS.iter().enumerate().map(token).collect();
        format!("{group}.{}.*", tokens.join("."))
    }

    /// The topic of an event that `matching` patterns match, and whose they are.
    fn target(self, matching: usize, number: u32) -> (String, Range<usize>) {
        if matching == 1 {
            let index = scatter(number, self.alone);
            return (format!("alone.{index}"), index..index + 1);
        }
        let (name, groups, first) = match matching {
            10 => ("ten", self.tens, self.alone),
            _ => ("hundred", self.hundreds, self.alone + 10 * self.tens),
        };
        let group = scatter(number, groups);
        let begin = first + group * matching;
        (format!("{name}.{group}.{}", TOKENS.join(".")), begin..begin + matching)
    }

    fn connect(self, contender: &Contender) -> Res<Subscribers> {
        let endpoint = &contender.subscribe;
        let prefix = endpoint.path.trim_end_matches("/bench").to_owned();
        let path_of = move |index| format!("{prefix}/{}", self.pattern(index));
        Subscribers::connect_each(endpoint.addr, self.count(), path_of)
    }

    fn measure(
        self,
        contender: &Contender,
        args: &Args,
        subscribers: &mut Subscribers,
        (matching, rate): (usize, f64),
        [cpu, net, wait]: Names,
        outcome: &mut Outcome,
    ) -> Res<()> {
        // Its name is in the topics, so that no stage meets those of another.
        let offer = Offer {
            rate,
            path_of: Arc::new(move |number| {
                format!("/webhooks/{}.{cpu}-{number}", self.target(matching, number).0)
            }),
            audience: Box::new(move |number| self.target(matching, number).1),
        };
        let cost = cost::measure(contender, args, (subscribers, self.count()), offer, outcome)?;
        outcome.figures.extend([(cpu, cost.cpu_us), (net, cost.net_us), (wait, cost.wait_us)]);
        Ok(())
    }
}

/// All patterns differ, and those that match an event are those expected to, by the library's own rules.
pub fn check() -> Res<()> {
    let all = Patterns::mixed(1200);
    let texts: Vec<String> = (0..all.count()).map(|index| all.pattern(index)).collect();
    ensure(texts.iter().collect::<BTreeSet<_>>().len() == 1200, "patterns differ")?;
    let patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
    for number in 0..50 {
        for (matching, _) in MATCHING {
            let (name, audience) = all.target(matching, number);
            let topic = Topic::parse(&format!("{name}.new-{number}"))?;
            let who: Vec<usize> = (0..patterns.len()).filter(|&i| patterns[i].matches(&topic)).collect();
            ensure(who == audience.collect::<Vec<_>>() && who.len() == matching, "who is matched")?;
        }
    }
    Ok(())
}
