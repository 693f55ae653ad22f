//! The internal listener that webhooks are posted to.

mod settings;

pub use settings::Settings;
