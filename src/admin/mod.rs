//! The operator's listener: metrics, health and the admin API.

mod settings;

pub use settings::{Readiness, Settings};
