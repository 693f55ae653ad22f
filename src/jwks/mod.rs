//! Key sets that are published at URLs: fetched in the background, and kept.
//!
//! [`Registry`] keeps one [`Feed`] for each URL and fills it: fetched when it first appears, again before what was fetched
//! grows old, once more when a token names a key that is not in it (at most once in an interval, however many tokens do),
//! and with growing pauses while the provider can't be reached. What was fetched last stays in use until something newer
//! was: an outage of the provider lets nobody in and nobody out.
//!
//! A provider is not trusted further than with its keys: its answer is bounded in bytes and time, redirects are not
//! followed, and nothing of a body reaches a log.

mod fetch;
mod freshness;
mod keeper;
mod metrics;
mod registry;

#[cfg(test)]
mod tests;

pub use fetch::Roots;
pub use metrics::Metrics;
pub use registry::Registry;
