//! The public listener: subscribers under the prefix, the app behind everything else.

mod accept;
mod settings;
mod subscribe;
pub mod tmp;

pub use settings::{Overload, Settings, Upstream, UpstreamScheme, UpstreamTimeouts};
pub use subscribe::{Outcome, RuleOf, Subscribe};
