//! The operator's listener: metrics, health and the admin API.
//!
//! Reads are open to whoever reaches the listener. Writes are not ([`access`]): they need the token, or a local peer where
//! none is set, and never come from a page of another origin. Probes and scrapes are answered from snapshots: they wait for
//! nothing and hold nothing up. The lists of topics and streams ask the log and the shards ([`Inspect`]), page by page and
//! never for long.

mod access;
mod app;
mod connections;
mod health;
mod info;
mod inspect;
mod metrics;
mod page;
mod reload;
mod revoke;
mod route;
mod settings;
mod sources;
mod topics;

pub use app::{Admin, Parts, Refresh, Wedged};
pub use info::Listening;
pub use inspect::Inspect;
pub use metrics::Metrics;
pub use reload::{Reload, Reloaded};
pub use revoke::Revoke;
pub use settings::{Readiness, Settings};
pub use sources::{Exposed, SourceRow, Sources};

#[cfg(test)]
mod tests;
