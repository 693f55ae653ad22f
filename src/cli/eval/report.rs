//! What is told of a request that was tried: for people, and for machines.

use std::fmt::Write;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::Judged;
use crate::cli::args::Extent;
use crate::config::{Config, OneLine};
use crate::event::{Delivery, Event, EventType};
use crate::ingress::{DedupeBy, DryEnd, DryRun, Place, Source, StepName, StepReport};
use crate::jwt::TokenError;
use crate::relay::Mode;
use crate::sse::time::rfc3339;
use crate::verify::{Freshness, IdRule, Unverified};

/// Bytes of a text that are shown where not all of it is asked for: some lines of a terminal.
const SHOWN_BYTES: usize = 300;

/// What would become of a request.
pub(super) struct Report<'a> {
    source: &'a Source,
    judged: Judged,
    steps: Vec<StepReport>,
    /// What would be published, if anything.
    delivery: Option<Delivery>,
    /// As `sidestream_webhooks_total` counts it.
    outcome: &'static str,
    why: Option<String>,
    /// None where no source would answer.
    answer: Option<Shown>,
    relay: Option<&'static str>,
}

/// An answer, as it is told.
struct Shown {
    status: StatusCode,
    fields: Vec<(String, String)>,
    body: String,
}

impl<'a> Report<'a> {
    /// Of a request that was tried, or that is for no source, for the reason that is given.
    pub(super) fn new(
        config: &Config,
        source: &'a Source,
        tried: Result<DryRun, String>,
        judged: Judged,
    ) -> Self {
        let (steps, end, answer) = match tried {
            Ok(run) => (run.steps, Some(run.end), Some(Shown::of(&run.answer))),
            Err(why) => (vec![StepReport { step: StepName::Route, event: None, said: Err(why) }], None, None),
        };
        let (delivery, outcome, why) = match end {
            Some(DryEnd::Append(delivery)) => (Some(delivery), "accepted", None),
            Some(DryEnd::Filtered) => (None, "filtered", None),
            Some(DryEnd::Handshake(_)) => (None, "handshake", None),
            Some(DryEnd::Refused { outcome, why, .. }) => (None, outcome, Some(why)),
            None => (None, "not_found", None),
        };
        let relay = if matches!(outcome, "accepted" | "filtered") { relay(config, source) } else { None };
        Self { source, judged, steps, delivery, outcome, why, answer, relay }
    }

    /// Whether it would be published, or is a question that would be granted.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.outcome, "accepted" | "handshake")
    }

    /// A line for each step, and what comes of them.
    pub(super) fn text(&self, extent: Extent) -> String {
        let mut text = String::new();
        let mut line = |name: &str, said: &str| {
            let _ = writeln!(text, "{name:<9} {}", OneLine(&cut(said, extent)));
        };
        line("time", &rfc3339(self.judged.time));
        for report in &self.steps {
            let name = self.name(report);
            match (&report.said, report.step) {
                (Ok(said), StepName::Dedupe) => line(&name, &format!("{said}{}", self.remembered())),
                (Ok(_), StepName::Data) if self.whole(report).is_some() => {
                    line(&name, &self.whole(report).unwrap_or_default());
                }
                (Ok(said), _) => line(&name, said),
                (Err(why), _) => line(&name, &format!("refused: {why}{}", self.hint(report.step))),
            }
        }
        if self.has_own_steps() {
            for (number, event) in self.events().enumerate() {
                let kind = event.kind.as_ref().map_or("none", EventType::as_str);
                let said = format!("{}, type {kind}: {}", event.topic, String::from_utf8_lossy(&event.data));
                line(&format!("event {number}"), &said);
            }
        }
        if let Some(relay) = self.relay {
            line("relay", relay);
        }
        if let Some(answer) = &self.answer {
            line("answer", &answer.line());
        }
        line("outcome", &self.summary());
        text
    }

    /// The same as one JSON object, with the whole data of each event.
    pub(super) fn json(&self) -> String {
        let step = |report: &StepReport| {
            let (ok, said) = match &report.said {
                Ok(said) => (true, said),
                Err(why) => (false, why),
            };
            json!({ "step": report.step.as_str(), "event": report.event, "ok": ok, "said": said })
        };
        let event = |event: &Event| {
            json!({
                "topic": event.topic.as_str(),
                "type": event.kind.as_ref().map(EventType::as_str),
                "data": String::from_utf8_lossy(&event.data),
            })
        };
        let verified = self.steps.iter().any(|report| report.step == StepName::Verify && report.said.is_ok());
        let secret = self.judged.verified.as_ref().ok().and_then(|verified| verified.secret);
        json!({
            "source": &*self.source.name,
            "time": rfc3339(self.judged.time),
            "outcome": self.outcome,
            "accepted": self.is_accepted(),
            "why": self.why,
            "verified": verified,
            "secret": secret.filter(|_| verified),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "events": self.events().map(event).collect::<Vec<_>>(),
            "dedupe": self.dedupe(),
            "relay": self.relay,
            "answer": self.answer.as_ref().map(Shown::json),
        })
        .to_string()
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.delivery.iter().flat_map(|delivery| &delivery.events)
    }

    fn has_own_steps(&self) -> bool {
        self.steps.iter().any(|report| report.step == StepName::Own)
    }

    /// A step, with the number of its event where there are several.
    fn name(&self, report: &StepReport) -> String {
        let several = self.steps.iter().any(|report| report.event.is_some_and(|event| event > 0));
        match report.event {
            Some(event) if several => format!("{} {event}", report.step.as_str()),
            _ => report.step.as_str().to_owned(),
        }
    }

    /// The whole data that a step gave, where it is what is published.
    fn whole(&self, report: &StepReport) -> Option<String> {
        let event = if self.has_own_steps() { None } else { self.events().nth(report.event?) };
        event.map(|event| String::from_utf8_lossy(&event.data).into_owned())
    }

    /// What to try where the time is what is wrong.
    fn hint(&self, step: StepName) -> &'static str {
        match &self.judged.verified {
            Err(Unverified::Old(..) | Unverified::Future(..)) if step == StepName::Verify => {
                " (--time signed tries it at its own time)"
            }
            Err(Unverified::Token(TokenError::NoKeys)) if step == StepName::Verify => {
                " (a dry run fetches none)"
            }
            Err(Unverified::Token(TokenError::Expired | TokenError::NotYet)) if step == StepName::Verify => {
                " (--time SECONDS tries it at another time)"
            }
            _ => "",
        }
    }

    /// What stands for the delivery in the log, and for how long.
    fn remembered(&self) -> String {
        match self.delivery.as_ref().and_then(|delivery| delivery.dedupe.as_ref()) {
            Some(dedupe) => format!(" made of {}, for {}", compared(self.source), span(dedupe.window)),
            None => ": the same again is published again".to_owned(),
        }
    }

    fn dedupe(&self) -> Value {
        match self.delivery.as_ref().and_then(|delivery| delivery.dedupe.as_ref()) {
            Some(dedupe) => json!({
                "key": format!("{:032x}", u128::from_be_bytes(dedupe.key.0)),
                "of": compared(self.source),
                "seconds": dedupe.window.as_secs(),
            }),
            None => Value::Null,
        }
    }

    fn summary(&self) -> String {
        match (&self.why, &self.delivery) {
            (Some(why), _) => format!("{}: {why}; nothing is published", self.outcome),
            (None, Some(delivery)) => match delivery.events.len() {
                1 => format!("{}: one event", self.outcome),
                events => format!("{}: {events} events", self.outcome),
            },
            (None, None) => format!("{}: nothing is published", self.outcome),
        }
    }
}

impl Shown {
    fn of(answer: &crate::net::http::Answer) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: answer.status(),
            fields: answer.fields().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            body: text(answer.body()),
        }
    }

    fn line(&self) -> String {
        if self.body.is_empty() { self.status.to_string() } else { format!("{}: {}", self.status, self.body) }
    }

    fn json(&self) -> Value {
        // A field may be there twice, which an object could not say.
        json!({ "status": self.status.as_u16(), "headers": self.fields, "body": self.body })
    }
}

/// What of two deliveries of a source is compared.
fn compared(source: &Source) -> String {
    let signed = matches!(source.scheme.facts().freshness, Freshness::Signed(_));
    let instead = if signed { ", or without it all that is signed" } else { "" };
    match &source.dedupe.by {
        DedupeBy::Id if source.scheme.facts().id == IdRule::Body && source.mapping.id.is_none() => {
            "the id, or without one the body".to_owned()
        }
        DedupeBy::Id => format!("the id{instead}"),
        DedupeBy::Body => "the body".to_owned(),
        DedupeBy::Template(_) => format!("dedupe.by{instead}"),
        DedupeBy::First(places) => {
            let place = |place: &Place| match place {
                Place::Header(name) => format!("header:{name}"),
                Place::Body(pointer) => format!("body:{pointer}"),
            };
            let places: Vec<String> = places.iter().map(place).collect();
            format!("the first there is of {}{instead}", places.join(", "))
        }
    }
}

/// What else becomes of a request that is verified, which is not tried here.
fn relay(config: &Config, source: &Source) -> Option<&'static str> {
    Some(match &config.relay.of(&source.name)?.mode {
        Mode::Before => {
            "the app gets it first: unless it answers 2xx nothing is published, and its answer is the sender's"
        }
        Mode::After => "the app gets it after the log, and its answer is the sender's",
        Mode::Queued(_) => "the app gets it after the log, from a queue",
    })
}

/// A duration of whole seconds, as in the configuration.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

/// A text, cut where it is long and not all of it is asked for.
fn cut(text: &str, extent: Extent) -> String {
    if extent == Extent::Whole || text.len() <= SHOWN_BYTES {
        return text.to_owned();
    }
    format!("{}… ({} bytes; --full shows all)", &text[..text.floor_char_boundary(SHOWN_BYTES)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_they_are_written() {
        for (seconds, text) in [(86_400, "1d"), (7_200, "2h"), (300, "5m"), (90, "90s"), (1, "1s")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let text = "é".repeat(SHOWN_BYTES);
        assert_eq!(cut(&text, Extent::Whole), text);
        let short = cut(&text, Extent::Part);
        assert!(short.starts_with("éé") && short.ends_with("é… (600 bytes; --full shows all)"), "{short}");
        assert_eq!(cut("short", Extent::Part), "short");
    }
}
