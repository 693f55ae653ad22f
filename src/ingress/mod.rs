//! The internal listener that webhooks are posted to.
//!
//! The life of a webhook, in this order: route → method → rate → body, capped while it streams → verify the raw bytes → names
//! and data → append → answer. Nothing is read of a body before it is verified, nothing is answered 2xx before the log
//! has it, and whatever is refused has published nothing (an append without an answer excepted, and that says so).
//!
//! What the types keep: a [`pipeline::Received`] becomes an event only through [`pipeline::Verified`], and only events can
//! be appended.

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
