//! The public listener: subscribers under the prefix, the app behind everything else.

mod settings;

pub use settings::{Overload, Settings, Upstream, UpstreamScheme, UpstreamTimeouts};
