//! `proxy_protocol` of a listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net;

/// The policy as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ProxyProtocol {
    /// The caller is who is connected.
    #[default]
    Off,
    /// Every connection begins with a PROXY header, of version 1 or 2, which says who the caller is. One without is closed.
    Required,
}

impl From<ProxyProtocol> for net::ProxyProtocol {
    fn from(written: ProxyProtocol) -> Self {
        match written {
            ProxyProtocol::Off => Self::Off,
            ProxyProtocol::Required => Self::Required,
        }
    }
}
