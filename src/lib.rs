//! sidestream: a sidecar and reverse proxy that turns webhooks into Server-Sent Events.
//!
//! A webhook becomes an event in one ordered log, and a subscriber is a cursor in that log. `ARCHITECTURE.md` draws the
//! parts and says who may import whom.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod content;
pub mod edge;
pub mod event;
pub mod expr;
pub mod fanout;
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
