//! sidestream: a sidecar and reverse proxy that turns webhooks into Server-Sent Events.
//!
//! A webhook becomes an event in one ordered log, and a subscriber is a cursor in that log. `ARCHITECTURE.md` draws the
//! parts and says who may import whom.

pub mod admin;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod content;
pub mod edge;
pub mod event;
pub mod expr;
pub mod fanout;
pub mod forward;
pub mod ingress;
pub mod jwks;
pub mod jwt;
pub mod lifecycle;
pub mod live;
pub mod log;
pub mod net;
pub mod network;
pub mod relay;
pub mod secret;
pub mod sse;
pub mod throttle;
pub mod verify;

/// Runs the program, command line and all, with verifiers and steps of one's own.
///
/// ```no_run
/// use sidestream::ingress::Registry;
/// # use sidestream::verify::{Facts, Request, Scheme, Unverified, Verified, Verifier};
/// # struct Acme;
/// # impl Verifier for Acme {
/// #     fn verify(&self, _: &Request<'_>) -> Result<Verified, Unverified> { Err(Unverified::Mismatch) }
/// # }
///
/// fn main() -> std::process::ExitCode {
///     // In the configuration: verify: { acme: { … } }, of which the builder is given what stands in the braces.
///     let registry = Registry::new()
///         .verifier("acme", |_settings| Ok(Scheme::new("acme", Acme, Facts::default())))
///         .expect("no verifier of sidestream's own is called acme");
///     sidestream::run_with(registry)
/// }
/// ```
#[must_use]
pub fn run_with(registry: ingress::Registry) -> std::process::ExitCode {
    cli::run_with(&std::sync::Arc::new(registry))
}
