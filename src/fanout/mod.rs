//! Fan-out: from the log's tail to every subscriber's socket.

mod settings;

pub use settings::Settings;
