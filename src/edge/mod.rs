//! The public listener: subscribers under the prefix, the app behind everything else.
//!
//! [`Edge`] is the reverse proxy's behaviour as pingora wants it, one file per concern: where a request goes (`route`),
//! who asks (`client_address`), what the app is told of that (`forward`), webhooks that are served here too (`exposed`), upgraded connections (`tunnel`), answers of
//! the app that become streams (`hold`), what is counted (`metrics`). `subscribe` answers what is under the prefix, and
//! `access` says who may have it.

mod accept;
mod access;
mod answer;
mod ask;
mod client_address;
mod cors;
mod exposed;
mod forward;
mod forwarded;
mod history;
mod hold;
mod metrics;
mod page;
mod problem;
mod proxy;
mod query;
mod route;
mod settings;
mod subscribe;
mod tunnel;

pub use access::{Failures as AccessFailures, Parts as AccessParts};
pub use client_address::{Trusted, TrustedError, TrustedProxies, client};
pub use cors::{Cors, Credentials, OriginError, OriginRule};
pub use exposed::Exposed;
pub use metrics::Metrics;
pub use proxy::{Edge, proxy};
#[doc(hidden)]
pub use query::read_asked;
pub use settings::{Overload, Settings};
pub use subscribe::{RuleOf, Subscribe};

pub use crate::net::{Roots, Upstream, UpstreamScheme, UpstreamTimeouts};
