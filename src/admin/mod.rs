//! The operator's listener: metrics, health and the admin API.
//!
//! Reads are open to whoever reaches the listener. Writes are not ([`access`]): they need the token, or a local peer where
//! none is set, and never come from a page of another origin. Whatever is told is read from snapshots, so that a scrape
//! waits for nothing and holds nothing up.

mod access;
mod app;
mod connections;
mod health;
mod info;
mod metrics;
mod page;
mod reload;
mod route;
mod settings;
mod topics;

pub use app::{Admin, Parts, Refresh, Wedged};
pub use info::Listening;
pub use metrics::Metrics;
pub use reload::{Reload, Reloaded};
pub use settings::{Readiness, Settings};

#[cfg(test)]
mod tests;
