//! The internal listener that webhooks are posted to.
//!
//! The life of a webhook, in this order: route → method → address limit → GET and OPTIONS handshakes → rates → body, capped
//! while it streams → verify the raw bytes → unpack, read → POST handshakes → id, filter, topic, type, data → the program's
//! own steps → append with the dedupe key → answer. Nothing is read of a body before it is verified, nothing is answered 2xx
//! before the log has it, and whatever is refused has published nothing (an append without an answer excepted, and that says
//! so).
//!
//! What the types keep: a request becomes events only through `pipeline::Verified`, and only events can be appended. A
//! [`Source`] says what becomes of them; it is replaced by a reload, and what is counted and limited under its name lives on
//! (`bound`). [`dry_run`] takes the same way without a log; a [`Registry`] brings verifiers and steps of a program's own.

mod app;
mod bound;
mod dry_run;
mod exposed;
mod limits;
mod metrics;
mod outcome;
mod overview;
mod pipeline;
mod rate;
mod receive;
mod registry;
mod relayed;
mod route;
mod settings;
mod source;

pub use app::{Ingress, Parts, Subscribers};
pub use bound::LastError;
pub use dry_run::{Captured, DryEnd, DryRun, NotTried, dry_run};
pub use limits::APPEND_TIME;
pub use metrics::Metrics;
pub use outcome::Outcome;
pub use overview::Overview;
pub use pipeline::{StepName, StepReport};
pub use rate::Rate;
pub use registry::{Registry, StepNameError};
pub use route::{PathError, SourcePath};
pub use settings::Settings;
pub use source::{
    Binary, Context, DataRule, DedupeBy, DedupeRule, Denied, Exposure, Limits, Mapping, NamedStep, OnError,
    Place, Respond, RespondError, Source, Sources, Step, TopicRule,
};

#[cfg(test)]
mod tests;
